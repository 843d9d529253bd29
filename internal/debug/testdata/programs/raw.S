# A flat image: system calls by OUT, and HLT at the end.
	.globl _start, message, after
_start:
	mov	$1, %eax
	mov	$1, %edi
	lea	message(%rip), %rsi
	mov	$6, %edx
	out	%eax, $0x10
after:
	mov	%eax, %ebx
	inc	%ebx
	hlt
message:
	.ascii	"hello\n"
