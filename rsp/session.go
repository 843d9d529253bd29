package rsp

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
)

// session is one client's connection. All of it belongs to the goroutine that
// runs it.
type session struct {
	srv  *Server
	t    *Target
	log  *slog.Logger
	conn io.ReadWriteCloser
	in   *reader
	pump *pump

	desc *Description
	regs []*Register // in the order of g
	byID map[int]*Register

	client     client
	packetSize int
	extended   bool
	started    bool   // the first packet has come and the target is attached
	closing    bool   // the session ends after this packet
	last       []byte // the packet sent last, in a buffer that is used again
	resends    int

	crossed  bool    // an interrupt came when the program had just stopped
	running  bool    // all-stop: resumed, and the stop is still to come
	waiting  []input // packets that came while running
	stopped  Stop    // the last stop reported, for `?`
	kept     []Stop  // events that wait for the next resume
	nonStop  bool
	notified []Stop // non-stop: the head is with the client, the rest follows

	general ThreadID // H g: what registers and memory belong to
	resume  ThreadID // H c: what the old resume packets are about
	gone    map[PID]bool

	known       map[string]bool // packets that have got a reply which is not empty
	breakpoints map[breakpointKey]*Breakpoint
	refused     [numBreakpointKinds]bool // kinds that never work
	accepted    [numBreakpointKinds]bool

	threadList []ThreadID // what is left of qfThreadInfo's answer
	trace      traceState
	xfer       document
	files      fileTable
	saved      map[int]savedRegisters
	nextSaved  int

	launch   Launch
	launched bool

	memory, text []byte // buffers of fetch and of its callers' replies
}

func newSession(srv *Server, conn io.ReadWriteCloser, p *pump) *session {
	s := &session{
		srv: srv, t: srv.Target, log: srv.log(), conn: conn, pump: p,
		packetSize:  srv.packetSize(),
		desc:        srv.Target.Registers.Describe(),
		resume:      AllThreads,
		gone:        map[PID]bool{},
		known:       map[string]bool{},
		breakpoints: srv.takePersistent(),
		saved:       map[int]savedRegisters{},
		launched:    srv.Target.Launched,
		byID:        map[int]*Register{},
	}
	s.regs = s.desc.Registers()
	for _, r := range s.regs {
		s.byID[r.Num] = r
	}
	return s
}

// maxWaiting is how many packets may come while the program runs. All-stop
// clients send none, but a few may cross the stop on their way.
const maxWaiting = 64

// run serves the client until it leaves or ctx ends.
func (s *session) run(ctx context.Context) error {
	done := make(chan struct{})
	s.in = newReader(s.conn, s.packetSize, done)
	go s.in.run()
	// The reader ends with the connection. It is not waited for: closing
	// standard input does not wake who reads it.
	defer func() { s.conn.Close(); close(done) }()
	defer s.end()
	for !s.closing {
		if !s.running && len(s.waiting) > 0 {
			in := s.waiting[0]
			s.waiting = s.waiting[1:]
			s.packet(in)
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case stop := <-s.pump.out:
			s.event(stop)
		case in := <-s.in.in:
			if in.kind == inputEnd {
				return endError(in.err)
			}
			s.input(in)
		}
	}
	return nil
}

// endError tells a connection that was closed from one that failed.
func endError(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return nil
	}
	return fmt.Errorf("reading from the debugger: %w", err)
}

// input handles what is not necessarily a packet.
func (s *session) input(in input) {
	switch in.kind {
	case inputInterrupt:
		s.interrupt()
	case inputNak:
		s.resend()
	case inputBad:
		s.log.Debug("rsp: bad checksum")
		if !s.in.noAck.Load() {
			s.write([]byte{'-'})
		}
	case inputOversize:
		s.ack()
		s.reply(s.errorReply("m", errTooLong))
	case inputPacket:
		s.ack()
		if s.running && !s.nonStop && !urgent(in.payload) {
			if len(s.waiting) < maxWaiting {
				s.waiting = append(s.waiting, in)
			}
			return
		}
		s.packet(in)
	}
}

var errTooLong = fmt.Errorf("the packet is longer than PacketSize allows")

// urgent reports whether a packet is answered even while the program runs.
func urgent(payload []byte) bool {
	switch name, _ := splitName(payload); name {
	case "k", "vCtrlC":
		return true
	}
	return false
}

// packet answers a packet.
func (s *session) packet(in input) {
	s.log.Debug("rsp <-", "packet", logged(in.payload))
	s.begin()
	s.dispatch(in.payload)
	if s.client.kind != clientGDB {
		s.crossed = false // these notice themselves that the stop was another
	}
}

// begin attaches to the debuggee when the first packet comes: a connection
// alone, which may be a port scan, does not stop the program.
func (s *session) begin() {
	if s.started {
		return
	}
	s.started = true
	s.pump.take() // from before
	if s.t.Session != nil {
		s.t.Session.Connected()
	}
	if err := s.attach(); err != nil {
		s.log.Warn("stopping the program for the debugger", "err", err)
	}
}

