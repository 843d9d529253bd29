# program: basic one
# not in a short run
CONNECT
break add
continue
info proc cmdline
info proc exe
info proc mappings
info os
generate-core-file CORE
continue
core-file CORE
backtrace
print b
print origin
