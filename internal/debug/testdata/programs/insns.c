/* Instructions that are hard to step. */
#include <stdio.h>

char from[8] = "1234567", to[8];

/* The result is in rax, and what pushf stored in rdx. */
long tricky(long *flags);
asm(".text\n.globl tricky\n.type tricky,@function\n"
    "tricky:\n"
    "	push %rbx\n"
    "	mov %rdi,%rbx\n"
    "do_syscall:\n"
    "	mov $39,%eax\n"
    "	syscall\n"
    "after_syscall:\n"
    "	pushf\n"
    "	popq (%rbx)\n"
    "do_popf:\n"
    "	pushq $0x246\n"
    "	popf\n"
    "do_rep:\n"
    "	lea from(%rip),%rsi\n"
    "	lea to(%rip),%rdi\n"
    "	mov $3,%ecx\n"
    "	rep movsb\n"
    "after_rep:\n"
    "	nop\n"
    "	pop %rbx\n"
    "	ret\n"
    ".size tricky,.-tricky\n");

void trap(void)
{
	asm volatile("int3\n\tnop");
}

int main(void)
{
	long flags = 0;
	tricky(&flags);
	printf("trap flag %ld, copied %s\n", flags >> 8 & 1, to);
	trap();
	puts("after the trap");
	return 0;
}
