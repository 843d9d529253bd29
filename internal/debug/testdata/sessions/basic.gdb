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
print local
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
print *local.next
print local.name
ptype local
print f(3)
call add(20, 22)
print $_exitcode
display result
display/x counter
next
next
step
print *p
print by
finish
until 64
advance 65
undisplay 1
info display
x/s text
x/2dw &local
x/4xb text
print $rip
x/2i $rip
info registers rip
print $sp == $rsp
print $cs
print $ss
info symbol main
list 38,40
continue
print $_exitcode
info registers
