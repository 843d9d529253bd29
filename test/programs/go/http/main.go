// Http is an HTTP server and its client in one process, over loopback.
package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sort"
	"strings"
	"sync"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "http:", err)
		os.Exit(1)
	}
}

func run() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /hello/{name}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "hello, %s", r.PathValue("name"))
	})
	mux.HandleFunc("POST /sum", func(w http.ResponseWriter, r *http.Request) {
		sum := sha256.New()
		n, err := io.Copy(sum, r.Body)
		fmt.Fprintf(w, "%d %x %v", n, sum.Sum(nil), err)
	})
	mux.HandleFunc("GET /stream", func(w http.ResponseWriter, _ *http.Request) {
		for i := range 20 {
			fmt.Fprintf(w, "piece %d\n", i)
			w.(http.Flusher).Flush()
		}
	})
	mux.HandleFunc("GET /slow", func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
	})
	server := &http.Server{Handler: mux}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	if err := client("http://" + listener.Addr().String()); err != nil {
		return err
	}
	fmt.Println("close", server.Close(), <-done)
	return nil
}

func client(url string) error {
	for _, path := range []string{"/hello/world", "/stream", "/missing", "/sum"} {
		resp, err := http.Get(url + path)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		fmt.Printf("%s: %s %s %q %v\n", path, resp.Status, resp.Header.Get("Content-Type"), body, err)
	}
	resp, err := http.Post(url+"/sum", "application/octet-stream", bytes.NewReader(bytes.Repeat([]byte("torov"), 1<<20)))
	if err != nil {
		return err
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	fmt.Printf("/sum: %s %s\n", resp.Status, body)
	impatient := http.Client{Timeout: 50 * time.Millisecond}
	_, err = impatient.Get(url + "/slow")
	fmt.Println("time-out", err != nil && strings.Contains(err.Error(), "Client.Timeout"))
	return parallel(url)
}

func parallel(url string) error {
	var mu sync.Mutex
	var group sync.WaitGroup
	answers := map[string]int{}
	var first error
	for i := range 10 {
		group.Go(func() {
			for range 20 {
				resp, err := http.Get(fmt.Sprintf("%s/hello/%d", url, i))
				var body []byte
				if err == nil {
					body, err = io.ReadAll(resp.Body)
					resp.Body.Close()
				}
				mu.Lock()
				if answers[string(body)]++; err != nil && first == nil {
					first = err
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	var lines []string
	for body, n := range answers {
		lines = append(lines, fmt.Sprint(body, " ", n))
	}
	sort.Strings(lines)
	fmt.Println(strings.Join(lines, "\n"))
	return first
}
