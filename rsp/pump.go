package rsp

// pump receives a target's stops at any time, so that the target can send from
// within a method the server has called, and hands them to whichever session
// is on. Between sessions they are dropped: RunControl.Attach will tell.
type pump struct {
	out  chan Stop
	all  chan chan []Stop
	done chan struct{}
}

func newPump(stops <-chan Stop) *pump {
	p := &pump{out: make(chan Stop), all: make(chan chan []Stop), done: make(chan struct{})}
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
		case reply := <-p.all:
			reply <- append(queue, sent(stops)...)
			queue = nil
		case <-p.done:
			return
		}
	}
}

// sent receives what can be received without waiting.
func sent(stops <-chan Stop) []Stop {
	var list []Stop
	for {
		select {
		case s, ok := <-stops:
			if !ok {
				return list
			}
			list = append(list, s)
		default:
			return list
		}
	}
}

// take returns everything that has been sent so far.
func (p *pump) take() []Stop {
	reply := make(chan []Stop)
	p.all <- reply
	return <-reply
}

func (p *pump) close() { close(p.done) }
