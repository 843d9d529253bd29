# program: insns
# like gdbserver
CONNECT
break do_syscall
continue
stepi
print $rax
stepi
info symbol $rip
stepi
stepi
info symbol $rip
print flags >> 8 & 1
stepi
stepi
print $eflags
tbreak do_rep
continue
stepi 3
print $rcx
stepi
print $rcx
stepi
print $rcx
info symbol $rip
stepi
info symbol $rip
next
next
tbreak trap
continue
continue
x/i $pc
continue
