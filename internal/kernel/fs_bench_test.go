package kernel

import (
	"testing"

	"golang.org/x/sys/unix"

	"torov/internal/linux"
)

// BenchmarkLookup is the cost of finding a file and asking for its attributes.
func BenchmarkLookup(b *testing.B) {
	fs, err := NewFileSystem("", "/usr", nil)
	if err != nil {
		b.Fatal(err)
	}
	defer fs.Close()
	for _, c := range []struct{ name, path string }{
		{"direct", "/etc/passwd"}, {"relative", "share"}, {"otherMount", "/dev/null"}, {"symlink", "/proc/../bin/sh"}, {"proc", "/proc/cpuinfo"},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				n, errno := fs.Lookup(nil, At{Path: c.path}, 0)
				if errno != 0 {
					b.Fatal(errno)
				}
				if _, errno := n.Stat(); errno != 0 {
					b.Fatal(errno)
				}
				n.Close()
			}
		})
	}
	b.Run("host", func(b *testing.B) { // the floor
		var st unix.Stat_t
		for b.Loop() {
			if err := unix.Stat("/etc/passwd", &st); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkOpen is the cost of opening and closing a file.
func BenchmarkOpen(b *testing.B) {
	fs, err := NewFileSystem("", "/", nil)
	if err != nil {
		b.Fatal(err)
	}
	defer fs.Close()
	for b.Loop() {
		f, errno := fs.Open(nil, At{Path: "/etc/passwd"}, linux.OpenHow{})
		if errno != 0 {
			b.Fatal(errno)
		}
		f.Release()
	}
}
