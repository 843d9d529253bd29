# WriteFile as a raw image: creates /hello.txt below the configuration's
# MountPoint, which is the program's root directory.

	.include "torov.inc"
	.set O_WRONLY_CREAT_TRUNC, 01101

	.code64
	.text
	.globl _start
_start:
	lea path(%rip), %rdi
	mov $O_WRONLY_CREAT_TRUNC, %esi
	mov $0644, %edx
	hypercall SYS_open
	test %eax, %eax
	js failed
	mov %eax, %ebx		# the descriptor

	mov %ebx, %edi
	lea line(%rip), %rsi
	mov $line_end - line, %edx
	hypercall SYS_write
	cmp $line_end - line, %eax
	jne failed

	mov %ebx, %edi
	hypercall SYS_close
	print wrote
	hlt

failed:
	print refused
	mov $1, %edi
	hypercall SYS_exit

path:
	.asciz "/hello.txt"
line:
	.ascii "Written by a raw image.\n"
line_end:
wrote:
	.ascii "wrote /hello.txt\n"
wrote_end:
refused:
	.ascii "cannot write /hello.txt\n"
refused_end:
