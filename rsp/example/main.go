// Command example shows how little a debuggee needs: a CPU that knows five
// instructions of x86-64, and a stub for it.
//
//	go run torov/rsp/example -listen :1234
//	gdb -ex 'set architecture i386:x86-64' -ex 'target remote :1234'
//	(gdb) x/5i $pc
//	(gdb) break *0x1012 if $rcx == 2
//	(gdb) continue
//	(gdb) print $rax
package main

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"torov/rsp"
	"torov/rsp/amd64"
)

const (
	base   = 0x1000 // where the program and its memory begin
	sigill = 4
)

// program adds the numbers from 5 down to 1.
var program = []byte{
	0x48, 0xc7, 0xc1, 5, 0, 0, 0, // 1000  mov $5,%rcx
	0x48, 0xc7, 0xc0, 0, 0, 0, 0, // 1007  mov $0,%rax
	0x48, 0x01, 0xc8, // 100e  add %rcx,%rax
	0x90,             // 1011  nop
	0x48, 0xff, 0xc9, // 1012  dec %rcx
	0x75, 0xf7, // 1015  jne 100e
	0xf4, // 1017  hlt
}

var me = rsp.ThreadID{PID: 1, TID: 1}

// cpu is the debuggee. The server calls one method at a time, and none but
// Interrupt while it runs.
type cpu struct {
	regs        map[int]uint64 // by amd64's register numbers
	memory      []byte
	breakpoints map[rsp.Addr]*rsp.Breakpoint
	stops       chan rsp.Stop
	interrupted atomic.Bool
	running     sync.WaitGroup
	halted      bool
}

func newCPU() *cpu {
	return &cpu{
		regs: map[int]uint64{amd64.RIP: base}, memory: append(program, make([]byte, 64)...),
		breakpoints: map[rsp.Addr]*rsp.Breakpoint{}, stops: make(chan rsp.Stop, 1),
	}
}

// step executes one instruction and says what stops the CPU after it.
func (c *cpu) step() rsp.StopKind {
	code := make([]byte, 8)
	c.ReadMemory(1, rsp.Addr(c.regs[amd64.RIP]), code)
	switch {
	case code[0] == 0x48 && code[1] == 0xc7 && code[2]&^1 == 0xc0:
		c.regs[amd64.RAX+int(code[2]&1)*(amd64.RCX-amd64.RAX)] = uint64(binary.LittleEndian.Uint32(code[3:]))
		c.regs[amd64.RIP] += 7
	case code[0] == 0x48 && code[1] == 0x01 && code[2] == 0xc8:
		c.regs[amd64.RAX] += c.regs[amd64.RCX]
		c.regs[amd64.RIP] += 3
	case code[0] == 0x48 && code[1] == 0xff && code[2] == 0xc9:
		c.regs[amd64.RCX]--
		c.regs[amd64.RIP] += 3
	case code[0] == 0x75:
		c.regs[amd64.RIP] += 2
		if c.regs[amd64.RCX] != 0 {
			c.regs[amd64.RIP] += uint64(int8(code[1]))
		}
	case code[0] == 0x90:
		c.regs[amd64.RIP]++
	case code[0] == 0xf4:
		c.halted = true
		return rsp.StopExited
	default:
		return rsp.StopSignal // an instruction it does not know
	}
	return rsp.StopStep
}

// run is what happens between a resume and the stop.
func (c *cpu) run(step bool) rsp.Stop {
	for {
		if kind := c.step(); kind != rsp.StopStep || step {
			return rsp.Stop{Kind: kind, Thread: me, Signal: sigill, Code: int(c.regs[amd64.RAX])}
		}
		if b := c.breakpoints[rsp.Addr(c.regs[amd64.RIP])]; b != nil {
			return rsp.Stop{Kind: rsp.StopBreakpoint, Thread: me}
		}
		if c.interrupted.Swap(false) {
			return rsp.Stop{Kind: rsp.StopInterrupt, Thread: me}
		}
	}
}

