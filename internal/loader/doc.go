// Package loader turns program files into plans of initial memory: ELF
// executables, scripts and flat images; the stack with arguments, environment
// and auxiliary vector; the addresses at which things start.
//
// It is pure: it reads bytes and computes. Mapping and copying are the
// caller's business. Of torov it imports only linux and engine; it must not
// know KVM, address spaces or processes.
package loader
