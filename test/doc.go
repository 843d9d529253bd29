// Package test holds the black-box tests of torov: programs run natively and
// in their own virtual machine, and what both did is compared. It knows the
// command line only and must not import any package of torov.
//
// Environment:
//
//	TOROV_BIN          the torov to test; built from this repository without it
//	TOROV_PROGRAMS     folder of the guest programs (build/programs), already built
//	TOROV_EXAMPLES     folder of the examples, with build/examples beside it, already
//	                   built; ../examples if only TOROV_PROGRAMS is set
//	TOROV_REQUIRE_KVM  1: fail instead of skip where /dev/kvm cannot be used
//	TOROV_TIMEOUT      time for one run of one program, 60s without it
//
// With the first two set the compiled tests (go test -c) need neither the Go
// toolchain nor a C compiler, as in the emulator lab. With -short they run a
// sample of every table.
package test
