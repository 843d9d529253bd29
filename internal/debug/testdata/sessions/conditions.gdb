# program: race
CONNECT
break count if n == 1500
continue
print calls
info breakpoints
delete
set dprintf-style agent
dprintf count, "n is %d\n", n
tbreak count if n == 1503
continue
delete
watch quiet
watch calls if calls == 753
continue
delete
continue
