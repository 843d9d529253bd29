// Command toygdb serves one of the toy's programs to debuggers, to try
// package rsp by hand:
//
//	go run torov/rsp/internal/toy/toygdb -listen :1234 -program threads
//	gdb -ex 'target remote :1234'
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"

	"torov/rsp"
	"torov/rsp/internal/toy"
)

var programs = map[string]func() *toy.Image{
	"counter": toy.Counter, "threads": toy.Threads, "signals": toy.Signals, "fork": toy.Fork,
}

func main() {
	listen := flag.String("listen", ":1234", "`address` for the debugger: :PORT, HOST:PORT, unix:PATH or -")
	program := flag.String("program", "counter", "counter, threads, signals or fork")
	verbose := flag.Bool("v", false, "log every packet")
	flag.Parse()
	if err := run(*listen, *program, *verbose); err != nil {
		fmt.Fprintln(os.Stderr, "toygdb:", err)
		os.Exit(1)
	}
}

func run(listen, program string, verbose bool) error {
	image, ok := programs[program]
	if !ok {
		return fmt.Errorf("there is no program %q; there are counter, threads, signals and fork", program)
	}
	level := slog.LevelInfo
	if verbose {
		level = slog.LevelDebug
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	l, err := rsp.Listen(listen)
	if err != nil {
		return err
	}
	m := toy.New(image())
	defer m.Close()
	srv := &rsp.Server{
		Target: m.Target(), Name: "toygdb", Version: "1",
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})),
	}
	return srv.Serve(ctx, l)
}
