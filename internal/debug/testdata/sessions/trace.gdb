# program: trace
# like gdbserver
CONNECT
break main
continue
tvariable $seen = 100
trace visit if n != 4
actions
collect $args, $locals, table
teval $seen = $seen + 1
collect $seen
end
trace pause_here
passcount 2
actions
collect $regs, total
end
break pause_here
info tvariables
set trace-notes a note
tstart
tstatus
continue
continue
tstatus
tfind start
print n
print table
print total
print $seen
print $trace_frame
print $tracepoint
print $trace_line
print $trace_func
backtrace 1
x/2i $pc
tfind
tdump
info registers rip
tfind tracepoint 3
print total
print $sp == $rsp && $rbp >= $rsp && $rbp < $rsp + 16
print $rip == (void (*)()) pause_here + 4
tfind
print n
tfind -
tfind 12
tdump
print message
print *message@3
tfind line
tfind range *pause_here,*pause_here+20
tfind start
tfind range *pause_here,*pause_here+20
tfind outside *pause_here,*pause_here+20
tfind pc *visit+7
tfind 1000
print $trace_frame
set var table[0] = 3
stepi
tfind none
print total
print $seen
info tvariables
tfind end
tsave run.tf
delete
continue
# reconnect
target tfile run.tf
tstatus
tfind start
print n
print table
tfind
tdump
tfind tracepoint 2
print total
print $rip == (void (*)()) pause_here + 4
