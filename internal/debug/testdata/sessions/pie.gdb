# program: basic-pie
# not in a short run
# like gdbserver
CONNECT
break main
continue
print counter
break count_to
continue
watch counter
continue
delete
print f(3)
continue
