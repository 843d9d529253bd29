package rsp

import (
	"fmt"
	"slices"
	"strings"
)

// threadPackets select and list threads.
var threadPackets = packetTable{
	"H":                (*session).selectFor,
	"T":                (*session).threadAlive,
	"qC":               (*session).currentThread,
	"qfThreadInfo":     (*session).firstThreads,
	"qsThreadInfo":     (*session).moreThreads,
	"qThreadExtraInfo": (*session).threadExtra,
}

// threads returns the threads the client may know of. A client that cannot
// tell processes apart sees one of them.
func (s *session) threads() []ThreadInfo {
	all := s.t.Threads.Threads()
	only := AllPID
	if !s.client.multiprocess {
		only = s.currentPID(all)
	}
	return slices.DeleteFunc(slices.Clone(all), func(t ThreadInfo) bool {
		return s.gone[t.ID.PID] || only > 0 && t.ID.PID != only
	})
}

// currentPID is the process of the selected thread, of the last stop, or the
// first one there is.
func (s *session) currentPID(all []ThreadInfo) PID {
	for _, want := range []PID{s.general.PID, s.stopped.Thread.PID} {
		if want > 0 && slices.ContainsFunc(all, func(t ThreadInfo) bool { return t.ID.PID == want }) {
			return want
		}
	}
	for _, t := range all {
		if !s.gone[t.ID.PID] {
			return t.ID.PID
		}
	}
	return 0
}

// resolve finds the one live thread that t, which may hold wildcards, means:
// with a wildcard the one that stopped last, if it fits, or the first.
func (s *session) resolve(t ThreadID) (ThreadID, error) {
	if t.PID > 0 && t.TID > 0 {
		if s.gone[t.PID] || !s.t.Threads.Alive(t) {
			return t, ErrNoProcess
		}
		return t, nil
	}
	if last := s.stopped.Thread; last.TID > 0 && t.Matches(last) && !s.gone[last.PID] && s.t.Threads.Alive(last) {
		return last, nil
	}
	for _, info := range s.threads() {
		if t.Matches(info.ID) {
			return info.ID, nil
		}
	}
	return t, ErrNoProcess
}

// thread is the selected thread.
func (s *session) thread() (ThreadID, error) { return s.resolve(s.general) }

// pid is the selected thread's process, which may outlive the thread.
func (s *session) pid() (PID, error) {
	t, err := s.thread()
	if err != nil {
		t, err = s.resolve(ThreadID{PID: s.general.PID, TID: AllTID})
	}
	return t.PID, err
}

// formatThread writes a thread id as the client wants it.
func (s *session) formatThread(t ThreadID) string {
	if s.client.multiprocess {
		return t.String()
	}
	return hexID(int(t.TID))
}

// selectFor: Hg and Hc choose the thread of the packets that follow.
func (s *session) selectFor(a *args) ([]byte, error) {
	forResume := a.accept('c')
	if !forResume {
		a.expect('g')
	}
	t := a.threadID()
	if err := a.done(); err != nil {
		return nil, err
	}
	if t.TID > 0 {
		var err error
		if t, err = s.resolve(t); err != nil {
			return nil, err
		}
	}
	if forResume {
		s.resume = t
	} else {
		s.general = t
	}
	return replyOK, nil
}

// threadAlive: T asks whether a thread exists.
func (s *session) threadAlive(a *args) ([]byte, error) {
	t := a.threadID()
	if err := a.done(); err != nil {
		return nil, err
	}
	_, err := s.resolve(t)
	return done(err)
}

// currentThread: qC.
func (s *session) currentThread(*args) ([]byte, error) {
	t, err := s.thread()
	if err != nil {
		return nil, err
	}
	return []byte("QC" + s.formatThread(t)), nil
}

// firstThreads: qfThreadInfo takes a snapshot of the list and begins it.
func (s *session) firstThreads(a *args) ([]byte, error) {
	s.threadList = nil
	for _, t := range s.threads() {
		s.threadList = append(s.threadList, t.ID)
	}
	return s.moreThreads(a)
}

// moreThreads: qsThreadInfo goes on with it.
func (s *session) moreThreads(*args) ([]byte, error) {
	if len(s.threadList) == 0 {
		return []byte{'l'}, nil
	}
	reply := []byte{'m'}
	for i, t := range s.threadList {
		id := s.formatThread(t)
		if len(reply)+len(id)+1 > s.packetSize {
			s.threadList = s.threadList[i:]
			return reply, nil
		}
		if i > 0 {
			reply = append(reply, ',')
		}
		reply = append(reply, id...)
	}
	s.threadList = nil
	return reply, nil
}

// threadExtra: qThreadExtraInfo describes a thread to a person.
func (s *session) threadExtra(a *args) ([]byte, error) {
	a.expect(',')
	t := a.threadID()
	if err := a.done(); err != nil {
		return nil, err
	}
	info, err := s.threadInfo(t)
	if err != nil {
		return nil, err
	}
	words := make([]string, 0, 2)
	for _, w := range []string{info.Name, info.Extra} {
		if w != "" {
			words = append(words, w)
		}
	}
	if len(words) == 0 {
		words = append(words, fmt.Sprintf("thread %d", info.ID.TID))
	}
	return []byte(hexString(strings.Join(words, ": "))), nil
}

// threadInfo finds what the target says about a thread.
func (s *session) threadInfo(t ThreadID) (ThreadInfo, error) {
	t, err := s.resolve(t)
	if err != nil {
		return ThreadInfo{}, err
	}
	for _, info := range s.t.Threads.Threads() {
		if info.ID == t {
			return info, nil
		}
	}
	return ThreadInfo{}, ErrNoProcess
}