// attach stops everything and selects the thread that stopped.
func (s *session) attach() error {
	stop, err := s.t.RunControl.Attach()
	if err != nil {
		return err
	}
	s.stopped = stop
	s.kept, s.notified, s.running, s.crossed = nil, nil, false, false
	s.selectThread(stop)
	return nil
}

// selectThread makes the thread of a stop the one that packets are about.
func (s *session) selectThread(stop Stop) {
	switch stop.Kind {
	case StopNone, StopExited, StopKilled, StopNoResumed:
		s.general = ThreadID{}
	case StopThreadExited:
		s.general = ThreadID{PID: stop.Thread.PID}
	default:
		s.general = stop.Thread
	}
}

// interrupt passes ^C on. One that comes while the program is stopped has
// crossed the stop on its way: GDB, which runs a breakpoint's commands at once,
// expects the next resume to end with it. If the stop was the answer to another
// ^C, it has done its work.
func (s *session) interrupt() {
	if !s.running && !s.nonStop {
		s.crossed = s.started && s.stopped.Kind != StopInterrupt && s.stopped.Kind != StopNone && !s.stopped.Ends()
		return
	}
	s.crossed = false
	if err := s.t.RunControl.Interrupt(); err != nil {
		s.log.Warn("interrupting the program", "err", err)
	}
}

// ack acknowledges a packet.
func (s *session) ack() {
	if !s.in.noAck.Load() {
		s.write([]byte{'+'})
	}
}

// maxResends is how often in a row a client may ask for the same packet.
const maxResends = 5

// resend sends the last packet again.
func (s *session) resend() {
	if s.in.noAck.Load() || s.last == nil {
		return
	}
	if s.resends++; s.resends > maxResends {
		s.log.Warn("the debugger keeps rejecting a packet; closing the connection")
		s.closing = true
		return
	}
	s.write(s.last)
}

// reply sends a packet.
func (s *session) reply(payload []byte) {
	s.log.Debug("rsp ->", "packet", logged(payload))
	s.last = appendReply(s.last[:0], payload)
	s.resends = 0
	s.write(s.last)
}

// notify sends a notification, which is never acknowledged.
func (s *session) notify(payload []byte) {
	s.log.Debug("rsp -> notification", "packet", logged(payload))
	s.write(appendPacket(nil, '%', payload))
}

// write sends bytes at once. Its error is the reader's too, which reports it.
func (s *session) write(b []byte) {
	if _, err := s.conn.Write(b); err != nil {
		s.closing = true
	}
}

// logged is a packet for people, shortened.
type logged []byte

func (l logged) LogValue() slog.Value {
	const most = 200
	if len(l) > most {
		return slog.StringValue(fmt.Sprintf("%q... (%d bytes)", []byte(l[:most]), len(l)))
	}
	return slog.StringValue(fmt.Sprintf("%q", []byte(l)))
}

// pids returns the processes that are being debugged.
func (s *session) pids() []PID {
	var pids []PID
	for _, t := range s.t.Threads.Threads() {
		if !s.gone[t.ID.PID] && !slices.Contains(pids, t.ID.PID) {
			pids = append(pids, t.ID.PID)
		}
	}
	return pids
}

// end leaves the debuggee in order when the client has gone.
func (s *session) end() {
	s.files.closeAll()
	if !s.started {
		return
	}
	if c, ok := s.t.Session.(SessionCloser); ok {
		defer c.Closed()
	}
	s.leaveTrace()
	// Breakpoints can only be removed, and the program only held, while it is
	// stopped.
	if s.running || s.nonStop {
		if err := s.attach(); err != nil {
			s.log.Warn("stopping the program that the debugger left", "err", err)
			return
		}
	}
	pids := s.pids()
	if len(pids) == 0 {
		s.removeBreakpoints(AllPID)
		return
	}
	policy := DisconnectDetach
	if s.t.Session != nil {
		policy = s.t.Session.Disconnected(s.launched)
	} else if s.launched {
		policy = DisconnectKill
	}
	if err := s.leave(policy, pids); err != nil {
		s.log.Warn("leaving the program", "err", err)
	}
}

// leave does to the debuggee what the policy says.
func (s *session) leave(policy Disconnect, pids []PID) error {
	if s.nonStop {
		if err := s.t.NonStop.SetNonStop(false); err != nil {
			return err
		}
		s.nonStop = false
	}
	s.removeBreakpoints(AllPID)
	for _, pid := range pids {
		switch policy {
		case DisconnectDetach:
			if err := s.detach(pid, false); err != nil {
				return err
			}
		case DisconnectKill:
			if err := s.kill(pid); err != nil {
				return err
			}
		}
	}
	return nil
}
