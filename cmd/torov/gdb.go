package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"torov/internal/debug"
	"torov/internal/kernel"
	"torov/internal/syscalls"
	"torov/rsp"
)

// gdbOptions say where and how debuggers get at the program.
type gdbOptions struct {
	address string // empty: they do not
	hold    bool   // the program waits for one
	multi   bool   // torov stays when the program has ended
	server  bool   // torov behaves like gdbserver: the program is the debugger's
	once    bool   // with server: the program ends with the first connection
}

// debugger is the GDB stub of a run.
type debugger struct {
	core  *debug.Debugger
	stop  context.CancelFunc
	setup *setup
	stdio [3]*kernel.File
	next  chan *guest // with programs that a client has started
}

// lastWord is how long torov waits for a client to read that the program has
// ended.
const lastWord = 3 * time.Second

// listen opens the debugger's port; nil if the run has none.
func (s *setup) listen() (net.Listener, error) {
	if s.gdb.address == "" {
		return nil, nil
	}
	l, err := rsp.Listen(s.gdb.address)
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		if s.gdb.server {
			fmt.Fprintln(os.Stderr, portTaken)
		}
		err = fmt.Errorf("%w; choose another port", err)
	case err == nil && s.gdb.address == "-":
		err = giveStdioAway()
	}
	return l, err
}

// debugger installs the tracer and serves debuggers; nil without a listener.
func (s *setup) debugger(g *guest, listener net.Listener, stdio [3]*kernel.File) *debugger {
	if listener == nil {
		return nil
	}
	d := &debugger{setup: s, next: make(chan *guest, 1)}
	for i, f := range stdio {
		if f != nil {
			d.stdio[i] = f.Hold() // for the next program
		}
	}
	opt := debug.Options{
		Hold: s.gdb.hold, Multi: s.gdb.multi, Launched: s.gdb.server, Vanished: rsp.DisconnectHold,
		Launch: d.launch, Describe: syscalls.Describe,
	}
	if s.gdb.once {
		opt.Vanished = rsp.DisconnectKill
	}
	d.core = debug.New(g.kernel, opt)
	g.kernel.SetTracer(d.core)
	ctx, cancel := context.WithCancel(context.Background())
	d.stop = cancel
	server := &rsp.Server{
		Target: d.core.Target(), Name: "torov", Version: version,
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	}
	go func() {
		if err := server.Serve(ctx, listener); err != nil {
			fmt.Fprintf(os.Stderr, "torov: debugger: %v\n", err)
		}
	}()
	s.announce(os.Stderr, listener.Addr())
	return d
}

// announce tells the person how to connect.
func (s *setup) announce(log io.Writer, addr net.Addr) {
	address := addr.String()
	switch {
	case s.gdb.address == "-":
	case s.gdb.hold:
		fmt.Fprintf(log, "torov: waiting for a debugger on %s: gdb -ex 'target remote %s' %s\n", address, address, s.path)
	case s.gdb.multi:
		fmt.Fprintf(log, "torov: waiting for a debugger on %s: gdb -ex 'target extended-remote %s'\n", address, address)
	default:
		fmt.Fprintf(log, "torov: a debugger may connect to %s: gdb -ex 'target remote %s' %s\n", address, address, s.path)
	}
	if s.gdb.server {
		sayListening(log, addr)
	}
}

// launch starts another program for a client, in a machine of its own. The one
// before has ended.
func (d *debugger) launch(l rsp.Launch, use func(*kernel.Kernel)) error {
	s, err := d.setup.changed(l)
	if err != nil {
		return err
	}
	file, err := s.open()
	if err != nil {
		return err
	}
	defer file.Close()
	g, err := s.boot(os.Stderr)
	if err != nil {
		return err
	}
	use(g.kernel)
	stdio := d.stdio
	for _, f := range stdio {
		if f != nil {
			f.Hold()
		}
	}
	if err := s.start(g, file, stdio); err != nil {
		return errors.Join(err, g.machine.Close())
	}
	d.next <- g
	return nil
}

// outlast lets a connected client hear of the end, and start other programs. It
// returns the last one and how it ended.
func (d *debugger) outlast(g *guest, status kernel.ExitStatus, err error) (*guest, kernel.ExitStatus, error) {
	defer d.stop()
	for err == nil {
		var patience <-chan time.Time
		if !d.core.Stays() {
			patience = time.After(lastWord)
		}
		select {
		case next := <-d.next:
			err = g.machine.Close()
			if g = next; err == nil {
				status, err = g.kernel.Wait()
			}
		case <-d.core.Over():
			return g, status, nil
		case <-patience:
			return g, status, nil
		}
	}
	return g, status, err
}
