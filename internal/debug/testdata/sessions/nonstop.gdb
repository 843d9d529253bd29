# program: threads
# not in a short run
set non-stop on
CONNECT
break all_are_here
continue
info threads
next
print turns[0]
delete
continue
