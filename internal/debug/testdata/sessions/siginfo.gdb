# program: signals queued
# not in a short run
# like gdbserver
CONNECT
handle SIGUSR2 stop print pass
continue
print $_siginfo._sifields._rt.si_sigval.sival_int
set var $_siginfo._sifields._rt.si_sigval.sival_int = 77
print divide(8, 2)
print $_siginfo._sifields._rt.si_sigval.sival_int
continue
