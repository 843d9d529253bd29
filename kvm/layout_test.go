package kvm

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unsafe"
)

// structs pairs every Go structure that the kernel reads or writes with its C
// one: the C fields in the order of the Go fields, padding left out.
var structs = []struct {
	c      string
	v      any
	fields string
	// prefix: C's structure goes on where Go's ends, as in an array without a length.
	prefix bool
}{
	{c: "kvm_regs", v: Regs{}, fields: "rax rbx rcx rdx rsi rdi rsp rbp r8 r9 r10 r11 r12 r13 r14 r15 rip rflags"},
	{c: "kvm_segment", v: Segment{}, fields: "base limit selector type present dpl db s l g avl unusable"},
	{c: "kvm_dtable", v: DTable{}, fields: "base limit"},
	{c: "kvm_sregs", v: SRegs{}, fields: "cs ds es fs gs ss tr ldt gdt idt cr0 cr2 cr3 cr4 cr8 efer apic_base interrupt_bitmap"},
	{c: "kvm_msr_entry", v: MSR{}, fields: "index data"},
	{c: "kvm_cpuid_entry2", v: CPUIDEntry{}, fields: "function index flags eax ebx ecx edx"},
	{c: "kvm_xcr", v: XCR{}, fields: "xcr value"},
	{c: "kvm_xcrs", v: xcrTable{}, fields: "nr_xcrs flags xcrs"},
	{c: "kvm_xsave", v: [XSaveSize]byte{}},
	{c: "kvm_guest_debug", v: GuestDebug{}, fields: "control arch.debugreg"},
	{c: "kvm_userspace_memory_region", v: userMemoryRegion{}, fields: "slot flags guest_phys_addr memory_size userspace_addr"},
	{c: "kvm_vcpu_events", v: vcpuEvents{}, fields: "exception.injected exception.nr exception.has_error_code exception.pending"},
	{c: "kvm_run", v: Run{}, prefix: true, fields: "request_interrupt_window immediate_exit exit_reason ready_for_interrupt_injection" +
		" if_flag flags cr8 apic_base padding kvm_valid_regs kvm_dirty_regs s"},
	{c: "kvm_sync_regs", v: SyncRegs{}, prefix: true, fields: "regs sregs"},
	{c: "kvm_cpuid2", v: cpuidTable{}, prefix: true, fields: "nent entries"},
	{c: "kvm_msrs", v: msrTable{}, prefix: true, fields: "nmsrs entries"},
}

