# program: basic one two
# like gdbserver
CONNECT
info line main
break main
tbreak add
info breakpoints
continue
print argc
print argv[1]
next
print local
print local.name
print *local.next
ptype local
continue
info args
backtrace
finish
next
next
step
print n
backtrace
break factorial if n == 2
continue
backtrace
delete
up
print n
finish
next
next
print counter
set var text[0] = 'I'
print text
print origin
print &origin
print f(3)
call add(20, 22)
print $_exitcode
display/x counter
next
next
step
finish
next
next
next
undisplay 1
info display
step
print *p
print by
finish
display result
until 60
until 61
x/s text
x/2dw &local
x/4xb text
print $rip
x/2i $rip
info registers rip
print $sp == $rsp
print $cs
print $ss
list 38,40
advance 62
continue
print $_exitcode
info registers
