package rsp_test

import (
	"testing"
	"time"

	"torov/rsp"
	"torov/rsp/internal/toy"
)

// closing counts the ends of connections.
type closing struct {
	rsp.Session
	ends chan struct{}
}

func (c closing) Closed() { c.ends <- struct{}{} }

func TestEveryEndIsTold(t *testing.T) {
	for name, last := range map[string]string{"vanished": "", "killed": "k", "detached": "D", "ended": "vCont;c"} {
		t.Run(name, func(t *testing.T) {
			ends := make(chan struct{}, 1)
			s := start(t, toy.Counter(), func(t *rsp.Target) { t.Session = closing{t.Session, ends} })
			s.hello()
			s.cmd("?")
			if last != "" {
				s.cmd(last)
			}
			s.c.Close()
			select {
			case <-ends:
			case <-time.After(testTimeout):
				t.Fatal("nobody was told")
			}
		})
	}
}
