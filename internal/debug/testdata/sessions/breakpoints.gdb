# program: basic
# like gdbserver
CONNECT
hbreak add
tbreak main
break factorial
info breakpoints
continue
continue
delete 1
continue
ignore 3 3
continue
info breakpoints
print n
disable 3
tbreak count_to
continue
finish
thbreak scale
continue
enable 3
break *0
continue
delete
break no_such_function
kill
