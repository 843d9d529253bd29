package linux

import (
	"os"
	"regexp"
	"strconv"
	"testing"
)

func TestSyscallNames(t *testing.T) {
	for nr, want := range map[uint64]string{
		0: "read", 59: "execve", 231: "exit_group", 262: "newfstatat", 334: "rseq", 435: "clone3", 467: "open_tree_attr",
	} {
		if got, ok := SyscallName(nr); !ok || got != want {
			t.Errorf("SyscallName(%d) = %q, %v", nr, got, ok)
		}
		if got, ok := SyscallNumber(want); !ok || got != nr {
			t.Errorf("SyscallNumber(%q) = %d, %v", want, got, ok)
		}
	}
	for _, nr := range []uint64{400, 1 << 20, 1<<64 - 1} {
		if name, ok := SyscallName(nr); ok {
			t.Errorf("SyscallName(%d) = %q", nr, name)
		}
	}
	if nr, ok := SyscallNumber(""); ok {
		t.Errorf("the empty name is number %d", nr)
	}
}

func TestSyscallNamesMatchKernelHeader(t *testing.T) {
	const header = "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"
	text, err := os.ReadFile(header)
	if err != nil {
		t.Skipf("the kernel's headers are not installed: %v", err)
	}
	rows := regexp.MustCompile(`(?m)^#define __NR_(\w+) (\d+)$`).FindAllSubmatch(text, -1)
	if len(rows) < 300 {
		t.Fatalf("only %d numbers in %s", len(rows), header)
	}
	for _, row := range rows {
		nr, _ := strconv.ParseUint(string(row[2]), 10, 64)
		if got, ok := SyscallName(nr); !ok || got != string(row[1]) {
			t.Errorf("SyscallName(%d) = %q, the header has %q", nr, got, row[1])
		}
	}
}
