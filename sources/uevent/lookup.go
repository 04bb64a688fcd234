// SPDX-License-Identifier: MIT

// Looking up what a device is, in the background, while its event and those that
// come after it wait.

package uevent

import (
	"slices"
	"strings"
	"time"

	"reflexd/sources"
)

// lookupPatience is how long a lookup may take, or none of them come to its
// end, while events are held for it. A device that hangs hangs for five seconds
// and more (USB_CTRL_GET_TIMEOUT, once a string); a slow board that is busy with
// booting can itself stand still for more than one.
const lookupPatience = 3 * time.Second

// mostLookups run at a time; those of devices that hang are among them.
const mostLookups = 16

// mostHeld is how many events are held before the rest stays in the socket.
const mostHeld = 4096

// identity is what was found out about a device. All that is known of one
// device shares it.
type identity struct {
	devpath string
	fields  []sources.Field
	asked   bool // it is to be looked up
	begun   bool
	since   time.Duration // when it was begun
	done    bool          // the fields are all there will be
	late    bool          // an event went without them already: nothing waits any more
}

func (id *identity) ready() bool { return id == nil || id.done || id.late }

// lookups is the part of the source that holds events until it is known what
// their devices are. All events leave in the order in which they came.
type lookups struct {
	held    []heldEvent
	waiting []*identity   // not begun
	busy    int           // under way
	ended   time.Duration // when the last of them came to its end
	timer   sources.Timer
	// drained are called, once, when nothing is held any more; until then the
	// socket is not read.
	drained []func()
}

// heldEvent is an event whose turn has not come.
type heldEvent struct {
	event *sources.Event
	id    *identity
}

// identityOf returns where to find what the device is that m is about: now as
// the table has it after m, old before. It is nil if nobody asks.
func (s *Source) identityOf(m *message, old, now *device) *identity {
	switch {
	case !s.plan.ids.has(m.subsystem):
		return nil
	case m.action == "remove" && !m.synthetic:
		if old != nil {
			return old.id
		}
		return nil
	case now == nil:
		return &identity{devpath: strings.Clone(m.devpath)}
	case now.id == nil || m.action == "add" && !m.synthetic:
		now.id = &identity{devpath: now.path}
	}
	return now.id
}

// hand emits the fields in s.fields and those of id, or holds them until those
// are there and nothing that came before is held. Uevents bear no stamp: their
// time is when they were read. Action and subsystem stay as they are, and so do
// the names of all fields and the first value, unless that is a message's that does
// not begin with the action, as the kernel's do.
func (s *Source) hand(action, subsystem string, id *identity) {
	owned := 1
	if f := &s.fields[0]; f.Name != "ACTION" && f.Name != coldplugField {
		owned = 0
	}
	s.event = sources.Event{
		Time:     s.host.Loop.Woke(),
		Topic:    sources.Topic{Kind: "uevent", Name: subsystem, State: action},
		Source:   "uevent",
		Fields:   s.fields,
		Borrowed: true,
		Owned:    owned,
	}
	if len(s.held) == 0 && id.ready() {
		s.emit(id)
		return
	}
	s.held = append(s.held, heldEvent{s.event.Clone(), id})
	if id != nil && !id.asked {
		id.asked = true
		s.waiting = append(s.waiting, id)
		s.begin()
	}
	if s.timer == nil {
		s.timer = s.host.Loop.After(lookupPatience, s.drain)
	}
	s.listen()
}

// emit sends s.event with the fields of id.
func (s *Source) emit(id *identity) {
	if id != nil {
		s.fields = append(s.event.Fields, id.fields...)
		s.event.Fields = s.fields
	}
	s.host.Emit(&s.event)
}

// begin begins as many lookups as may run.
func (s *Source) begin() {
	for len(s.waiting) > 0 && s.busy < mostLookups {
		id := s.waiting[0]
		s.waiting = s.waiting[1:]
		if id.done {
			continue
		}
		id.begun, id.since = true, s.host.Loop.Now()
		s.busy++
		var found []sources.Field
		s.host.Loop.Beside(func() { found = s.identify(id.devpath) }, func() {
			id.fields, id.done = found, true
			s.busy--
			s.ended = s.host.Loop.Now()
			s.begin()
			s.drain()
		})
	}
}

// identify may block.
func (s *Source) identify(devpath string) []sources.Field {
	if s.simulated != nil {
		return s.simulated.identify(devpath)
	}
	return Identify(s.host.Sys, devpath)
}

// drain emits what need not be held any more, a bounded part at a time.
func (s *Source) drain() {
	sources.StopTimer(&s.timer)
	now := s.host.Loop.Now()
	for n := 0; len(s.held) > 0; n++ {
		h := s.held[0]
		wait := s.waitUntil(&h) - now
		switch {
		case n == emitAtOnce:
			wait = 0
		case !h.id.ready() && wait > 0:
		default:
			s.giveUp(h.id)
			s.held[0] = heldEvent{}
			s.held = s.held[1:]
			s.event = *h.event
			s.emit(h.id)
			continue
		}
		s.timer = s.host.Loop.After(wait, s.drain)
		break
	}
	for len(s.drained) > 0 && len(s.held) == 0 {
		f := s.drained[0]
		s.drained = s.drained[1:]
		f()
	}
	s.listen()
}

// waitUntil returns how long h is held at most. A lookup has its time from when
// it was begun, not from when the event came: with a system's start hundreds
// come at once, and udevd wants the processors too. One that is not begun
// waits as long as others end.
func (s *Source) waitUntil(h *heldEvent) time.Duration {
	if h.id != nil && h.id.begun {
		return h.id.since + lookupPatience
	}
	return max(h.event.Time, s.ended) + lookupPatience
}

// giveUp has nothing wait for id any more, if it is not there yet. If it comes
// later, the device's next events have it.
func (s *Source) giveUp(id *identity) {
	if id.ready() {
		return
	}
	id.late = true
	s.count.late++
	s.host.Log.Warn("cannot identify a device: its events have no ID_ fields",
		"device", id.devpath, "waited", lookupPatience, "lookups", s.busy)
	if !id.begun {
		id.done = true // all lookups hang; there is no use in another one
		s.waiting = slices.DeleteFunc(s.waiting, func(o *identity) bool { return o == id })
	}
}

// whenDrained calls f when nothing is held, now or later. Until then the
// socket is not read.
func (s *Source) whenDrained(f func()) {
	if len(s.held) == 0 {
		f()
		return
	}
	s.drained = append(s.drained, f)
	s.listen()
}

// forgetHeld drops all that is held. Lookups that are under way end some time.
func (s *Source) forgetHeld() {
	sources.StopTimer(&s.timer)
	s.lookups = lookups{busy: s.busy, ended: s.ended}
}

// identifyWithin is Identify for a goroutine that must not wait longer than
// the patience. The lookup itself ends when the device answers or goes.
func identifyWithin(patience time.Duration, sys, devpath string) (fields []sources.Field, ok bool) {
	result := make(chan []sources.Field, 1)
	go func() { result <- Identify(sys, devpath) }()
	select {
	case fields = <-result:
		return fields, true
	case <-time.After(patience):
		return nil, false
	}
}
