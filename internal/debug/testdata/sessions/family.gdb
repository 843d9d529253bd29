# program: family
# not in a short run
CONNECT
break work
continue
backtrace
watch calls
continue
delete
catch exec
continue
delete
tbreak work
continue
backtrace
continue
