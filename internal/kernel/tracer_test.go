package kernel

import (
	"slices"
	"sync"
	"testing"

	"torov/internal/engine"
	"torov/internal/linux"
)

// recorder writes down what a tracer is told, and can hold the thread.
type recorder struct {
	tracer
	mu    sync.Mutex
	kinds []EventKind
	hold  map[EventKind]chan func(t *Thread) // the thread stops until it gets one
	held  chan EventKind
}

func newRecorder() *recorder {
	r := &recorder{hold: map[EventKind]chan func(*Thread){}, held: make(chan EventKind, 64)}
	r.gone = make(chan struct{})
	r.event = func(t *Thread, e Event) linux.SigInfo {
		r.mu.Lock()
		r.kinds = append(r.kinds, e.Kind)
		hold := r.hold[e.Kind]
		r.mu.Unlock()
		if hold != nil {
			r.held <- e.Kind
			select {
			case f := <-hold:
				if f != nil {
					f(t)
				}
			case <-r.gone:
			}
		}
		return e.Info
	}
	return r
}

func (r *recorder) holdAt(kinds ...EventKind) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range kinds {
		r.hold[k] = make(chan func(*Thread))
	}
}

func (r *recorder) seen() []EventKind {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.kinds)
}

func (r *recorder) release(k EventKind, f func(t *Thread)) {
	r.mu.Lock()
	hold := r.hold[k]
	r.mu.Unlock()
	hold <- f
}

func TestTracerEvents(t *testing.T) {
	r := newRecorder()
	r.wants = func(nr uint64) bool { return nr == 902 }
	var ended ExitStatus
	r.exits = func(_ *Process, s ExitStatus) { ended = s }
	w := newWorld(t, r)
	w.on(902, func(*Thread, uint64, [6]uint64) (uint64, linux.Errno) { return 1, 0 })
	w.on(903, func(*Thread, uint64, [6]uint64) (uint64, linux.Errno) { return 2, 0 })
	w.main.call(902)
	w.main.call(903)
	for _, kind := range []engine.ExitKind{engine.ExitStep, engine.ExitDebugRegister, engine.ExitInterrupted} {
		w.main.exit(func(*engine.Regs) engine.Exit { return engine.Exit{Kind: kind, DR6: 1} })
	}
	w.main.Pause()
	for !slices.Contains(r.seen(), EventPause) {
	}
	w.p.Exit(ExitStatus{Code: 5})
	w.wantEnd(ExitStatus{Code: 5})
	want := []EventKind{EventStart, EventSyscallEntry, EventSyscallReturn, EventStep, EventDebugRegister, EventPause, EventThreadExit}
	if got := r.seen(); !slices.Equal(got, want) || ended.Code != 5 {
		t.Errorf("events %v, want %v; status %+v", got, want, ended)
	}
}

// A tracer may skip a call, change its number, its result.
func TestTracerChangesCalls(t *testing.T) {
	r := newRecorder()
	r.wants = func(uint64) bool { return true }
	r.holdAt(EventSyscallEntry, EventSyscallReturn)
	w := newWorld(t, r)
	w.on(902, func(*Thread, uint64, [6]uint64) (uint64, linux.Errno) { return 2, 0 })
	w.on(903, func(_ *Thread, _ uint64, a [6]uint64) (uint64, linux.Errno) { return a[0], 0 })
	for _, c := range []struct {
		name          string
		entry, result func(t *Thread)
		want          uint64
	}{
		{"nothing", nil, nil, 2},
		{"another number and argument", func(t *Thread) { t.OrigRAX, t.Regs().RDI = 903, 77 }, nil, 77},
		{"skipped", func(t *Thread) { t.OrigRAX = -1 }, nil, linux.ENOSYS.Result()},
		{"skipped with a result", func(t *Thread) { t.OrigRAX, t.Regs().RAX = -1, 5 }, nil, 5},
		{"result", nil, func(t *Thread) { t.Regs().RAX = 6 }, 6},
	} {
		before := w.main.leave(enterCall(902))
		if k := <-r.held; k != EventSyscallEntry {
			t.Fatalf("event %d", k)
		}
		if w.main.Regs().RAX != linux.ENOSYS.Result() || w.main.OrigRAX != 902 {
			t.Errorf("%s: RAX %d, number %d at the entry", c.name, int64(w.main.Regs().RAX), w.main.OrigRAX)
		}
		r.release(EventSyscallEntry, c.entry)
		if k := <-r.held; k != EventSyscallReturn {
			t.Fatalf("event %d", k)
		}
		r.release(EventSyscallReturn, c.result)
		if regs := w.main.back(before, nil); regs.RAX != c.want {
			t.Errorf("%s: RAX %d, want %d", c.name, int64(regs.RAX), int64(c.want))
		}
	}
}

