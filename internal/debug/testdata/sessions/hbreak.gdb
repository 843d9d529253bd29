# program: code
# A hardware breakpoint waits for memory, where there are debug registers and
# where there are not.
CONNECT
set breakpoint always-inserted on
hbreak *0x10000
hbreak made
continue
delete
continue
