# program: threads
CONNECT
break all_are_here
continue
info threads
thread apply all backtrace
thread 3
up-silently 0
thread apply 2 4 print $_thread
print turns
break work
continue
print id == $_thread - 1
backtrace
info threads
delete
set scheduler-locking on
next
finish
set scheduler-locking step
next
set scheduler-locking off
tbreak 64
continue
print shared
info threads
continue
