# program: watch
CONNECT
break main
continue
watch scalar
continue
continue
delete 2
watch record.tag
watch record.plain
watch record.wide
continue
continue
continue
delete
watch one
watch two
watch three
watch four
watch five
watch six
continue
continue
continue
continue
continue
continue
delete
watch -location range
continue
continue
continue
delete
rwatch only_read
continue
continue
delete
awatch only_read
continue
continue
info watchpoints
delete
break local_changes
continue
next
watch local
rwatch local
continue
continue
continue
continue
continue
continue
continue
