package kvm

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// VM is one virtual machine.
type VM struct {
	fd          int
	runPageSize int
}

// Memslot flags (api.rst 4.35).
const (
	MemReadOnly = 1 << 1
)

type userMemoryRegion struct {
	slot, flags    uint32
	gpa, size, hva uint64
}

// SetMemory backs the guest-physical range [gpa, gpa+len(mem)) with mem, which
// must be mapped by mmap (never Go's heap) and stay mapped for the VM's life.
// An empty mem deletes the slot. Allowed while VCPUs run.
func (vm *VM) SetMemory(slot uint32, flags uint32, gpa uint64, mem []byte) error {
	r := &userMemoryRegion{slot: slot, flags: flags, gpa: gpa, size: uint64(len(mem))}
	if len(mem) > 0 {
		// SAFETY: the address is kept as a number by the kernel; mem is mmap'd, so it does not move.
		r.hva = uint64(uintptr(unsafe.Pointer(&mem[0])))
	}
	// SAFETY: r has the layout of struct kvm_userspace_memory_region.
	_, err := ioctlPtr(vm.fd, "KVM_SET_USER_MEMORY_REGION", reqSetUserMemoryRegion, unsafe.Pointer(r))
	return err
}

// CheckExtension asks the VM for a capability.
func (vm *VM) CheckExtension(capability int) (int, error) {
	return ioctl(vm.fd, "KVM_CHECK_EXTENSION", reqCheckExtension, uintptr(capability))
}

// SetTSSAddr tells Intel processors without unrestricted guest where three
// pages of guest-physical space are that the guest does not use (4.36).
func (vm *VM) SetTSSAddr(gpa uint64) error {
	_, err := ioctl(vm.fd, "KVM_SET_TSS_ADDR", reqSetTSSAddr, uintptr(gpa))
	return err
}

// CreateVCPU makes virtual processor number id and maps its run page.
func (vm *VM) CreateVCPU(id int) (*VCPU, error) {
	fd, err := ioctl(vm.fd, "KVM_CREATE_VCPU", reqCreateVCPU, uintptr(id))
	if err != nil {
		return nil, err
	}
	page, err := unix.Mmap(fd, 0, vm.runPageSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		unix.Close(fd)
		return nil, &Error{"mmap of the run page", err.(unix.Errno)}
	}
	// SAFETY: the mapping is at least runPageMinimum bytes, checked by Open, and lives until Close.
	return &VCPU{fd: fd, page: page, run: (*Run)(unsafe.Pointer(&page[0]))}, nil
}

// Close closes the VM's descriptor; the kernel frees it when its VCPUs are closed too.
func (vm *VM) Close() error { return unix.Close(vm.fd) }
