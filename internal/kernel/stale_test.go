package kernel

import (
	"testing"

	"torov/internal/engine"
	"torov/internal/linux"
)

// A breakpoint that was removed while a thread executed it is nothing to the
// program; its own INT3 and INT 3 are.
func TestStaleBreakpoint(t *testing.T) {
	for _, c := range []struct {
		name string
		code []byte // the second byte is where RIP is
		dies bool
	}{
		{"removed", []byte{0x90, 0x55}, false},
		{"the program's INT3", []byte{0x90, 0xcc}, true},
		{"the program's INT 3", []byte{0xcd, 3}, true},
		{"removed from an ADD", []byte{0x90, 3}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, &tracer{event: func(_ *Thread, e Event) linux.SigInfo { return e.Info }})
			if _, errno := w.p.AS().CopyOut(worldCode+0x100, c.code); errno != 0 {
				t.Fatal(errno)
			}
			hit := func(r *engine.Regs) engine.Exit {
				r.RIP = uint64(worldCode) + 0x101
				return engine.Exit{Kind: engine.ExitBreakpoint}
			}
			if c.dies {
				w.main.leave(hit)
				w.wantEnd(ExitStatus{Signal: linux.SIGTRAP})
				return
			}
			if r := w.main.exit(hit); r.RIP != uint64(worldCode)+0x101 {
				t.Errorf("the program goes on at %#x", r.RIP)
			}
		})
	}
}