func TestTracerChangesSignals(t *testing.T) {
	r := newRecorder()
	give := linux.SIGUSR1
	r.event = func(_ *Thread, e Event) linux.SigInfo {
		if e.Kind == EventSignal {
			return linux.KernelInfo(give)
		}
		return e.Info
	}
	w := newWorld(t, r)
	w.p.SetAction(linux.SIGUSR1, handler(0))
	w.main.call(900)
	// An ignored signal is shown, and may become another.
	if regs := w.main.interrupt(linux.KernelInfo(linux.SIGCHLD)); regs.RIP != handlerAt || regs.RDI != uint64(linux.SIGUSR1) {
		t.Errorf("registers %+v", regs)
	}
	give = 0
	if regs := w.main.interrupt(linux.KernelInfo(linux.SIGTERM)); regs.RIP != busy.RIP {
		t.Errorf("registers %+v", regs)
	}
	give = linux.SIGKILL
	w.main.leave(func(*engine.Regs) engine.Exit {
		w.main.Signal(linux.KernelInfo(linux.SIGHUP))
		return engine.Exit{Kind: engine.ExitInterrupted}
	})
	w.wantEnd(ExitStatus{Signal: linux.SIGKILL})
}

// Pause in a blocked call: the tracer sees an interrupted call, and the
// program notices nothing, unless the tracer wants it to.
func TestPauseInCall(t *testing.T) {
	for _, c := range []struct {
		name   string
		edit   func(t *Thread)
		want   uint64 // RAX when the call is given up, 0 when it goes on
		at     uint64
		called int // how often the call is made
	}{
		{"look", nil, 0, 0, 1},
		{"another register", func(t *Thread) { t.Regs().RBX = 99 }, 0, 0, 1},
		{"jump", func(t *Thread) { t.Regs().RIP, t.Regs().RAX, t.OrigRAX = handlerAt, 5, -1 }, 5, handlerAt, 1},
		{"result", func(t *Thread) { t.Regs().RAX = 6 }, 6, afterCall, 1},
		{"call on the side, as gdb's", func(t *Thread) { t.Regs().RIP, t.Regs().RSP, t.OrigRAX = handlerAt, uint64(worldStack)-0x1000, -1 },
			linux.ERESTARTSYS.Result(), handlerAt, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRecorder()
			r.holdAt(EventPause)
			w := newWorld(t, r)
			calls := 0
			released := make(chan bool)
			var done bool
			w.on(905, func(t *Thread, _ uint64, _ [6]uint64) (uint64, linux.Errno) {
				calls++
				errno := t.Block(&Wait{What: "a test", Deadline: Never, Done: func() bool {
					select {
					case <-released:
						done = true
					default:
					}
					return done
				}})
				if errno != 0 {
					return 0, errno
				}
				return 1234, 0
			})
			before := w.main.leave(enterCall(905))
			w.main.waits()
			for range 3 { // stop, look and go on, more than once
				w.main.Pause()
				<-r.held
				regs := *w.main.Regs()
				if regs.RAX != linux.ERESTARTSYS.Result() || w.main.OrigRAX != 905 || regs.RIP != afterCall {
					t.Errorf("the tracer sees RAX %d, number %d at %#x", int64(regs.RAX), w.main.OrigRAX, regs.RIP)
				}
				if c.want != 0 {
					break
				}
				r.release(EventPause, c.edit)
			}
			if c.want != 0 {
				r.release(EventPause, c.edit)
			} else {
				close(released)
				w.main.poke()
			}
			regs := w.main.back(before, nil)
			if c.want == 0 && (regs.RAX != 1234 || regs.RIP != afterCall) || c.want != 0 && (regs.RAX != c.want || regs.RIP != c.at) {
				t.Errorf("RAX %d at %#x", int64(regs.RAX), regs.RIP)
			}
			if calls != c.called {
				t.Errorf("the call was made %d times", calls)
			}
			// Whatever was left of the call does not come back.
			if regs := w.main.call(999); regs.RAX != linux.ENOSYS.Result() || regs.RIP != afterCall {
				t.Errorf("the next call: RAX %d at %#x", int64(regs.RAX), regs.RIP)
			}
		})
	}
}

// A program that ends frees a thread that a tracer holds.
func TestTracerReleasesTheDying(t *testing.T) {
	r := newRecorder()
	r.holdAt(EventStep, EventSyscallEntry)
	r.wants = func(uint64) bool { return true }
	w := newWorld(t, r)
	a := w.main
	a.leave(func(*engine.Regs) engine.Exit { return engine.Exit{Kind: engine.ExitStep} })
	<-r.held
	w.p.Kill(linux.SIGTERM)
	w.wantEnd(ExitStatus{Signal: linux.SIGTERM})
}

func TestSetTracer(t *testing.T) {
	w := newWorld(t, nil)
	r := newRecorder()
	w.k.SetTracer(r)
	w.main.exit(func(*engine.Regs) engine.Exit { return engine.Exit{Kind: engine.ExitStep} })
	w.k.SetTracer(nil)
	w.main.exit(func(*engine.Regs) engine.Exit { return engine.Exit{Kind: engine.ExitStep} })
	if got := r.seen(); !slices.Equal(got, []EventKind{EventStep}) {
		t.Errorf("events %v", got)
	}
}
