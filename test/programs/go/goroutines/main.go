// Goroutines exercises the scheduler: channels, select, locks, timers,
// contexts and goroutines that never give way.
package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

func main() {
	pipeline()
	workers()
	selecting()
	locks()
	timers()
	contexts()
	preemption()
	threads()
}

// pipeline sends numbers through a chain of goroutines.
func pipeline() {
	in := make(chan int)
	out := in
	for range 100 {
		next := make(chan int)
		go func(in <-chan int, out chan<- int) {
			for v := range in {
				out <- v + 1
			}
			close(out)
		}(out, next)
		out = next
	}
	go func() {
		for i := range 200 {
			in <- i
		}
		close(in)
	}()
	sum := 0
	for v := range out {
		sum += v
	}
	fmt.Println("pipeline", sum)
}

func workers() {
	jobs := make(chan int, 16)
	var total atomic.Int64
	var group sync.WaitGroup
	for range 1000 {
		group.Go(func() {
			for j := range jobs {
				total.Add(int64(j))
			}
		})
	}
	for i := range 20000 {
		jobs <- i
	}
	close(jobs)
	group.Wait()
	fmt.Println("workers", total.Load())
}

func selecting() {
	a, b, quit := make(chan int), make(chan int), make(chan struct{})
	counts := make(chan [2]int)
	go func() {
		var n [2]int
		for {
			select {
			case <-a:
				n[0]++
			case <-b:
				n[1]++
			case <-quit:
				counts <- n
				return
			}
		}
	}()
	var group sync.WaitGroup
	for _, c := range []chan int{a, b, a} {
		group.Go(func() {
			for i := range 500 {
				c <- i
			}
		})
	}
	group.Wait()
	close(quit)
	fmt.Println("select", <-counts)
	select {
	case v := <-a:
		fmt.Println("unexpected", v)
	default:
		fmt.Println("select default")
	}
}

func locks() {
	var mu sync.RWMutex
	var once sync.Once
	cond := sync.NewCond(&sync.Mutex{})
	ready, n, inits := 0, 0, 0
	var group sync.WaitGroup
	for i := range 50 {
		group.Go(func() {
			once.Do(func() { inits++ })
			for range 100 {
				if i%5 == 0 {
					mu.Lock()
					n++
					mu.Unlock()
				} else {
					mu.RLock()
					_ = n
					mu.RUnlock()
				}
			}
			cond.L.Lock()
			ready++
			cond.L.Unlock()
			cond.Broadcast()
		})
	}
	cond.L.Lock()
	for ready < 50 {
		cond.Wait()
	}
	cond.L.Unlock()
	group.Wait()
	fmt.Println("locks", n, inits, ready)
}

func timers() {
	start := time.Now()
	var fired []string
	c := make(chan string, 10)
	for i, ms := range []int{80, 20, 140} {
		time.AfterFunc(time.Duration(ms)*time.Millisecond, func() { c <- fmt.Sprint("timer", i) })
	}
	stopped := time.AfterFunc(30*time.Millisecond, func() { c <- "never" })
	fmt.Println("stopped", stopped.Stop())
	for range 3 {
		fired = append(fired, <-c)
	}
	fmt.Println(fired, time.Since(start) >= 140*time.Millisecond)
	ticker := time.NewTicker(5 * time.Millisecond)
	for range 5 {
		<-ticker.C
	}
	ticker.Stop()
	select {
	case <-time.After(20 * time.Millisecond):
		fmt.Println("ticker stopped")
	case <-ticker.C:
		fmt.Println("a tick after Stop")
	}
}

func contexts() {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	child, cancelChild := context.WithCancelCause(ctx)
	defer cancelChild(nil)
	<-child.Done()
	fmt.Println("context", child.Err(), context.Cause(child))
	other, cancelOther := context.WithCancelCause(context.Background())
	cancelOther(errors.New("enough"))
	fmt.Println("context", other.Err(), context.Cause(other))
}

// preemption: a collection has to stop goroutines that call nothing, which
// Go does with SIGURG.
func preemption() {
	var stop atomic.Bool
	var spun [3]uint64
	var group sync.WaitGroup
	for i := range spun {
		group.Go(func() {
			var x uint64
			for !stop.Load() {
				for range 1 << 22 {
					x = x*6364136223846793005 + 1
				}
			}
			spun[i] = x | 1
		})
	}
	for range 3 {
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	stop.Store(true)
	group.Wait()
	fmt.Println("preempted", spun[0] != 0 && spun[1] != 0 && spun[2] != 0)
}

// threads: goroutines tied to threads, which end with them.
func threads() {
	var group sync.WaitGroup
	var n atomic.Int32
	for range 30 {
		group.Go(func() {
			runtime.LockOSThread() // never unlocked: the thread dies
			n.Add(1)
			runtime.Gosched()
		})
	}
	group.Wait()
	fmt.Println("threads", n.Load(), runtime.GOOS, runtime.GOARCH)
}
