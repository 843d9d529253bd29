// Gc exercises the memory manager: garbage of all sizes from several
// goroutines, large heaps that grow and shrink, finalizers, stacks that grow.
package main

import (
	"fmt"
	"hash/crc32"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

type node struct {
	left, right *node
	payload     [3]uint64
}

func tree(depth int) *node {
	if depth == 0 {
		return &node{payload: [3]uint64{1, 2, 3}}
	}
	return &node{left: tree(depth - 1), right: tree(depth - 1)}
}

func (n *node) check() uint64 {
	if n.left == nil {
		return n.payload[0] + n.payload[1] + n.payload[2]
	}
	return n.left.check() + n.right.check()
}

func main() {
	trees()
	sizes()
	bigHeap()
	finalizers()
	stacks()
	maps()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fmt.Println("collected", m.NumGC > 5)
}

func trees() {
	long := tree(14)
	var total atomic.Uint64
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 20 {
				total.Add(tree(10).check())
			}
		})
	}
	group.Wait()
	fmt.Println("trees", total.Load(), long.check())
}

func sizes() {
	var group sync.WaitGroup
	var wrong atomic.Int32
	for g := range 4 {
		group.Go(func() {
			keep := make([][]byte, 64)
			for i := range 4000 {
				size := (i*i*31 + g) % 70000
				b := make([]byte, size)
				for _, v := range b[:min(size, 256)] {
					if v != 0 {
						wrong.Add(1)
					}
				}
				for j := 0; j < size; j += 512 {
					b[j] = byte(i)
				}
				keep[i%64] = b
			}
		})
	}
	group.Wait()
	fmt.Println("sizes, not zero:", wrong.Load())
}

// bigHeap grows to about 100 MB and gives it back.
func bigHeap() {
	var blocks [][]byte
	for i := range 50 {
		b := make([]byte, 2<<20)
		for j := 0; j < len(b); j += 4096 {
			b[j] = byte(i + j>>12)
		}
		blocks = append(blocks, b)
	}
	sum := crc32.NewIEEE()
	for _, b := range blocks {
		for j := 0; j < len(b); j += 4096 {
			_, _ = sum.Write(b[j : j+1])
		}
	}
	fmt.Printf("big heap %08x\n", sum.Sum32())
	blocks = nil
	debug.FreeOSMemory()
	again := make([]byte, 8<<20)
	clean := true
	for j := 0; j < len(again); j += 4096 {
		clean = clean && again[j] == 0
	}
	fmt.Println("clean again", clean)
}

func finalizers() {
	var ran atomic.Int32
	for range 100 {
		runtime.AddCleanup(&node{}, func(int) { ran.Add(1) }, 0)
	}
	for range 1000 {
		if runtime.GC(); ran.Load() == 100 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	fmt.Println("cleanups", ran.Load())
}

func deep(n int) int {
	var frame [128]byte
	frame[n%128] = 1
	if n == 0 {
		return 0
	}
	return deep(n-1) + int(frame[n%128])
}

func stacks() {
	var group sync.WaitGroup
	var sum atomic.Int64
	for range 8 {
		group.Go(func() { sum.Add(int64(deep(20000))) })
	}
	group.Wait()
	fmt.Println("stacks", sum.Load())
}

func maps() {
	m := map[string]*node{}
	for i := range 30000 {
		m[fmt.Sprint("key", i)] = &node{payload: [3]uint64{uint64(i)}}
		if i%3 == 0 {
			delete(m, fmt.Sprint("key", i/2))
		}
	}
	runtime.GC()
	var sum uint64
	for _, n := range m {
		sum += n.payload[0]
	}
	fmt.Println("map", len(m), sum)
}
