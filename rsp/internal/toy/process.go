package toy

import (
	"errors"

	"torov/rsp"
)

// Connected implements rsp.Session.
func (m *Machine) Connected() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seen.Sessions++
}

// Disconnected implements rsp.Session.
func (m *Machine) Disconnected(launched bool) rsp.Disconnect {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.policy
}

// Kill implements rsp.Process.
func (m *Machine) Kill(pid rsp.PID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.proc(pid)
	if p == nil {
		return rsp.ErrNoProcess
	}
	m.endProcess(p, rsp.Stop{Kind: rsp.StopKilled, Signal: rsp.SIGKILL})
	return nil
}

// Detach implements rsp.Process. For the sake of the tests a detached process
// stays where it is: they connect again and look.
func (m *Machine) Detach(pid rsp.PID, stay bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.proc(pid) == nil {
		return rsp.ErrNoProcess
	}
	m.seen.Detached++
	return nil
}

// Launch implements rsp.Launcher.
func (m *Machine) Launch(l rsp.Launch) (rsp.Stop, error) {
	if l.Path != "" && l.Path != execPath {
		return rsp.Stop{}, errors.New("there is only one program here: " + execPath)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seen.Launch = l
	return rsp.Stop{Kind: rsp.StopHalted, Thread: m.boot().id}, nil
}

// AttachTo implements rsp.Attacher.
func (m *Machine) AttachTo(pid rsp.PID) (rsp.Stop, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, t := range m.threads {
		if t.id.PID == pid {
			t.running = false
			return rsp.Stop{Kind: rsp.StopHalted, Thread: t.id}, nil
		}
	}
	return rsp.Stop{}, rsp.ErrNoProcess
}
