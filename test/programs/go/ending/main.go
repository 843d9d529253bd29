// Ending ends in the way that its argument names.
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"syscall"
	"time"
)

func main() {
	how := "return"
	if len(os.Args) > 1 {
		how = os.Args[1]
	}
	fmt.Println("ending by", how)
	way, ok := ways[how]
	if !ok {
		fmt.Println("no such way to end")
		os.Exit(99)
	}
	way()
	fmt.Println("returned")
}

var ways = map[string]func(){
	"return":     func() {},
	"exit":       func() { n, _ := strconv.Atoi(os.Args[2]); os.Exit(n) },
	"panic":      func() { panic("on purpose") },
	"error":      func() { panic(fmt.Errorf("wrapped: %w", errors.ErrUnsupported)) },
	"goroutine":  func() { go panic("in a goroutine"); time.Sleep(time.Minute) },
	"nil":        func() { var p *int; *p = 1 },
	"bounds":     func() { var s []int; i := len(os.Args); s[i] = 1 },
	"divide":     func() { zero := len(os.Args) - 2; fmt.Println(1 / zero) },
	"overflow":   func() { debug.SetMaxStack(1 << 20); fmt.Println(overflow(0)) },
	"deadlock":   func() { <-make(chan int) },
	"unlock":     func() { var mu sync.Mutex; mu.Unlock() },
	"mapwrite":   func() { noMap()["x"] = 1 },
	"goexit":     func() { go os.Exit(5); runtime.Goexit() },
	"recovered":  recovered,
	"bad-memory": badMemory,
	"kill":       func() { n, _ := strconv.Atoi(os.Args[2]); kill(n); time.Sleep(time.Minute) },
}

func kill(n int) {
	if err := syscall.Kill(syscall.Getpid(), syscall.Signal(n)); err != nil {
		fmt.Println("kill:", err)
	}
}

func noMap() map[string]int { return nil }

func overflow(n int) int {
	if n < 0 {
		return n
	}
	return overflow(n+1) + n
}

// recovered: faults become panics, which a program may catch.
func recovered() {
	try := func(what string, f func()) {
		defer func() { fmt.Printf("%s: %v\n", what, recover()) }()
		f()
	}
	for range 3 {
		try("nil", func() { var p *[100]int; p[50] = 1 })
		try("divide", func() { zero := len(os.Args) - 2; fmt.Println(1 / zero) })
		try("bounds", func() { s := make([]int, 3); fmt.Println(s[len(os.Args)+7]) })
		try("call", func() { var f func(); f() })
	}
}

// badMemory: a file mapping whose file has shrunk.
func badMemory() {
	f, err := os.Create("mapped")
	if err != nil {
		panic(err)
	}
	if err := f.Truncate(8192); err != nil {
		panic(err)
	}
	m, err := syscall.Mmap(int(f.Fd()), 0, 8192, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		panic(err)
	}
	if err := f.Truncate(0); err != nil {
		panic(err)
	}
	debug.SetPanicOnFault(true)
	defer func() { fmt.Println("recovered:", recover() != nil) }()
	fmt.Println(m[5000])
}
