package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"golang.org/x/sys/unix"

	"torov/internal/debug"
	"torov/internal/kernel"
	"torov/rsp"
)

// debugger is the GDB stub of a run; nil without one.
type debugger struct {
	core *debug.Debugger
	stop context.CancelFunc
}

// lastWord is how long torov waits for a client to read that the program has
// ended.
const lastWord = 3 * time.Second

// debugger opens the debugger's port and installs the tracer, if the run has
// one.
func (s *setup) debugger(k *kernel.Kernel, log io.Writer) (*debugger, error) {
	if s.gdb == "" {
		return nil, nil
	}
	listener, err := rsp.Listen(s.gdb)
	if err != nil {
		if errors.Is(err, unix.EADDRINUSE) {
			err = fmt.Errorf("%w; choose another port with --gdb", err)
		}
		return nil, err
	}
	core := debug.New(k, debug.Options{Hold: true})
	k.SetTracer(core)
	ctx, cancel := context.WithCancel(context.Background())
	server := &rsp.Server{
		Target: core.Target(), Name: "torov", Version: version,
		Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelError})),
	}
	go func() {
		if err := server.Serve(ctx, listener); err != nil {
			fmt.Fprintf(log, "torov: debugger: %v\n", err)
		}
	}()
	if s.gdb != "-" {
		fmt.Fprintf(log, "torov: waiting for a debugger on %s: gdb -ex 'target remote %s' %s\n", listener.Addr(), listener.Addr(), s.path)
	}
	return &debugger{core, cancel}, nil
}

// close lets a connected client hear of the end.
func (d *debugger) close() {
	if d == nil {
		return
	}
	select {
	case <-d.core.Over():
	case <-time.After(lastWord):
	}
	d.stop()
}
