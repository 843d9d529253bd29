# program: signals fpe
# not in a short run
# like gdbserver
CONNECT
continue
print $_siginfo.si_signo
print $_siginfo.si_code
frame function main
continue
print $_exitsignal
info threads
