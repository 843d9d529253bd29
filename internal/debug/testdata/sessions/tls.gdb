# program: tls
CONNECT
break look
continue
print mine
print other
continue
print mine
print other
thread apply all print mine
print &mine == &mine
delete
tbreak main
continue
