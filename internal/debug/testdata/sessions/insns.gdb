# program: insns
# The same with gdbserver, but for the trap flag, which it lets show.
CONNECT
break do_syscall
continue
stepi
print $rax
stepi
info symbol $rip
stepi
info symbol $rip
stepi
info symbol $rip
stepi
stepi
info symbol $rip
stepi 3
print $rcx
stepi
print $rcx
stepi
print $rcx
info symbol $rip
stepi
info symbol $rip
stepi
info symbol $rip
stepi
stepi
info symbol $rip
finish
break trap
continue
stepi
x/i $pc
stepi
break *$pc
jump trap
continue
