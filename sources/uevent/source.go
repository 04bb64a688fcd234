// SPDX-License-Identifier: MIT

// The source itself: the socket in the loop, and what is made of its
// messages.

package uevent

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"reflexd/sources"
	"reflexd/sources/nl"
)

// batch is how many messages one call of ready takes, and how many devices one
// turn of the loop emits.
const (
	batch      = 32
	emitAtOnce = 64
)

// Source emits uevents. The socket is open only while a plan asks for it.
type Source struct {
	channel
	host   sources.Host
	buffer int // bytes of the socket's receive buffer
	plan   *Plan
	scope  scope // of the plan
	count  counts

	listening bool // the socket is being watched for messages
	pace      sources.Pace
	receiver  nl.Receiver
	message   message
	event     sources.Event
	fields    []sources.Field

	repair
	lookups
	udev udevListener

	simulated *simulated // nil unless there is no kernel
}

// counts are the messages since start.
type counts struct {
	received, foreign, malformed, lost uint64
	late                               uint64 // devices that did not say in time what they are
}

// Open returns a source that does nothing until a plan asks for uevents.
func Open(host sources.Host) *Source {
	s := &Source{host: host, buffer: defaultBuffer, plan: &Plan{}}
	s.table = newTable(0)
	s.channel = channel{host: &s.host, failed: "uevents are not received"}
	s.prepare(func() (*nl.Socket, error) { return openSocket(s.buffer, kernelGroup) }, s.ready, s.opened)
	s.udev.init(s)
	if host.Simulated {
		s.simulated = &simulated{}
	}
	return s
}

// Apply implements sources.Source.
func (s *Source) Apply(plan sources.Plan) {
	p := plan.(*Plan)
	p.inherit(s.plan, s.table.stamp)
	s.plan, s.scope = p, p.scope()
	p.ids = p.idScope()
	switch {
	case p.udev == 0:
		s.udev.close()
	case s.simulated == nil:
		s.udev.listen()
	}
	if !p.wanted() {
		s.closeKernel()
		return
	}
	s.table.restrict(s.scope)
	s.covered = s.covered.both(s.scope)
	s.identified = s.identified.both(p.ids)
	if s.simulated == nil {
		s.opener.Visit() // sources that list devices by themselves do so after this
	}
	s.proceed()
}

// Status implements sources.Source.
func (s *Source) Status() []sources.State {
	var states []sources.State
	if s.plan.wanted() {
		states = append(states, s.kernelState())
	}
	if s.plan.udev > 0 {
		states = append(states, s.udev.status())
	}
	return states
}

func (s *Source) kernelState() sources.State {
	c := &s.count
	st := sources.State{Name: "uevent", OK: s.socket != nil}
	st.Detail = fmt.Sprintf("%d received, %d malformed, %d from others, %d losses", c.received, c.malformed, c.foreign, c.lost)
	if c.late > 0 {
		st.Detail += fmt.Sprintf(", %d devices not identified", c.late)
	}
	if s.socket != nil {
		st.Detail = fmt.Sprintf("receive buffer %d KiB, ", s.socket.Buffer>>10) + st.Detail
	}
	if err := s.opener.Err(); err != nil {
		st.Error = err.Error()
	}
	return st
}

// Close implements sources.Source.
func (s *Source) Close() {
	s.udev.close()
	s.closeKernel()
}

// closeKernel forgets all that the kernel announced.
func (s *Source) closeKernel() {
	s.channel.close()
	s.abandon()
	s.forgetHeld()
}

// opened is called when the kernel's socket is open.
func (s *Source) opened() {
	s.receiver.Fit(maxMessage)
	s.receiver.Listens = true
	s.listening = true
	s.listen()
	s.proceed()
}

// isOpen reports whether messages are received.
func (s *Source) isOpen() bool { return s.socket != nil || s.simulated != nil }

// fail gives the socket up for a while.
func (s *Source) fail(err error) {
	s.lose(0)
	s.lost(err)
}

func (s *Source) ready(uint32) { s.read(s.pace.Reads(s.host.Loop.Woke(), batch)) }

// listen watches the socket unless what it would bring has to wait: for the
// end of a delivery, or of lookups.
func (s *Source) listen() {
	listening := s.delivery == nil && len(s.drained) == 0 && len(s.held) < mostHeld
	if s.socket == nil || listening == s.listening {
		return
	}
	events := uint32(0)
	if listening {
		events = unix.EPOLLIN
	}
	s.listening = listening
	if err := s.watch.Events(events); err != nil {
		s.fail(err)
	}
}

// read takes up to most messages, and reports whether there are no more.
func (s *Source) read(most int) (empty bool) {
	for range most {
		b, from, err := s.receiver.Receive(s.socket.FD)
		switch {
		case err == nil && from.Port == 0:
			s.take(b)
		case err == nil:
			s.count.foreign++
			s.host.Log.Debug("uevent not from the kernel", "port", from.Port)
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			return true
		case err == unix.ENOBUFS:
			s.lose(0)
		case err == unix.EMSGSIZE:
			s.lose(1)
		default:
			s.fail(fmt.Errorf("read uevent socket: %w", err))
			return true
		}
	}
	return false
}

// take handles one message of the kernel's.
func (s *Source) take(b []byte) {
	m := &s.message
	s.count.received++
	if err := m.parse(sources.Borrow(b), s.host.Dev); err != nil {
		s.count.malformed++
		s.host.Log.Debug("malformed uevent", "error", err, "length", len(b))
		return
	}
	before, id := s.note(m)
	if before == byRescan {
		return
	}
	s.fields = s.fields[:0]
	if before == byColdplug {
		s.fields = append(s.fields, sources.Field{Name: coldplugField, Value: again})
	}
	s.fields = append(s.fields, m.fields...)
	s.hand(m.action, m.subsystem, id)
}

// note takes down what m says, if it is of a device that the plan is about,
// and returns how rules know it already, and what the device is.
func (s *Source) note(m *message) (before knowledge, id *identity) {
	if m.action == "move" {
		s.table.rename(m.oldPath, m.devpath)
		s.upsets++
	}
	// Drivers, modules and the like have no state that matters here.
	if !strings.HasPrefix(m.devpath, "/devices/") || !s.scope.has(m.subsystem) {
		return unknown, nil
	}
	old := s.table.devices[m.devpath]
	now, before, missed := s.table.observe(m, old)
	if missed != nil {
		s.emitItem(item{missed, "remove", rescanField})
	}
	return before, s.identityOf(m, old, now)
}