// constants pairs numbers with the names that the headers have for them.
var constants = map[string]uint64{
	"KVM_GET_API_VERSION": uint64(reqGetAPIVersion), "KVM_CREATE_VM": uint64(reqCreateVM), "KVM_CHECK_EXTENSION": uint64(reqCheckExtension),
	"KVM_GET_VCPU_MMAP_SIZE": uint64(reqGetVCPUMmapSize), "KVM_GET_SUPPORTED_CPUID": uint64(reqGetSupportedCPUID),
	"KVM_CREATE_VCPU": uint64(reqCreateVCPU), "KVM_SET_USER_MEMORY_REGION": uint64(reqSetUserMemoryRegion),
	"KVM_SET_TSS_ADDR": uint64(reqSetTSSAddr), "KVM_RUN": uint64(reqRun), "KVM_GET_REGS": uint64(reqGetRegs), "KVM_SET_REGS": uint64(reqSetRegs),
	"KVM_GET_SREGS": uint64(reqGetSRegs), "KVM_SET_SREGS": uint64(reqSetSRegs), "KVM_SET_MSRS": uint64(reqSetMSRs),
	"KVM_SET_CPUID2": uint64(reqSetCPUID2), "KVM_SET_GUEST_DEBUG": uint64(reqSetGuestDebug), "KVM_GET_VCPU_EVENTS": uint64(reqGetVCPUEvents),
	"KVM_GET_XSAVE": uint64(reqGetXSave), "KVM_SET_XSAVE": uint64(reqSetXSave), "KVM_SET_XCRS": uint64(reqSetXCRs),

	"KVM_API_VERSION": apiVersion, "KVM_MEM_READONLY": MemReadOnly,
	"KVM_GUESTDBG_ENABLE": GuestDebugEnable, "KVM_GUESTDBG_SINGLESTEP": GuestDebugSingleStep,
	"KVM_GUESTDBG_USE_SW_BP": GuestDebugUseSWBP, "KVM_GUESTDBG_USE_HW_BP": GuestDebugUseHWBP,
	"KVM_SYNC_X86_REGS": SyncRegsGeneral, "KVM_SYNC_X86_SREGS": SyncRegsSystem,

	"KVM_EXIT_UNKNOWN": ExitUnknown, "KVM_EXIT_EXCEPTION": ExitException, "KVM_EXIT_IO": ExitIO, "KVM_EXIT_HYPERCALL": ExitHypercall,
	"KVM_EXIT_DEBUG": ExitDebug, "KVM_EXIT_HLT": ExitHLT, "KVM_EXIT_MMIO": ExitMMIO, "KVM_EXIT_IRQ_WINDOW_OPEN": ExitIRQWindowOpen,
	"KVM_EXIT_SHUTDOWN": ExitShutdown, "KVM_EXIT_FAIL_ENTRY": ExitFailEntry, "KVM_EXIT_INTR": ExitIntr,
	"KVM_EXIT_INTERNAL_ERROR": ExitInternalError, "KVM_EXIT_MEMORY_FAULT": ExitMemoryFault,

	"KVM_CAP_USER_MEMORY": CapUserMemory, "KVM_CAP_SET_TSS_ADDR": CapSetTSSAddr, "KVM_CAP_NR_VCPUS": CapNrVCPUs,
	"KVM_CAP_NR_MEMSLOTS": CapNrMemslots, "KVM_CAP_SET_GUEST_DEBUG": CapSetGuestDebug, "KVM_CAP_XSAVE": CapXSave, "KVM_CAP_XCRS": CapXCRs,
	"KVM_CAP_MAX_VCPUS": CapMaxVCPUs, "KVM_CAP_SYNC_REGS": CapSyncRegs, "KVM_CAP_IMMEDIATE_EXIT": CapImmediateExit,
}

// goFields are the fields of a Go structure without its padding.
func goFields(t reflect.Type) (fields []reflect.StructField) {
	for i := range t.NumField() {
		if t.Kind() == reflect.Struct && t.Field(i).Name != "_" {
			fields = append(fields, t.Field(i))
		}
	}
	return fields
}

// expected is what the C program should print, by the expression it prints.
func expected(t *testing.T) map[string]uint64 {
	want := maps.Clone(constants)
	for _, s := range structs {
		typ := reflect.TypeOf(s.v)
		if !s.prefix {
			want[fmt.Sprintf("sizeof(struct %s)", s.c)] = uint64(typ.Size())
		}
		if typ.Kind() != reflect.Struct {
			continue
		}
		names, fields := strings.Fields(s.fields), goFields(typ)
		if len(names) != len(fields) {
			t.Fatalf("%s: %d C names for %d Go fields", s.c, len(names), len(fields))
		}
		for i, name := range names {
			want[fmt.Sprintf("offsetof(struct %s, %s)", s.c, name)] = uint64(fields[i].Offset)
			element := fields[i].Type
			if s.prefix && i == len(fields)-1 && element.Kind() == reflect.Array {
				continue // an array without a length in C
			}
			if name != "padding" && name != "s" {
				want[fmt.Sprintf("sizeof(((struct %s *)0)->%s)", s.c, name)] = uint64(element.Size())
			}
		}
	}
	return want
}

