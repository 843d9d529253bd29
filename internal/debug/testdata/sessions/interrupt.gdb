# program: sleep
# interrupt: ready
CONNECT
continue
backtrace
print turns > 1000
print go = 1
finish
continue