// Attach, Resume, Interrupt, Stops and Valid are rsp.RunControl.

func (c *cpu) Attach() (rsp.Stop, error) {
	c.interrupted.Store(true)
	c.running.Wait()
	c.interrupted.Store(false)
	if c.halted {
		return rsp.Stop{Kind: rsp.StopExited, Thread: me}, nil
	}
	return rsp.Stop{Kind: rsp.StopHalted, Thread: me}, nil
}

func (c *cpu) Resume(actions []rsp.Action) error {
	c.interrupted.Store(false)
	c.running.Go(func() { c.stops <- c.run(actions[0].Kind == rsp.Step) })
	return nil
}

func (c *cpu) Interrupt() error       { c.interrupted.Store(true); return nil }
func (c *cpu) Stops() <-chan rsp.Stop { return c.stops }
func (c *cpu) Valid(rsp.Stop) bool    { return false }

// Threads and Alive are rsp.Threads.

func (c *cpu) Threads() []rsp.ThreadInfo {
	if c.halted {
		return nil
	}
	return []rsp.ThreadInfo{{ID: me, Name: "cpu"}}
}

func (c *cpu) Alive(t rsp.ThreadID) bool { return t == me && !c.halted }

// Describe, ReadRegisters and WriteRegisters are rsp.Registers. Everything but
// the general registers is zero.

func (c *cpu) Describe() *rsp.Description { return description }

var description = amd64.Describe(0)

func (c *cpu) ReadRegisters(_ rsp.ThreadID, regs []rsp.RegisterValue) error {
	for _, r := range regs {
		if len(r.Value) == 8 {
			binary.LittleEndian.PutUint64(r.Value, c.regs[r.Num])
		}
	}
	return nil
}

func (c *cpu) WriteRegisters(_ rsp.ThreadID, regs []rsp.RegisterValue) error {
	for _, r := range regs {
		if len(r.Value) == 8 {
			c.regs[r.Num] = binary.LittleEndian.Uint64(r.Value)
		}
	}
	return nil
}

// ReadMemory and WriteMemory are rsp.Memory.

func (c *cpu) ReadMemory(_ rsp.PID, at rsp.Addr, buf []byte) (int, error) {
	if at < base || at-base >= rsp.Addr(len(c.memory)) {
		return 0, errors.New("there is no memory")
	}
	return copy(buf, c.memory[at-base:]), nil
}

func (c *cpu) WriteMemory(_ rsp.PID, at rsp.Addr, data []byte) error {
	if at < base || at-base+rsp.Addr(len(data)) > rsp.Addr(len(c.memory)) {
		return errors.New("there is no memory")
	}
	copy(c.memory[at-base:], data)
	return nil
}

// BreakpointCaps, InsertBreakpoint and RemoveBreakpoint are rsp.Breakpoints.
// Without Conditions in the caps the client looks at conditions itself.

func (c *cpu) BreakpointCaps() rsp.BreakpointCaps { return rsp.BreakpointCaps{} }

func (c *cpu) InsertBreakpoint(b *rsp.Breakpoint) error {
	if b.Kind != rsp.SoftwareBreakpoint {
		return rsp.ErrUnsupported
	}
	c.breakpoints[b.Addr] = b
	return nil
}

func (c *cpu) RemoveBreakpoint(b *rsp.Breakpoint) error {
	delete(c.breakpoints, b.Addr)
	return nil
}

func main() {
	listen := flag.String("listen", ":1234", "`address` for the debugger: :PORT, HOST:PORT, unix:PATH or -")
	flag.Parse()
	l, err := rsp.Listen(*listen)
	if err == nil {
		c := newCPU()
		server := rsp.Server{Target: &rsp.Target{Registers: c, Memory: c, RunControl: c, Threads: c, Breakpoints: c}, Name: "example"}
		err = server.Serve(context.Background(), l)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "example:", err)
		os.Exit(1)
	}
}
