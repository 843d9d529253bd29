package kvm

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

// kvmIO is the ioctl type of KVM's requests.
const kvmIO = 0xae

// Directions of an ioctl request number (<asm-generic/ioctl.h>).
const (
	dirNone  = 0
	dirWrite = 1
	dirRead  = 2
)

func request(dir, nr, size uintptr) uintptr { return dir<<30 | size<<16 | kvmIO<<8 | nr }

const runPageMinimum = int(unsafe.Sizeof(Run{}))

var (
	reqGetAPIVersion       = request(dirNone, 0x00, 0)
	reqCreateVM            = request(dirNone, 0x01, 0)
	reqCheckExtension      = request(dirNone, 0x03, 0)
	reqGetVCPUMmapSize     = request(dirNone, 0x04, 0)
	reqGetSupportedCPUID   = request(dirRead|dirWrite, 0x05, 8)
	reqCreateVCPU          = request(dirNone, 0x41, 0)
	reqSetUserMemoryRegion = request(dirWrite, 0x46, unsafe.Sizeof(userMemoryRegion{}))
	reqSetTSSAddr          = request(dirNone, 0x47, 0)
	reqRun                 = request(dirNone, 0x80, 0)
	reqGetRegs             = request(dirRead, 0x81, unsafe.Sizeof(Regs{}))
	reqSetRegs             = request(dirWrite, 0x82, unsafe.Sizeof(Regs{}))
	reqGetSRegs            = request(dirRead, 0x83, unsafe.Sizeof(SRegs{}))
	reqSetSRegs            = request(dirWrite, 0x84, unsafe.Sizeof(SRegs{}))
	reqSetMSRs             = request(dirWrite, 0x89, 8)
	reqSetCPUID2           = request(dirWrite, 0x90, 8)
	reqSetGuestDebug       = request(dirWrite, 0x9b, unsafe.Sizeof(GuestDebug{}))
	reqGetVCPUEvents       = request(dirRead, 0x9f, unsafe.Sizeof(vcpuEvents{}))
	reqGetXSave            = request(dirRead, 0xa4, XSaveSize)
	reqSetXSave            = request(dirWrite, 0xa5, XSaveSize)
	reqSetXCRs             = request(dirWrite, 0xa7, unsafe.Sizeof(xcrTable{}))
)

// ioctl does a request with a plain number as its argument and retries EINTR.
// KVM_RUN, for which EINTR has a meaning, does not come this way.
func ioctl(fd int, op string, req, arg uintptr) (int, error) {
	for {
		n, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), req, arg)
		if errno == 0 {
			return int(n), nil
		}
		if errno != unix.EINTR {
			return 0, &Error{op, errno}
		}
	}
}

// ioctlPtr does a request with a structure as its argument.
func ioctlPtr(fd int, op string, req uintptr, arg unsafe.Pointer) (int, error) {
	for {
		// SAFETY: the conversion is in the call expression, so arg stays where it is during the call;
		// the caller vouches that it points to what the request wants.
		n, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), req, uintptr(arg))
		if errno == 0 {
			return int(n), nil
		}
		if errno != unix.EINTR {
			return 0, &Error{op, errno}
		}
	}
}

func u16(b []byte) uint16 { return binary.LittleEndian.Uint16(b) }
func u32(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }
func u64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }
