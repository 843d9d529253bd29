/* The instructions that the debugger executes itself, with values at the edges;
 * a tracepoint is put on each of them. What they leave in registers and memory
 * is in registers in the end. */
	.data
cells:	.quad 0x8000000000000000, 0x7fffffff, -1, 0x0123456789abcdef, 0, 0, 0, 0
	.text
	.globl _start, routine, routine_end, done, calls, calls_end, fault
_start:
	call routine
	call calls
done:
	mov $60, %eax
	xor %edi, %edi
	syscall

fault:
	mov %eax, fault(%rip)

calls:
	nop
	mov $39, %eax
	syscall
	mov $102, %eax
	syscall
	nop
calls_end:
	ret

routine:
	endbr64
	push %rbp
	mov %rsp, %rbp
	sub $64, %rsp
	lea cells(%rip), %rbx
	mov (%rbx), %rax
	mov 8(%rbx), %ecx
	mov $-1, %rdx
	mov $-2, %esi
	movabs $0x1122334455667788, %rdi
	movq $-3, -8(%rbp)
	movl $-4, -16(%rbp)
	movl $7, 32(%rbx)
	mov -8(%rbp), %r8
	mov %r8, 40(%rbx,%rdx,8)
	mov %edi, %r9d
	lea 5(%rax,%rax,2), %r10
	lea -1(%rdi), %r11d
	lea (,%rcx,4), %r12
	add %rax, %rax
	add %ecx, %ecx
	add $1, %rdx
	add $1, %esi
	add $0x7f, %esi
	add 24(%rbx), %rdi
	add %rdi, 24(%rbx)
	sub %rdx, %rax
	sub $1, %rax
	sub $1, %ecx
	mov $0x80000000, %ecx
	sub $1, %ecx
	sub %ecx, 8(%rbx)
	mov $0x7fffffffffffffff, %rsi
	add $1, %rsi
	cmp $0, %rsi
	cmp %rsi, %rax
	cmp $0x10, %ecx
	cmpl $7, 32(%rbx)
	cmpq $-1, 16(%rbx)
	cmp 16(%rbx), %rdx
	and $0xff, %edi
	and %rdi, 24(%rbx)
	or $0x100, %r9
	or %r9d, %r10d
	xor %r13d, %r13d
	xor $-1, %r13
	xor %r13, 16(%rbx)
	test %rax, %rax
	test %r13d, %r13d
	test $0x80, %dil
	nop
	nopl 8(%rax,%rax,1)
	push $-5
	pop %r14
	push %rsp
	pop %r15
	push 24(%rbx)
	pop %r12
	push 16+cells(%rip)
	pop %rsi
	mov %rsp, %r11
	push %r11
	pop %rsp
	mov $6, %ecx
1:	lea branches(%rip), %rsi
	call branches
	sub $1, %ecx
	jne 1b
	mov $-6, %rcx
2:	call branches
	add $5, %rcx
	jle 2b
	movzbl 24(%rbx), %eax
	movzwl 3(%rbx), %esi
	movzwq 16(%rbx), %rdi
	movsbl 7(%rbx), %r8d
	movsbq 7(%rbx), %r9
	movswl 16(%rbx), %r10d
	movslq 16(%rbx), %r11
	mov $-7, %ecx
	movslq %ecx, %rcx
	movzbl %cl, %ecx
	mov 40(%rbx), %rdx
	leave
	ret

branches:
	cmp $3, %rcx
	je 1f
	jne 2f
1:	add $16, %rdx
2:	cmp $3, %rcx
	jb 3f
	jae 4f
3:	add $32, %rdx
4:	jbe 5f
	ja 6f
5:	add $64, %rdx
6:	cmp $3, %rcx
	jl 7f
	jge 8f
7:	add $128, %rdx
8:	jle 9f
	jg 10f
9:	add $256, %rdx
10:	js 11f
	jns 12f
11:	add $512, %rdx
12:	jmp 13f
	nop
13:	ret
routine_end:
