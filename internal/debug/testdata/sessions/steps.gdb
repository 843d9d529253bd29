# program: trace
CONNECT
break main
continue
trace visit if n % 4 == 1
actions
collect $args
while-stepping 4
collect $rip
end
end
ftrace *visit+7
actions
collect total, *nowhere
collect/s message
end
break visit if n == 5
tstart
continue
tstatus
info tracepoints
next
next
next
tstatus
tbreak *visit+4 if n == 6
continue
tstatus
stepi
tstatus
stepi
tstatus
disable 2
enable 2
disable 3
break pause_here
continue
tstatus
trace *visit+1
actions
collect n
end
continue
tstop enough
tstatus
tfind start
tdump
tfind
tdump
tfind tracepoint 3
tdump
tfind 0
tfind tracepoint 7
tdump
tfind none
delete
continue
