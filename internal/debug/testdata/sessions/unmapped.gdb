# program: code
# like gdbserver
# A breakpoint whose memory has gone cannot be removed, and nobody minds.
CONNECT
break made
continue
set breakpoint always-inserted on
break *generated
print ((int (*)(void *, unsigned long)) munmap)(generated, 4096)
delete 2
break main
delete 3
kill
