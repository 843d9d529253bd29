# program: sleep doze
# interrupt: ready
CONNECT
continue
shell sleep 1
continue
