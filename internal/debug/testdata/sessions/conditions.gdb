# program: race
CONNECT
break count if n == 1500
continue
print calls
info breakpoints
delete
watch quiet
watch calls if calls == 753
continue
delete
set dprintf-style agent
dprintf count, "n is %d, calls %d\n", n, calls
condition 4 n > 1996
info breakpoints
continue
