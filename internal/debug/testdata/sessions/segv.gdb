# program: signals segv
# like gdbserver
CONNECT
continue
print $_siginfo.si_signo
print $_siginfo.si_code
print/x $_siginfo._sifields._sigfault.si_addr
frame function main
continue
print $_exitsignal
info threads
