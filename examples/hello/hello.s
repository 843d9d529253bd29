# HelloWorld as a raw image: no headers, no C library, no stack needed.
# Loaded at 0x400200; the first byte is the first instruction.

	.include "torov.inc"
	.code64
	.text
	.globl _start
_start:
	print greeting
	hlt			# ends the program, status 0

greeting:
	.ascii "Hello from a raw image!\n"
greeting_end:
