# program: signals queued
# not in a short run
# like gdbserver
CONNECT
handle SIGUSR2 stop print nopass
continue
print $_siginfo._sifields._rt.si_sigval.sival_int
signal SIGUSR2
