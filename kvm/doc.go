// Package kvm is a typed binding of Linux's KVM API for x86-64: one handle
// type per kind of file descriptor (System, VM, VCPU), one method per ioctl
// that torov needs, no policy. The kernel's description is
// Documentation/virt/kvm/api.rst; the section numbers in comments are that
// document's.
//
// Every failing call returns an *Error that names the operation and unwraps
// to the errno. A handle owns its descriptor; nothing else may close it.
//
// The package must not import any other package of torov.
package kvm

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Error is a failed KVM operation.
type Error struct {
	Op    string // the ioctl or path, such as "KVM_CREATE_VM"
	Errno unix.Errno
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %v", e.Op, e.Errno) }

// Unwrap returns the errno, for errors.Is.
func (e *Error) Unwrap() error { return e.Errno }

// ErrUnsupported is wrapped by errors that say that this kernel's KVM lacks
// something torov cannot do without.
var ErrUnsupported = errors.New("not supported by this KVM")
