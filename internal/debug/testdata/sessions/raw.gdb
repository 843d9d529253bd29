# program: raw
CONNECT
x/s &message
stepi
print $eax
break *&after
continue
print $eax
stepi 2
print $ebx
continue
