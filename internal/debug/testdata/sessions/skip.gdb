# program: basic
# not in a short run
# A system call that is skipped, one whose result is changed, and one whose
# arguments are.
CONNECT
catch syscall write
continue
print $rax
print $rip == $rcx
set var $orig_rax = -1
continue
print $rax
set var $rax = $rdx
delete
continue
