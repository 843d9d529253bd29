# program: signals segv
# not in a short run
# like gdbserver
# Functions called by hand where a signal is due, and in one that faults.
CONNECT
continue
print divide(9, 3)
print $_siginfo.si_signo
set unwindonsignal on
print divide(1, 0)
backtrace
print $_siginfo.si_signo
set unwindonsignal off
print divide(1, 0)
backtrace
kill
