// Package bench measures torov against what it is compared with, in one run:
// native execution, qemu's user mode, a bare KVM_RUN loop, gdbserver. The
// first part of each benchmark is the base of the ratios that `make bench`
// prints. Its tests are benchmarks only; nothing here is timed in `make test`.
package bench
