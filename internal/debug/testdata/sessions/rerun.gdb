# program: basic first
EXTENDED
break factorial if n == 5
continue
run
backtrace
continue
set environment TEXT=from gdb
set disable-randomization on
run a "b c"
kill
info threads
show args
delete
tbreak main
run
print argc
print argv[2]
continue
