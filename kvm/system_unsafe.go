package kvm

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// System is an open /dev/kvm.
type System struct {
	fd          int
	runPageSize int
}

// apiVersion is the only version of KVM's API there has been since Linux 2.6.22.
const apiVersion = 12

// Open opens the KVM device at path ("" means /dev/kvm) and checks that it
// speaks API version 12. The error tells a person what to do.
func Open(path string) (*System, error) {
	if path == "" {
		path = "/dev/kvm"
	}
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, openError(path, err)
	}
	s := &System{fd: fd}
	version, err := ioctl(fd, "KVM_GET_API_VERSION", reqGetAPIVersion, 0)
	if err == nil && version != apiVersion {
		err = fmt.Errorf("API version %d, torov needs %d: %w", version, apiVersion, ErrUnsupported)
	}
	if errors.Is(err, unix.ENOTTY) {
		err = fmt.Errorf("%w; this is not a KVM device", err)
	}
	if err == nil {
		s.runPageSize, err = ioctl(fd, "KVM_GET_VCPU_MMAP_SIZE", reqGetVCPUMmapSize, 0)
	}
	if err == nil && s.runPageSize < runPageMinimum {
		err = fmt.Errorf("run page of %d bytes: %w", s.runPageSize, ErrUnsupported)
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

func openError(path string, err error) error {
	errno := unix.EIO
	errors.As(err, &errno)
	hint := ""
	switch errno {
	case unix.EACCES, unix.EPERM:
		hint = "; add yourself to the group that owns it (usually kvm), or run as root"
	case unix.ENOENT, unix.ENODEV, unix.ENXIO:
		hint = "; load the module kvm_intel or kvm_amd, turn virtualisation on in the firmware, or allow nested virtualisation for this VM"
	case unix.EBUSY:
		hint = "; another hypervisor holds the processor's virtualisation: stop it"
	}
	return fmt.Errorf("%w%s", &Error{path, errno}, hint)
}

// Close closes /dev/kvm; VMs made from it live on.
func (s *System) Close() error { return unix.Close(s.fd) }

// CheckExtension returns what KVM says of a capability: 0 means not there.
func (s *System) CheckExtension(capability int) (int, error) {
	return ioctl(s.fd, "KVM_CHECK_EXTENSION", reqCheckExtension, uintptr(capability))
}

// CreateVM makes a virtual machine without memory or processors (4.2).
func (s *System) CreateVM() (*VM, error) {
	fd, err := ioctl(s.fd, "KVM_CREATE_VM", reqCreateVM, 0)
	if err != nil {
		return nil, err
	}
	return &VM{fd: fd, runPageSize: s.runPageSize}, nil
}

const maxCPUIDEntries = 256

type cpuidTable struct {
	n       uint32
	_       uint32
	entries [maxCPUIDEntries]CPUIDEntry
}

// SupportedCPUID returns the CPUID leaves that this KVM can give a guest (4.46).
func (s *System) SupportedCPUID() ([]CPUIDEntry, error) {
	t := &cpuidTable{n: maxCPUIDEntries}
	// SAFETY: t is a struct kvm_cpuid2 with room for the n entries it announces.
	if _, err := ioctlPtr(s.fd, "KVM_GET_SUPPORTED_CPUID", reqGetSupportedCPUID, unsafe.Pointer(t)); err != nil {
		return nil, err
	}
	return append([]CPUIDEntry(nil), t.entries[:min(t.n, maxCPUIDEntries)]...), nil
}
