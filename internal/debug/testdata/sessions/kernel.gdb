# program: watch
# What a system call writes is seen by watchpoints too: at the call's return.
CONNECT
tbreak let_the_kernel_write
continue
watch one
awatch two
watch -location range
continue
backtrace
continue
