# program: basic-dyn
# like gdbserver
CONNECT
break add
continue
backtrace
info sharedlibrary
finish
print f(4)
continue
