# program: routines
# not in a short run
# any thread
CONNECT
handle SIGURG nostop noprint pass
break main.allReady
continue
backtrace
break main.add if id == 2
continue
info args id
backtrace
finish
delete
continue
