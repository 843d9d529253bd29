package rsp_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"testing"

	"torov/rsp"
	"torov/rsp/internal/toy"
)

// benchConn is a connection over TCP without acknowledgements.
func benchConn(b *testing.B, image *toy.Image) func(packet string) {
	b.Helper()
	l, err := rsp.Listen(":0")
	if err != nil {
		b.Fatal(err)
	}
	m := toy.New(image)
	ctx, cancel := context.WithCancel(context.Background())
	go (&rsp.Server{Target: m.Target()}).Serve(ctx, l)
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close(); cancel(); m.Close() })
	br := bufio.NewReaderSize(c, 1<<20)
	exchange := func(packet string) {
		fmt.Fprint(c, frame(packet))
		if _, err := br.ReadSlice('#'); err != nil {
			b.Fatal(err)
		}
		br.Discard(2)
	}
	exchange(gdbFeatures)
	exchange("QStartNoAckMode")
	return exchange
}

func BenchmarkStep(b *testing.B) {
	image := toy.Threads()
	exchange := benchConn(b, image)
	exchange("P10=" + le64(image.Symbols["spin"])) // a loop that has no end
	for b.Loop() {
		exchange("vCont;s:" + tid(0))
	}
}

func BenchmarkReadRegisters(b *testing.B) {
	exchange := benchConn(b, toy.Counter())
	for b.Loop() {
		exchange("g")
	}
}

func BenchmarkReadPage(b *testing.B) {
	exchange := benchConn(b, toy.Counter())
	b.SetBytes(4096)
	for b.Loop() {
		exchange("m403000,1000")
	}
}
