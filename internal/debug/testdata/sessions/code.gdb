# program: code
# like gdbserver
CONNECT
break target
x/2xb target
print/x *(unsigned char *)target
break made
continue
backtrace
finish
continue
break *generated
x/6xb generated
continue
continue
continue
print $eax
x/6xb generated
continue
continue
