package test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
)

const (
	httpRequests = 10000 // in all; a twentieth under -short
	httpClients  = 8     // at a time
	httpFresh    = 10    // every so many requests use a new connection
)

// TestGoHTTP: a static Go HTTP server in the VM answers ten thousand requests,
// most on kept connections, some on new ones, some with a body, and ends when
// it is told to.
func TestGoHTTP(t *testing.T) {
	needKVM(t)
	s := serve(t, command{path: filepath.Join(programs(t), "go/serve")}.inVM(t))
	kept := &http.Client{Timeout: defaultTimeout(t), Transport: &http.Transport{MaxIdleConnsPerHost: httpClients}}
	fresh := &http.Client{Timeout: defaultTimeout(t), Transport: &http.Transport{DisableKeepAlives: true}}
	defer kept.CloseIdleConnections()

	requests := httpRequests
	if testing.Short() {
		requests /= 20
	}
	var next atomic.Int64
	var group sync.WaitGroup
	errs := make([]error, httpClients)
	for i := range httpClients {
		group.Go(func() {
			for errs[i] == nil {
				n := int(next.Add(1))
				if n > requests {
					return
				}
				client := kept
				if n%httpFresh == 0 {
					client = fresh
				}
				errs[i] = request(client, "http://"+s.address, n)
			}
		})
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		s.fail(t, "%v", err)
	}

	resp, err := kept.Post("http://"+s.address+"/quit", "", nil)
	if err != nil {
		s.fail(t, "quit: %v", err)
	}
	resp.Body.Close()
	r := s.wait(t)
	if want := fmt.Sprintf("served %d\n", requests); r.stdout != want || r.stderr != "" || r.status != "exit status 0" {
		t.Errorf("the server ended with %s, stderr %q and stdout\n%s", r.status, r.stderr, diff(want, r.stdout))
	}
}

// request makes the nth request; every hundredth has a large body.
func request(client *http.Client, url string, n int) error {
	var resp *http.Response
	var err error
	want := fmt.Sprintln("word", n)
	if n%100 == 0 {
		body := bytes.Repeat([]byte{byte(n)}, n*20)
		want = fmt.Sprintf("%x", sha256.Sum256(body))
		resp, err = client.Post(url+"/sum", "application/octet-stream", bytes.NewReader(body))
	} else {
		resp, err = client.Get(url + "/echo/" + "word%20" + strconv.Itoa(n))
	}
	if err != nil {
		return fmt.Errorf("request %d: %w", n, err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("answer %d: %w", n, err)
	}
	if resp.StatusCode != http.StatusOK || string(got) != want {
		return fmt.Errorf("answer %d: %s %q, want %q", n, resp.Status, got, want)
	}
	return nil
}
