package rsp

import (
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// stdioListener is a net.Listener with a single connection in it, made of a
// reader and a writer (GDB's "target remote | command").
type stdioListener struct {
	once   sync.Once
	conn   chan net.Conn
	closed chan struct{}
}

// listenStdio uses duplicates of the standard descriptors: a write to a broken
// pipe with the number 1 would end the process by SIGPIPE instead of failing
// (os/signal, "SIGPIPE").
func listenStdio() (net.Listener, error) {
	var files [2]*os.File
	for i, name := range []string{"standard input", "standard output"} {
		fd, err := syscall.Dup(i)
		if err != nil {
			return nil, fmt.Errorf("debugger on %s: %w", name, err)
		}
		syscall.CloseOnExec(fd)
		files[i] = os.NewFile(uintptr(fd), name)
	}
	return newStdioListener(files[0], files[1]), nil
}

func newStdioListener(in io.ReadCloser, out io.WriteCloser) net.Listener {
	l := &stdioListener{conn: make(chan net.Conn, 1), closed: make(chan struct{})}
	l.conn <- &pipeConn{in: in, out: out, done: l.shut}
	return l
}

func (l *stdioListener) Accept() (net.Conn, error) {
	select {
	case <-l.closed:
		return nil, net.ErrClosed
	case c := <-l.conn:
		return c, nil
	}
}

func (l *stdioListener) shut()          { l.once.Do(func() { close(l.closed) }) }
func (l *stdioListener) Close() error   { l.shut(); return nil }
func (l *stdioListener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "-" }

// pipeConn is the one connection; its end is the listener's end.
type pipeConn struct {
	in   io.ReadCloser
	out  io.WriteCloser
	done func()
}

func (c *pipeConn) Read(b []byte) (int, error)  { return c.in.Read(b) }
func (c *pipeConn) Write(b []byte) (int, error) { return c.out.Write(b) }
func (c *pipeConn) Close() error {
	c.done()
	c.in.Close()
	return c.out.Close()
}
func (c *pipeConn) LocalAddr() net.Addr              { return pipeAddr{} }
func (c *pipeConn) RemoteAddr() net.Addr             { return pipeAddr{} }
func (c *pipeConn) SetDeadline(time.Time) error      { return nil }
func (c *pipeConn) SetReadDeadline(time.Time) error  { return nil }
func (c *pipeConn) SetWriteDeadline(time.Time) error { return nil }
