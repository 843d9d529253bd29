# program: basic
# torov: --gdbserver
# As gdbserver's: a client that leaves finds the program where it was, and one
# that quits kills it.
CONNECT
tbreak main
continue
disconnect
# reconnect
CONNECT
next
