package rsp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"
)

// DefaultPacketSize is what a client may send, and ask for, in one packet.
const DefaultPacketSize = 0x20000

// minPacketSize leaves room for a `g` with every x86-64 register in it.
const minPacketSize = 0x4000

// Server serves one debugger at a time.
type Server struct {
	Target *Target
	// PacketSize is the largest packet in bytes, 0 for DefaultPacketSize.
	PacketSize int
	// Log receives what a person should know: connections, refusals and
	// protocol errors, and at level debug every packet. nil: nothing.
	Log *slog.Logger
	// Name and Version identify the program to clients that ask
	// (qGDBServerVersion); optional.
	Name, Version string

	once sync.Once
	slot chan struct{} // holds a token while a session is on
	// persistent are breakpoints that a client left on purpose; they belong
	// to whoever holds the slot.
	persistent map[breakpointKey]*Breakpoint
}

// errBusy is what a second client is told.
var errBusy = errors.New("another debugger is connected")

func (s *Server) log() *slog.Logger {
	if s.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Log
}

func (s *Server) packetSize() int {
	if s.PacketSize == 0 {
		return DefaultPacketSize
	}
	return max(s.PacketSize, minPacketSize)
}

// Serve accepts clients until ctx ends or the listener fails, one at a time: a
// second one is told that another debugger is connected. It closes the
// listener. It returns nil when ctx has ended or the listener was closed.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	defer l.Close()
	if err := s.Target.validate(); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { l.Close() })()
	pump := newPump(s.Target.RunControl.Stops())
	var clients sync.WaitGroup
	defer pump.close()
	defer clients.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for {
		conn, err := l.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				// A listener of a single connection closes with it.
				clients.Wait()
				return nil
			}
			return fmt.Errorf("accepting a debugger: %w", err)
		}
		clients.Go(func() {
			if err := s.serve(ctx, conn, pump); err != nil {
				s.log().Warn("debugger session ended", "client", conn.RemoteAddr().String(), "err", err)
			}
		})
	}
}

// ServeConn serves a single client on conn until it leaves, and closes conn.
// The error is nil if the client detached, killed the program or just left.
func (s *Server) ServeConn(ctx context.Context, conn io.ReadWriteCloser) error {
	if err := s.Target.validate(); err != nil {
		return err
	}
	pump := newPump(s.Target.RunControl.Stops())
	defer pump.close()
	return s.serve(ctx, conn, pump)
}

// serve runs a session if there is none, and refuses otherwise.
func (s *Server) serve(ctx context.Context, conn io.ReadWriteCloser, pump *pump) error {
	defer conn.Close()
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetNoDelay(true)
	}
	s.once.Do(func() { s.slot = make(chan struct{}, 1) })
	grace := time.NewTimer(busyGrace)
	defer grace.Stop()
	select {
	case s.slot <- struct{}{}:
	case <-grace.C:
		s.refuse(conn)
		return errBusy
	case <-ctx.Done():
		return nil
	}
	defer func() { <-s.slot }()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	err := newSession(s, conn, pump).run(ctx)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// busyGrace is how long a client waits for the one before it to be gone: a
// debugger that reconnects at once may be faster than the end of its own last
// session.
const busyGrace = 500 * time.Millisecond

// refuseTimeout bounds the wait for a refused client's first packet.
const refuseTimeout = 5 * time.Second

// refuse answers the first packet of a second client: only then does it listen.
func (s *Server) refuse(conn io.ReadWriteCloser) {
	timer := time.AfterFunc(refuseTimeout, func() { conn.Close() })
	defer timer.Stop()
	r := newReader(conn, minPacketSize, nil)
	for {
		in, err := r.next()
		if err != nil {
			return
		}
		if in.kind == inputPacket || in.kind == inputOversize {
			conn.Write(appendPacket([]byte{'+'}, '$', []byte("E."+errBusy.Error())))
			return
		}
	}
}
