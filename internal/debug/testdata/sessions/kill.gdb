# program: signals kill
# like gdbserver
CONNECT
continue
print $_siginfo.si_signo
print $_siginfo.si_code
continue
print $_exitsignal
info threads
