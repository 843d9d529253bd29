# program: signals caught
# like gdbserver
CONNECT
handle SIGUSR1 stop print pass
continue
print $_siginfo.si_signo
print $_siginfo.si_code
stepi
backtrace 1
finish
print count
handle SIGUSR1 nostop noprint pass
tbreak handler
continue
print count
handle SIGUSR1 stop print nopass
continue
continue
