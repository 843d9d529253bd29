# program: insns
# like gdbserver
# The program's own INT3 is a breakpoint that does not stop it.
CONNECT
break insns.c:34 if from[0] == 'x'
continue