// compile builds a C program against the system's <linux/kvm.h> and runs it.
func compile(t *testing.T, body string) string {
	t.Helper()
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		t.Skip("no gcc here to read <linux/kvm.h> with")
	}
	dir := t.TempDir()
	source, binary := filepath.Join(dir, "layout.c"), filepath.Join(dir, "layout")
	program := "#include <linux/kvm.h>\n#include <stddef.h>\n#include <stdio.h>\n#include <string.h>\nint main(void) {\n" + body + "return 0;\n}\n"
	if err := os.WriteFile(source, []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(gcc, "-o", binary, source).CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
	out, err := exec.Command(binary).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestLayout(t *testing.T) {
	want := expected(t)
	var body strings.Builder
	for _, expr := range slices.Sorted(maps.Keys(want)) {
		guard := expr
		if !strings.HasPrefix(expr, "KVM_") {
			guard = ""
		}
		if guard != "" { // headers older than the number do not have its name
			fmt.Fprintf(&body, "#ifdef %s\n", guard)
		}
		fmt.Fprintf(&body, "printf(\"%%llu %%s\\n\", (unsigned long long)(%s), %q);\n", expr, expr)
		if guard != "" {
			body.WriteString("#endif\n")
		}
	}
	seen := 0
	for line := range strings.Lines(compile(t, body.String())) {
		var got uint64
		text, expr, _ := strings.Cut(strings.TrimSpace(line), " ")
		if _, err := fmt.Sscan(text, &got); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if seen++; got != want[expr] {
			t.Errorf("%s is %#x, here %#x", expr, got, want[expr])
		}
	}
	if seen < len(want)-2 {
		t.Errorf("the headers know %d of %d names", seen, len(want))
	}
}

// A C program fills the union of struct kvm_run, Go reads it.
func TestExitDecoding(t *testing.T) {
	body := "static struct kvm_run r;\n"
	for _, s := range []string{
		"r.io.direction = KVM_EXIT_IO_OUT; r.io.size = 4; r.io.port = 0x1234; r.io.count = 0x56789abc;",
		"r.io.direction = KVM_EXIT_IO_IN; r.io.size = 1; r.io.port = 0x10; r.io.count = 1;",
		"r.debug.arch.exception = 3; r.debug.arch.pc = 0x1122334455667788; r.debug.arch.dr6 = 0xffff0ff1; r.debug.arch.dr7 = 0x402;",
		"r.mmio.phys_addr = 0xfedcba9876543210; r.mmio.len = 8; r.mmio.is_write = 1;",
		"r.exit_reason = KVM_EXIT_FAIL_ENTRY; r.fail_entry.hardware_entry_failure_reason = 0x80000021;",
		"r.exit_reason = KVM_EXIT_INTERNAL_ERROR; r.internal.suberror = KVM_INTERNAL_ERROR_EMULATION;",
	} {
		body += "memset(&r, 0, sizeof r);" + s + "for (size_t i = 0; i < sizeof r; i++) printf(\"%02x\", ((unsigned char *)&r)[i]);\nputs(\"\");\n"
	}
	var runs []*Run
	scan := bufio.NewScanner(bytes.NewBufferString(compile(t, body)))
	scan.Buffer(nil, 1<<20)
	for scan.Scan() {
		raw, err := hex.DecodeString(scan.Text())
		if err != nil || len(raw) < runPageMinimum {
			t.Fatalf("%d bytes, %v", len(raw), err)
		}
		r := new(Run)
		copy(unsafe.Slice((*byte)(unsafe.Pointer(r)), runPageMinimum), raw)
		runs = append(runs, r)
	}
	if len(runs) != 6 {
		t.Fatalf("%d structures", len(runs))
	}
	if got, want := runs[0].IO(), (IOExit{true, 4, 0x1234, 0x56789abc}); got != want {
		t.Errorf("IO %+v, want %+v", got, want)
	}
	if got, want := runs[1].IO(), (IOExit{false, 1, 0x10, 1}); got != want {
		t.Errorf("IO %+v, want %+v", got, want)
	}
	if got, want := runs[2].Debug(), (DebugExit{3, 0x1122334455667788, 0xffff0ff1, 0x402}); got != want {
		t.Errorf("debug %+v, want %+v", got, want)
	}
	if got, want := runs[3].MMIO(), (MMIOExit{0xfedcba9876543210, 8, true}); got != want {
		t.Errorf("MMIO %+v, want %+v", got, want)
	}
	for i, want := range map[int]string{4: "hardware reason 0x80000021", 5: "internal error 1"} {
		if got := runs[i].Describe(); !strings.Contains(got, want) {
			t.Errorf("%q does not say %q", got, want)
		}
	}
}

func TestDescribe(t *testing.T) {
	for reason, want := range map[uint32]string{
		ExitHLT: "KVM exit hlt", ExitShutdown: "KVM exit shutdown", 12345: "KVM exit 12345", ExitMMIO: "access to guest-physical address 0x0, which has no memory",
	} {
		if got := (&Run{ExitReason: reason}).Describe(); got != want {
			t.Errorf("reason %d: %q, want %q", reason, got, want)
		}
	}
}
