# program: insns
# not in a short run
# The trap flag of a step shows neither in what pushf stores nor after popf;
# gdbserver lets it show.
CONNECT
break do_syscall
continue
stepi 3
print *(long *)$rsp >> 8 & 1
stepi
print *(long *)$rbx >> 8 & 1
stepi 2
print $eflags
continue
continue
