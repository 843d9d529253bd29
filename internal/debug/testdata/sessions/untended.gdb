# program: trace wait
# not in a short run
CONNECT
trace visit
passcount 15
actions
collect n
end
trace pause_here
actions
collect total
end
set disconnected-tracing on
set trace-user somebody
set trace-notes a note
tvariable $x = -3
tstart
detach
# reconnect
# after: ready
CONNECT
tstatus
info tracepoints
print $x
tfind start
tdump
tfind tracepoint 1
tdump
tfind none
set disconnected-tracing off
trace visit
tstart
detach
# reconnect
CONNECT
tstatus
print go = 5
trace main
tstart
continue
