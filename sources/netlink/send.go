// SPDX-License-Identifier: MIT

// Sending. The messages of one socket go in order, one at a time; each on a
// goroutine in the background, since the driver's input callback runs inside of
// sendmsg(2) and may sleep there.

package netlink

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/sources"
	"reflexd/sources/nl"
)

// Message is what Send sends.
type Message struct {
	To    uint32 // the receiver's port; 0 is the kernel
	Group int    // its members get it too; 0 for none, 32 is the last
	// Type is nlmsg_type; with a family it is the family's number instead, and
	// Cmd and Version are for the genlmsghdr.
	Type         uint16
	Flags        uint16 // nlmsg_flags
	Cmd, Version byte
	// Payload returns what follows the headers. It is called in the background.
	Payload func() ([]byte, error)
	// Ack waits for the receiver's NLMSG_ERROR.
	Ack bool
	// Timeout bounds all of it: the wait for earlier messages, the driver's
	// callback, the ack.
	Timeout time.Duration
}

// Sending is a message under way.
type Sending struct {
	socket  *socket
	message Message
	done    func(error)
	timer   sources.Timer
	seq     uint32
	begun   time.Duration // CLOCK_MONOTONIC; when it was handed to the kernel, 0 before
	sent    bool
	answer  *nl.Answer // nil until it comes
	over    bool
}

// sends are a socket's messages under way.
type sends struct {
	queue   []*Sending
	current *Sending // in the kernel, over or not
	waiting []*Sending
	seq     uint32 // of the last one
}

var errClosed = errors.New("the socket is closed")

// Send sends m from the socket of that name. done is called once, later,
// unless the Sending is cancelled before: with nil when the message was taken
// or, with Ack, when the receiver has said that it was done.
func (s *Source) Send(name string, m Message, done func(error)) (*Sending, error) {
	k := s.find(name)
	if k == nil {
		return nil, s.unknown(name)
	}
	if err := k.sendError(); err != nil {
		return nil, fmt.Errorf("send on netlink socket %s: %w", name, err)
	}
	p := &Sending{socket: k, message: m, done: done}
	p.timer = s.host.Loop.After(m.Timeout, func() { p.finish(p.late()) })
	k.queue = append(k.queue, p)
	k.next()
	return p, nil
}

// sendError returns why nothing can be sent. While the socket is being opened,
// messages wait for that.
func (k *socket) sendError() error {
	switch {
	case k.shut:
		return errors.New("the socket is closed by a rule")
	case k.problem() != nil:
		return k.problem()
	case !k.wanted():
		return errClosed
	}
	return nil
}

// next hands the next message to the kernel.
func (k *socket) next() {
	able := k.FD >= 0 && (k.decl.family == "" || k.family != nil)
	if k.current != nil || len(k.queue) == 0 || !able {
		return
	}
	p := k.queue[0]
	k.queue = slices.Delete(k.queue, 0, 1)
	k.current = p
	if k.seq++; k.seq == 0 {
		k.seq = 1 // 0 is for messages that nobody asked for
	}
	p.seq, p.begun = k.seq, k.source.host.Loop.Now()
	if p.message.Ack {
		k.waiting = append(k.waiting, p)
	}
	s, family, m := k.Socket, k.family, &p.message
	var err error
	k.source.host.Loop.Beside(func() { err = m.transmit(&s, p.seq, family) }, func() { k.handedOver(p, err) })
}

// transmit sends the message, in the background.
func (m *Message) transmit(s *nl.Socket, seq uint32, f *family) error {
	payload, err := m.Payload()
	if err != nil {
		return err
	}
	b := nl.Message{Type: m.Type, Flags: m.Flags, Seq: seq, Port: s.Port, Body: payload}
	if m.Ack {
		b.Flags |= unix.NLM_F_ACK
	}
	if f != nil {
		b.Type = f.number
		b.Body = slices.Concat([]byte{m.Cmd, m.Version, 0, 0}, payload)
	}
	return m.explain(s.Send(b.Append(nil), m.To, m.Group))
}

