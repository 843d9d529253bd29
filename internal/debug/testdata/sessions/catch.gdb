# program: basic
CONNECT
catch syscall write
continue
print $orig_rax
print $rdi
continue
print $rax
delete
catch syscall exit_group
continue
print $rdi
continue
