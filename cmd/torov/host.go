package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sort"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/kernel"
	"torov/internal/linux"
)

// takeStdio gives the three standard descriptors to the program and puts
// /dev/null in the place of the first two: what the program closes must be
// closed, and what the VMM opens later must not get their numbers.
func takeStdio() (stdio [3]*kernel.File, err error) {
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return stdio, fmt.Errorf("/dev/null: %w", err)
	}
	for fd := range stdio {
		// 10: out of the way of the standard ones.
		own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 10)
		if err != nil {
			continue // closed from the start, and so for the program
		}
		flags, _ := unix.FcntlInt(uintptr(own), unix.F_GETFL, 0) // cannot fail: it was just made
		stdio[fd] = kernel.NewFile(own, stdioName(own, fd), false, flags&unix.O_NONBLOCK != 0)
		if fd < 2 {
			if err := unix.Dup3(null, fd, 0); err != nil {
				return stdio, fmt.Errorf("move descriptor %d: %w", fd, err)
			}
		}
	}
	return stdio, nil
}

// giveStdioAway leaves standard input and output to a debugger that speaks
// over them: the program reads nothing and writes to standard error, as with
// gdbserver.
func giveStdioAway() error {
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("/dev/null: %w", err)
	}
	return errors.Join(unix.Dup2(null, 0), unix.Dup2(2, 1), unix.Close(null))
}

// stdioName is what /proc/self/fd says of an inherited descriptor.
func stdioName(host, fd int) string {
	if name, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", host)); err == nil {
		return name
	}
	return fmt.Sprintf("stdio:[%d]", fd)
}

// forwarded are the signals that, sent to torov, are meant for the program.
// SIGURG is how the VMM gets its own threads' attention.
var forwarded = []os.Signal{
	unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2, unix.SIGALRM, unix.SIGWINCH,
	unix.SIGCONT, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU, unix.SIGIO, unix.SIGPWR, unix.SIGVTALRM, unix.SIGXCPU,
}

// ignoredSignals are those that torov was started with ignored.
func ignoredSignals() (out []linux.Signal) {
	for _, s := range forwarded {
		if signal.Ignored(s) {
			out = append(out, linux.Signal(s.(syscall.Signal)))
		}
	}
	return out
}

// signalled is the kernel that gets torov's signals.
var signalled atomic.Pointer[kernel.Kernel]

// forwardSignals gives the signals that torov gets to the kernel's processes,
// and to no others any more. With hangup the end of torov's terminal is the end of
// the processes, even if a debugger holds them.
func forwardSignals(k *kernel.Kernel, hangup bool) {
	if signalled.Swap(k) != nil {
		return
	}
	var wanted []os.Signal
	for _, s := range forwarded {
		if !signal.Ignored(s) {
			wanted = append(wanted, s)
		}
	}
	// Go's default for SIGXFSZ would end torov where the program gets EFBIG.
	signal.Ignore(unix.SIGXFSZ)
	ch := make(chan os.Signal, 64)
	signal.Notify(ch, wanted...)
	go func() {
		for s := range ch {
			n := linux.Signal(s.(syscall.Signal))
			if hangup && n == linux.SIGHUP {
				for _, p := range signalled.Load().Processes() {
					p.Kill(n)
				}
				continue
			}
			signalled.Load().Forward(n)
		}
	}()
}

// leave ends torov as the program ended: with its status, or by its signal.
func leave(status kernel.ExitStatus) {
	if status.Signal == 0 {
		os.Exit(status.Code)
	}
	dieBy(int(status.Signal))
	time.Sleep(100 * time.Millisecond)
	os.Exit(exitSignalShift + int(status.Signal))
}

// peakMemory is the most memory that torov and the program had, in kB (VmHWM
// in proc_pid_status(5)).
func peakMemory() (kB int, ok bool) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(text)) {
		if n, err := fmt.Sscanf(line, "VmHWM: %d kB", &kB); n == 1 && err == nil {
			return kB, true
		}
	}
	return 0, false
}

func printStats(w io.Writer, m engine.Machine) {
	stats := m.Stats()
	names := make([]string, 0, len(stats))
	for name := range stats {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		fmt.Fprintf(w, "torov: exits: %-20s %d\n", name, stats[name])
	}
	if peak, ok := peakMemory(); ok {
		fmt.Fprintf(w, "torov: peak memory: %d kB\n", peak)
	}
}
