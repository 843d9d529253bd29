package rsp

// pump receives a target's stops at any time, so that the target can send from
// within a method the server has called, and hands them to whichever session
// is on. Between sessions they are dropped: RunControl.Attach will tell.
type pump struct {
	out     chan Stop
	discard chan chan struct{}
	done    chan struct{}
}

func newPump(stops <-chan Stop) *pump {
	p := &pump{out: make(chan Stop), discard: make(chan chan struct{}), done: make(chan struct{})}
	go p.run(stops)
	return p
}

func (p *pump) run(stops <-chan Stop) {
	var queue []Stop
	for {
		var out chan Stop
		var head Stop
		if len(queue) > 0 {
			out, head = p.out, queue[0]
		}
		select {
		case s, ok := <-stops:
			if !ok {
				stops = nil
				continue
			}
			queue = append(queue, s)
		case out <- head:
			queue = queue[1:]
		case reply := <-p.discard:
			queue = nil
			close(reply)
		case <-p.done:
			return
		}
	}
}

// drop forgets everything that has arrived so far.
func (p *pump) drop() {
	reply := make(chan struct{})
	p.discard <- reply
	<-reply
}

func (p *pump) close() { close(p.done) }
