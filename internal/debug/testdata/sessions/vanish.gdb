# program: sleep
CONNECT
break twice
break spin
continue
# reconnect
CONNECT
print go = 4
continue
