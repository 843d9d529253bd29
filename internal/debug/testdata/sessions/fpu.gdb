# program: fpu
# like gdbserver
CONNECT
break *&loaded
continue
print $st0
print $st1
print $xmm3.v4_float
print $mxcsr
print $fctrl
print $fstat & 0x3800
print/x $ftag
print/x $rbx
info registers rbx cs ss ds es fs gs
print $fs_base == 0
print $gs_base
print $orig_rax
set var $st1 = 2.75
set var $xmm3.v4_float[1] = 9.5
set var $rbx = 17
print $rbx
print $bl
print $st1
info registers st0 st1 st2 fctrl fstat
next
continue
