// Network exercises package net over loopback: TCP, UDP, Unix sockets,
// deadlines, half-closed connections, names.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"
)

func main() {
	for _, step := range []func() error{
		func() error { return stream("tcp", "127.0.0.1:0") },
		func() error { return stream("unix", "socket") },
		packets, deadlines, refused, names,
	} {
		if err := step(); err != nil {
			fmt.Fprintln(os.Stderr, "network:", err)
			os.Exit(1)
		}
	}
}

// stream serves many clients at a time, each with a conversation and a large
// transfer.
func stream(network, address string) error {
	listener, err := net.Listen(network, address)
	if err != nil {
		return err
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go upper(conn)
		}
	}()
	var group sync.WaitGroup
	results := make([]string, 20)
	for i := range results {
		group.Go(func() { results[i] = talk(network, listener.Addr().String(), i) })
	}
	group.Wait()
	fmt.Println(network, strings.Join(results, " "))
	return listener.Close()
}

func upper(conn net.Conn) {
	defer conn.Close()
	lines := bufio.NewReader(conn)
	for {
		line, err := lines.ReadString('\n')
		if _, werr := io.WriteString(conn, strings.ToUpper(line)); err != nil || werr != nil {
			return
		}
	}
}

func talk(network, address string, i int) string {
	conn, err := net.Dial(network, address)
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	fmt.Fprintf(conn, "client %d\n", i)
	answers := bufio.NewReader(conn)
	answer, err := answers.ReadString('\n')
	if err != nil {
		return err.Error()
	}
	block := bytes.Repeat([]byte(strings.Repeat("abcdefgh", 30)+"\n"), 400)
	go func() {
		_, _ = conn.Write(block)
		_ = conn.(interface{ CloseWrite() error }).CloseWrite()
	}()
	rest, err := io.ReadAll(answers)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%s:%v", strings.TrimSpace(answer), bytes.Equal(rest, bytes.ToUpper(block)))
}

func packets() error {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer server.Close()
	go func() {
		buf := make([]byte, 2000)
		for {
			n, from, err := server.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = server.WriteTo(bytes.ToUpper(buf[:n]), from)
		}
	}()
	client, err := net.Dial("udp", server.LocalAddr().String())
	if err != nil {
		return err
	}
	defer client.Close()
	buf := make([]byte, 2000)
	for i := range 100 {
		message := fmt.Sprint("packet ", i, strings.Repeat("x", i*10))
		if _, err := client.Write([]byte(message)); err != nil {
			return err
		}
		n, err := client.Read(buf)
		if err != nil || string(buf[:n]) != strings.ToUpper(message) {
			return fmt.Errorf("packet %d: %q: %v", i, buf[:n], err)
		}
	}
	fmt.Println("udp")
	return nil
}

func deadlines() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer listener.Close()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	_, err = conn.Read(make([]byte, 1))
	fmt.Println("deadline", errors.Is(err, os.ErrDeadlineExceeded))
	_ = conn.SetReadDeadline(time.Time{})
	go func() { time.Sleep(20 * time.Millisecond); conn.Close() }()
	_, err = conn.Read(make([]byte, 1))
	fmt.Println("closed", errors.Is(err, net.ErrClosed))
	_ = listener.(*net.TCPListener).SetDeadline(time.Now().Add(-time.Second))
	_, err = listener.Accept()
	fmt.Println("accept", errors.Is(err, os.ErrDeadlineExceeded))
	return nil
}

func refused() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	address := listener.Addr().String()
	_, err = net.Listen("tcp", address)
	fmt.Println("in use", err != nil && strings.HasSuffix(err.Error(), "address already in use"))
	listener.Close()
	_, err = net.Dial("tcp", address)
	fmt.Println("refused", err != nil && strings.HasSuffix(err.Error(), "connection refused"))
	_, err = net.Dial("unix", "no-such-socket")
	fmt.Println(err)
	return nil
}

func names() error {
	addresses, err := net.LookupHost("127.0.0.1")
	fmt.Println(addresses, err)
	interfaces, err := net.Interfaces()
	fmt.Println("interfaces", len(interfaces) > 0, err)
	return nil
}
