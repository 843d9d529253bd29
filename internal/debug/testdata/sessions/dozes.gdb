# program: sleep doze
# not in a short run
# interrupt: ready
CONNECT
continue
shell sleep 1
continue
