# program: tls
CONNECT
break look
continue
print mine
print other
continue
print mine
print other
thread apply all -q print mine

delete
continue
