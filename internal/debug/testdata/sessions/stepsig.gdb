# program: steps
# like gdbserver
# The client does not want to see SIGALRM, and steps over its handler, or not.
CONNECT
tbreak 22
continue
next
print handled
tbreak 22
continue
tbreak handler
next
finish
next
tbreak 22
continue
stepi
stepi
next
print handled
continue
