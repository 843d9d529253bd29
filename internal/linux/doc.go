// Package linux is the amd64 Linux ABI as data: error numbers, system call
// numbers, signals, flags and the exact layout of the structures that cross
// the border between a program and its kernel.
//
// What golang.org/x/sys/unix already has is used from there; wire structures
// without host pointers are aliases of its types. Structures in which the
// program passes pointers are defined here with plain integers, because a
// guest pointer must never look like a host pointer.
//
// The package holds no behaviour of a kernel and must not import any other
// package of torov.
package linux
