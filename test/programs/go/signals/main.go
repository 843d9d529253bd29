// Signals sends itself signals and receives them through os/signal.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	notify()
	ignore()
	ctx()
	many()
	alarm()
	// With nobody listening any more the default applies.
	signal.Reset(syscall.SIGTERM)
	fmt.Println("now SIGTERM for good")
	send(syscall.SIGTERM)
	time.Sleep(time.Minute)
}

func send(s syscall.Signal) {
	if err := syscall.Kill(os.Getpid(), s); err != nil {
		fmt.Println("kill:", err)
	}
}

func notify() {
	c := make(chan os.Signal, 4)
	signal.Notify(c, syscall.SIGUSR1, syscall.SIGTERM, os.Interrupt)
	for _, s := range []syscall.Signal{syscall.SIGUSR1, syscall.SIGTERM, syscall.SIGINT} {
		send(s)
		fmt.Println("received", <-c)
	}
	signal.Stop(c)
}

func ignore() {
	signal.Ignore(syscall.SIGUSR2, syscall.SIGHUP)
	send(syscall.SIGUSR2)
	send(syscall.SIGHUP)
	fmt.Println("ignored", signal.Ignored(syscall.SIGHUP), signal.Ignored(syscall.SIGUSR1))
}

func ctx() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGUSR1)
	defer stop()
	go send(syscall.SIGUSR1)
	<-ctx.Done()
	fmt.Println("context", ctx.Err())
}

// many: every signal that is waited for arrives, while goroutines compute.
func many() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGUSR1)
	defer signal.Stop(c)
	done := make(chan struct{})
	go func() {
		x := 1.0
		for {
			select {
			case <-done:
				return
			default:
				for range 100000 {
					x = x*1.0000001 + 1e-9
				}
			}
		}
	}()
	for range 200 {
		send(syscall.SIGUSR1)
		<-c
	}
	close(done)
	fmt.Println("two hundred")
}

func alarm() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGALRM)
	defer signal.Stop(c)
	if _, _, errno := syscall.RawSyscall(syscall.SYS_ALARM, 1, 0, 0); errno != 0 {
		fmt.Println("alarm:", errno)
	}
	fmt.Println("received", <-c)
}
