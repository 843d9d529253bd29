package rsp

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
)

// Listen makes a listener from the address a person types:
//
//	:PORT        TCP on the loopback interface only
//	HOST:PORT    TCP on that address; the debugger port is full control of
//	             the program, so anything else must be asked for by name
//	unix:PATH    a Unix socket that only its owner may use
//	-            standard input and output, for one session; nothing else
//	             may read or write them
func Listen(addr string) (net.Listener, error) {
	switch path, isUnix := strings.CutPrefix(addr, "unix:"); {
	case addr == "-":
		return listenStdio()
	case isUnix:
		return listenUnix(path)
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("debugger address %q: want :PORT, HOST:PORT, unix:PATH or -: %w", addr, err)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	return net.Listen("tcp", net.JoinHostPort(host, port))
}

// listenUnix removes a socket nobody listens on any more, then listens.
func listenUnix(path string) (net.Listener, error) {
	if path == "" {
		return nil, errors.New("debugger address: unix: needs a path")
	}
	if fi, err := os.Lstat(path); err == nil && fi.Mode()&os.ModeSocket != 0 {
		c, err := net.Dial("unix", path)
		if err == nil {
			c.Close()
			return nil, fmt.Errorf("debugger address unix:%s: in use by another process", path)
		}
		os.Remove(path)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}