// explain adds to an error of sendmsg(2) what it means here.
func (m *Message) explain(err error) error {
	switch {
	case err == unix.ECONNREFUSED && m.To == 0:
		return fmt.Errorf("%w: the kernel has no socket of this protocol", err)
	case err == unix.ECONNREFUSED:
		return fmt.Errorf("%w: no socket of this protocol has port %d", err, m.To)
	case err == unix.EAGAIN:
		return fmt.Errorf("%w: the receiver's buffer is full", err)
	case err == unix.EPERM:
		return fmt.Errorf("%w: sending to a group or a process needs CAP_NET_ADMIN", err)
	}
	return err
}

// handedOver is called when sendmsg(2) has returned.
func (k *socket) handedOver(p *Sending, err error) {
	k.current = nil
	p.sent = true
	switch {
	case err != nil:
		p.finish(err)
	case !p.message.Ack:
		p.finish(nil)
	case p.answer != nil:
		p.finish(refused(*p.answer))
	}
	k.next()
	k.advance()
}

// answered is called with an NLMSG_ERROR, and reports whether a send waits for it.
func (k *socket) answered(seq, port uint32, a nl.Answer) bool {
	for _, p := range k.waiting {
		if p.seq != seq || p.message.To != port {
			continue
		}
		p.answer = &a
		if p.sent {
			p.finish(refused(a))
		}
		return true
	}
	return false
}

// refused returns the answer as an error, nil if it is none.
func refused(a nl.Answer) error {
	if a.Errno == 0 {
		return nil
	}
	return errors.New("refused: " + describe(a))
}

// describe returns the answer in words. What a driver says may be any bytes.
func describe(a nl.Answer) string {
	a.Text = printable([]byte(a.Text))
	if err := a.Err(); err != nil {
		return err.Error()
	}
	return "done"
}

// finish ends the sending, if it was not over.
func (p *Sending) finish(err error) {
	if p.over {
		return
	}
	p.forget()
	if err != nil {
		err = fmt.Errorf("send on netlink socket %s: %w", p.socket.decl.Name, err)
	}
	p.done(err)
}

// forget takes the sending out of what is waited for.
func (p *Sending) forget() {
	p.over = true
	p.timer.Stop()
	k, same := p.socket, func(other *Sending) bool { return other == p }
	k.queue = slices.DeleteFunc(k.queue, same)
	k.waiting = slices.DeleteFunc(k.waiting, same)
}

// late says what has not come to pass in time.
func (p *Sending) late() error {
	switch {
	case p.begun == 0 && p.socket.current == nil:
		return fmt.Errorf("the socket is not open after %v", p.message.Timeout)
	case p.begun == 0:
		return fmt.Errorf("an earlier message is still in the kernel after %v", p.message.Timeout)
	case !p.sent:
		return fmt.Errorf("the driver's input callback has not returned after %v", p.message.Timeout)
	}
	return fmt.Errorf("no ack after %v", p.message.Timeout)
}

// Cancel ends a sending, and reports whether nothing of it is left. What is in
// the kernel cannot be called back: then done is called when it comes out.
func (p *Sending) Cancel() (gone bool) {
	if p.over {
		return true
	}
	if p.begun != 0 && !p.sent {
		k := p.socket
		k.source.host.Log.Warn("waiting for a driver: its input callback has not returned", "socket", k.decl.Name,
			"to", p.message.To, "since", (k.source.host.Loop.Now() - p.begun).Round(time.Millisecond))
		return false
	}
	p.forget()
	return true
}

// failSends fails what is under way. What is in the kernel stays there, and
// its driver with it.
func (k *socket) failSends(err error) {
	for _, p := range slices.Concat(k.queue, k.waiting) {
		p.finish(err)
	}
}

// appendSendStatus appends what is under way.
func (k *socket) appendSendStatus(b []byte) []byte {
	if k.current != nil {
		since := k.source.host.Loop.Now() - k.current.begun
		b = fmt.Appendf(b, ", a message in the kernel for %v", since.Round(time.Millisecond))
	}
	if n := len(k.queue); n > 0 {
		b = fmt.Appendf(b, ", %d to be sent", n)
	}
	return b
}
