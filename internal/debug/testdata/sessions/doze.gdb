# program: sleep doze
# interrupt: ready
CONNECT
continue
print $orig_rax
print twice(21)
continue
