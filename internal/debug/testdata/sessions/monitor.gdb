# program: basic
CONNECT
monitor help
break add
continue
monitor maps
monitor threads
monitor walk 0
monitor strace write exit_group nonsense
monitor fail write EIO times 1
monitor fail write EFOO
monitor fail
monitor nonsense
continue
