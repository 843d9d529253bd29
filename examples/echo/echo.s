# Echo server as a raw image: answers on 127.0.0.1:8080, one client after the
# other, with the bytes it was sent. A raw image has neither arguments nor
# environment, hence the fixed port.

	.include "torov.inc"
	.set AF_INET, 2
	.set SOCK_STREAM, 1
	.set SOL_SOCKET, 1
	.set SO_REUSEADDR, 2
	.set MSG_NOSIGNAL, 0x4000
	.set BUFFER_SIZE, 4096

	.code64
	.text
	.globl _start
_start:
	mov $AF_INET, %edi
	mov $SOCK_STREAM, %esi
	xor %edx, %edx
	hypercall SYS_socket
	test %eax, %eax
	js failed
	mov %eax, %ebx		# EBX: the listening socket

	# So that a second run need not wait for the first one's TIME_WAIT.
	mov %ebx, %edi
	mov $SOL_SOCKET, %esi
	mov $SO_REUSEADDR, %edx
	lea one(%rip), %r10
	mov $4, %r8d
	hypercall SYS_setsockopt

	mov %ebx, %edi
	lea address(%rip), %rsi
	mov $16, %edx
	hypercall SYS_bind
	test %eax, %eax
	js failed
	mov %ebx, %edi
	mov $8, %esi
	hypercall SYS_listen
	test %eax, %eax
	js failed
	print listening

next_client:
	mov %ebx, %edi
	xor %esi, %esi
	xor %edx, %edx
	hypercall SYS_accept
	test %eax, %eax
	js failed
	mov %eax, %ebp		# EBP: the client

receive:
	mov %ebp, %edi
	lea buffer(%rip), %rsi
	mov $BUFFER_SIZE, %edx
	xor %r10d, %r10d
	xor %r8d, %r8d
	xor %r9d, %r9d
	hypercall SYS_recvfrom
	test %rax, %rax
	jle hang_up		# 0: the client is done; negative: it is gone
	mov %rax, %r13		# R13: bytes still to send
	lea buffer(%rip), %r12	# R12: where they are

send:
	mov %ebp, %edi
	mov %r12, %rsi
	mov %r13, %rdx
	mov $MSG_NOSIGNAL, %r10d
	xor %r8d, %r8d
	xor %r9d, %r9d
	hypercall SYS_sendto
	test %rax, %rax
	jle hang_up
	add %rax, %r12
	sub %rax, %r13
	jnz send
	jmp receive

hang_up:
	mov %ebp, %edi
	hypercall SYS_close
	jmp next_client

failed:
	print no_server
	mov $1, %edi
	hypercall SYS_exit

	.balign 8
address:			# struct sockaddr_in
	.short AF_INET
	.byte 8080 >> 8, 8080 & 0xff
	.byte 127, 0, 0, 1
	.quad 0
one:
	.long 1
listening:
	.ascii "listening on 127.0.0.1:8080\n"
listening_end:
no_server:
	.ascii "cannot listen on 127.0.0.1:8080\n"
no_server_end:
buffer:				# BUFFER_SIZE bytes after the image: memory is there, and zero
