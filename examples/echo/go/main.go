// Echo is the echo server in Go: answers on 127.0.0.1 with the bytes it was
// sent, any number of clients at a time. The port is the first argument or
// $PORT or 8080; 0 lets the kernel choose.
package main

import (
	"fmt"
	"io"
	"net"
	"os"
)

func main() {
	err := serve(port())
	fmt.Fprintln(os.Stderr, "echo:", err)
	os.Exit(1)
}

func port() string {
	if len(os.Args) > 1 {
		return os.Args[1]
	}
	if p := os.Getenv("PORT"); p != "" {
		return p
	}
	return "8080"
}

// serve returns only when it cannot go on.
func serve(port string) error {
	server, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return err
	}
	fmt.Println("listening on", server.Addr())
	for {
		client, err := server.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer client.Close()
			_, _ = io.Copy(client, client) // an error means that the client left
		}()
	}
}
