# program: routines
CONNECT
handle SIGURG nostop noprint pass
break main.allReady
continue
backtrace
break main.add
continue
info args id
backtrace
finish
delete
continue
