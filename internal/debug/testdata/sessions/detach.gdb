# program: sleep
# not in a short run
CONNECT
break twice
break spin
continue
detach
# reconnect
CONNECT
backtrace
print twice(2)
break *$pc
detach
# reconnect
CONNECT
print go = 3
disconnect
