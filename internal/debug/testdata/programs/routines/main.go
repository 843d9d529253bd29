// Command routines has goroutines on several threads, for a debugger to see.
package main

import (
	"fmt"
	"runtime"
	"sync"
)

type result struct {
	id, sum int
}

func add(id int, numbers []int) result {
	r := result{id: id}
	for _, n := range numbers {
		r.sum += n
	}
	return r
}

func worker(id int, in []int, out chan<- result, ready *sync.WaitGroup, goOn <-chan struct{}) {
	runtime.LockOSThread()
	ready.Done()
	<-goOn
	out <- add(id, in)
}

func main() {
	const workers = 4
	out := make(chan result)
	goOn := make(chan struct{})
	var ready sync.WaitGroup
	ready.Add(workers)
	for id := range workers {
		go worker(id, []int{id, 10, 100}, out, &ready, goOn)
	}
	ready.Wait()
	allReady()
	close(goOn)
	total := 0
	for range workers {
		total += (<-out).sum
	}
	fmt.Println("total", total)
}

//go:noinline
func allReady() { runtime.Gosched() }
