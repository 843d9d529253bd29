# program: basic
# not in a short run
CONNECT
tbreak main
continue
monitor strace write fstat newfstatat exit_group
monitor fail newfstatat EBADF times 1
continue
