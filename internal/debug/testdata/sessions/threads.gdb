# program: threads
CONNECT
break all_are_here
continue
info threads
thread apply all backtrace
thread 3
thread apply 2 4 print $_thread
print turns
break work if id == 4
continue
backtrace
delete
set scheduler-locking on
next
finish
set scheduler-locking step
next
set scheduler-locking off
continue
info threads
