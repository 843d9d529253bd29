# program: sleep
# attach: ready
# not in a short run
CONNECT
backtrace -past-main
print twice(21)
detach
# reconnect
EXTENDED
print go = 3
info threads
detach
