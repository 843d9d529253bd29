# program: trace
# not in a short run
CONNECT
break pause_here
continue
trace visit
actions
collect table
end
set trace-buffer-size 200
tstart
continue
tstatus
tfind 0
print table
tfind none
set circular-trace-buffer on
set trace-buffer-size 100
trace *visit+100
actions
collect total
end
disable 2
tstart
print visit(100)
print visit(101)
print visit(102)
print visit(103)
print visit(104)
print visit(105)
print visit(106)
tstatus
tstop
tfind start
tdump
tfind 4
tfind 3
tdump
tfind none
delete
trace visit if 1 / (n - 200) > 0
set circular-trace-buffer off
tstart
print visit(200)
tstatus
trace visit if *nowhere == 5
tstart
print visit(201)
tstatus
delete
trace *5
tstart
set trace-buffer-size 0x7fffffff
delete
continue
