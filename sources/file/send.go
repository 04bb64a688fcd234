// SPDX-License-Identifier: MIT

// Sending: what rules write to a serial line.

package file

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/config"
	"reflexd/sources"
)

// mostWaiting is how many bytes may wait for a line that takes none.
const mostWaiting = 64 << 10

// message is what waits to be written.
type message struct {
	rest  []byte
	timer sources.Timer // its time limit
	done  func(error)
}

// CheckSend complains if rules cannot send to the file that r names.
func (p *Plan) CheckSend(r sources.Ref, ps *config.Problems) {
	declared := p.declared()
	if f, ok := declared.One(r, ps); ok && f.serial == (serial{}) {
		ps.Errorf(r.At, "the file %q has no `serial`; the action `write` writes to other files", r.Name)
	}
}

// Send writes b to the serial line that is declared as name, after what was sent
// to it before. done is called once, perhaps before Send returns: when the
// kernel has taken all of it, or with an error.
func (s *Source) Send(name string, b []byte, timeout time.Duration, done func(error)) {
	n := s.nodes[name]
	switch {
	case n == nil:
		done(fmt.Errorf("send to %s: no such file", name))
	case n.fd < 0:
		done(fmt.Errorf("send to %s: %s is not open: %v", name, n.path, n.state().Error))
	case n.waiting()+len(b) > mostWaiting:
		done(fmt.Errorf("send to %s: %s takes no more: %d bytes are waiting", name, n.path, n.waiting()))
	default:
		m := &message{rest: b, done: done}
		m.timer = s.host.Loop.After(timeout, func() {
			n.drop(m, fmt.Errorf("send to %s: %s did not take it within %v", name, n.path, timeout))
		})
		n.outgoing = append(n.outgoing, m)
		n.write()
	}
}

func (n *node) waiting() int {
	sum := 0
	for _, m := range n.outgoing {
		sum += len(m.rest)
	}
	return sum
}

// write writes what waits, as far as the line takes it. For the rest the loop
// says when there is room.
func (n *node) write() {
	for len(n.outgoing) > 0 {
		m := n.outgoing[0]
		k, err := unix.Write(n.fd, m.rest)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			n.expectRoom()
			return
		case err != nil:
			n.drop(m, fmt.Errorf("send to %s: write %s: %w", n.name, n.path, err))
			continue
		}
		if m.rest = m.rest[k:]; len(m.rest) == 0 {
			n.drop(m, nil)
		}
	}
	n.expectRoom()
}

// expectRoom has the loop say when there is room, if anything waits for it.
func (n *node) expectRoom() {
	events := n.epollEvents()
	if len(n.outgoing) > 0 {
		events |= unix.EPOLLOUT
	}
	if n.watch != nil && events != n.watched {
		n.watched = events
		_ = n.watch.Events(events) // it is ours
	}
}

// drop ends a message.
func (n *node) drop(m *message, err error) {
	for i, other := range n.outgoing {
		if other == m {
			n.outgoing = append(n.outgoing[:i:i], n.outgoing[i+1:]...)
			sources.StopTimer(&m.timer)
			m.done(err)
			return
		}
	}
}

// dropAll ends all messages: the line is closed.
func (n *node) dropAll() {
	for len(n.outgoing) > 0 {
		n.drop(n.outgoing[0], fmt.Errorf("send to %s: %s was closed", n.name, n.path))
	}
}
