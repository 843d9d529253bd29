package syscalls

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/engine/fake"
	"torov/internal/kernel"
)

// BenchmarkCall is what a system call costs in the VMM, without any processor:
// the thread's loop, the dispatcher, the handler.
func BenchmarkCall(b *testing.B) {
	for _, c := range []struct {
		name string
		nr   uint64
		args []uint64
	}{
		{"getppid", unix.SYS_GETPPID, nil},
		{"clock_gettime", unix.SYS_CLOCK_GETTIME, []uint64{unix.CLOCK_MONOTONIC, fuzzData}},
		{"unknown", 335, nil},
		{"write", unix.SYS_WRITE, []uint64{1, fuzzData, 64}},
	} {
		b.Run(c.name, func(b *testing.B) { benchmarkCall(b, c.nr, c.args) })
	}
}

func benchmarkCall(b *testing.B, nr uint64, args []uint64) {
	machine, err := fake.New(32 << 20)
	if err != nil {
		b.Fatal(err)
	}
	defer machine.Close()
	left := b.N
	machine.Program = func(c *fake.CPU) engine.Exit {
		r := c.Regs()
		r.RIP, r.RCX, r.RAX = fuzzCode+2, fuzzCode+2, nr
		for i, p := range []*uint64{&r.RDI, &r.RSI, &r.RDX}[:len(args)] {
			*p = args[i]
		}
		if left--; left < 0 {
			r.RAX, r.RDI = unix.SYS_EXIT_GROUP, 0
		}
		return engine.Exit{Kind: engine.ExitSyscall}
	}
	path := filepath.Join(b.TempDir(), "image")
	if err := os.WriteFile(path, []byte{0x90}, 0o600); err != nil {
		b.Fatal(err)
	}
	image, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer image.Close()
	null, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		b.Fatal(err)
	}
	k := kernel.New(kernel.Config{Machine: machine, Syscall: NewDispatcher(Permissions{All: true}).Syscall, PID: 1 << 23})
	b.ResetTimer()
	_, err = k.Start(kernel.Program{
		File: image, Path: "/image", Args: []string{"image"}, Flat: &kernel.Flat{Start: fuzzCode, Memory: fuzzMemory},
		Stdio: [3]*kernel.File{1: kernel.NewFile(null, os.DevNull, true, false)},
	})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := k.Wait(); err != nil {
		b.Fatal(err)
	}
}
