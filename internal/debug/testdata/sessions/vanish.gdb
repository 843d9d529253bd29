# program: sleep
# not in a short run
CONNECT
break twice
break spin
continue
# reconnect
CONNECT
print go = 4
continue
