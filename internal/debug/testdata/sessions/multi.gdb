# program: basic
# torov: --gdb-multi
# not in a short run
EXTENDED
continue
info threads
disconnect
# reconnect
EXTENDED
info threads
tbreak factorial
run
backtrace
continue
# reconnect
EXTENDED
run
monitor exit
