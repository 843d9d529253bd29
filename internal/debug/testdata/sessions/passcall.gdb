# program: basic
# like gdbserver
# The end of a called function is a breakpoint on the stack, where it faults.
CONNECT
break main
continue
handle SIGSEGV SIGILL nostop noprint pass
print factorial(5)
catch exec
continue
