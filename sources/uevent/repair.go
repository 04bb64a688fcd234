// SPDX-License-Identifier: MIT

// Coldplug, and the repair after a loss: when sysfs is walked through, and
// how what was found reaches rules.

package uevent

import (
	"path/filepath"
	"time"

	"reflexd/sources"
)

// stormPause is how long after a loss to look what was lost. Messages that
// do not fit into the socket come in storms, and one repair is enough for all.
const stormPause = 100 * time.Millisecond

// walkAgain is how long after a walk for which the kernel had not the means the next one
// is made.
const walkAgain = time.Second

// repair is the part of the source that knows which devices there are.
type repair struct {
	table   table
	covered scope // the subsystems of which the table has all devices
	// identified are the subsystems of which it knows what the devices are.
	identified scope
	walk       *walk  // under way; nil if none is
	walkError  string // the error of the last walk; "" for none
	upsets     int    // what made a walk under way worthless: losses and renamings
	// rescan is set from a loss until what was lost was emitted.
	rescan bool
	storm  sources.Timer // nil unless waiting for the end of a storm, or to walk again

	// What is to be emitted, and since when the triggers wait that coldplug
	// serves. While there is a delivery the socket is not read, so that
	// nothing comes in between.
	queue    []item
	since    uint64
	delivery sources.Timer
	// requested is what somebody asked for, next.
	requested []item
}

// item is an event to be emitted about a device that was found or missed. Mark
// is the field that says why.
type item struct {
	device *device
	action string
	mark   string
}

// abandon forgets all devices, and whatever is under way.
func (s *Source) abandon() {
	sources.StopTimer(&s.storm)
	sources.StopTimer(&s.delivery)
	s.repair = repair{table: newTable(s.table.stamp)}
}

// lose is called when messages were lost: count of them, beside those that the
// kernel has dropped.
func (s *Source) lose(count int) {
	s.upsets++
	s.count.lost++
	if s.storm == nil {
		s.storm = s.host.Loop.After(stormPause, s.awaitSilence)
	}
	first := !s.rescan
	if first {
		s.rescan = true
		s.table.forget()
	}
	dropped, news := s.socket.Dropped()
	if count += dropped; first && news || count > 0 {
		s.host.Lost("uevent", "", count, s.socket.Hint())
	}
}

// awaitSilence waits until the socket was found empty. Only from then on the kernel
// reports the next loss: in an overflowing socket it drops all further
// messages until that is empty, and says so once (net/netlink/af_netlink.c,
// NETLINK_S_CONGESTED).
func (s *Source) awaitSilence() {
	s.storm = nil
	empty := s.socket == nil || s.delivery == nil && s.read(batch)
	if empty && s.storm == nil && s.socket != nil { // those that were dropped since the last loss was reported
		if count, _ := s.socket.Dropped(); count > 0 {
			s.host.Lost("uevent", "", count, s.socket.Hint())
		}
	}
	switch {
	case s.storm != nil: // the storm goes on
	case !empty:
		s.storm = s.host.Loop.After(0, s.awaitSilence)
	default:
		s.proceed()
	}
}

// proceed begins the next walk if there is a reason for one: a loss to be
// repaired, a subsystem that is new, or a trigger that waits for coldplug.
func (s *Source) proceed() {
	busy := !s.isOpen() || s.storm != nil || s.walk != nil || s.delivery != nil
	if busy || !s.rescan && s.covered.covers(s.scope) && s.identified.covers(s.plan.ids) && !s.plan.waits() {
		return
	}
	w := &walk{sys: filepath.Clean(s.host.Sys), dev: s.host.Dev, scope: s.scope, ids: s.plan.ids, upsets: s.upsets}
	s.table.begin(w)
	s.walk = w
	run := w.run
	if s.simulated != nil {
		run = func() { s.simulated.walk(w) }
	}
	s.host.Loop.Beside(run, func() { s.walked(w) })
}

// walked takes over what w found, unless it was abandoned meanwhile. Before
// that it reads what the kernel has announced until now, which leaves little
// that is found before it is announced, and lets go what is held of that.
func (s *Source) walked(w *walk) {
	switch {
	case s.walk != w:
		return
	case s.socket != nil && !s.read(batch):
		s.host.Loop.After(0, func() { s.walked(w) })
		return
	}
	s.whenDrained(func() { s.takeOver(w) })
}

// takeOver ends the walk w.
func (s *Source) takeOver(w *walk) {
	s.walk = nil
	switch {
	case w.upsets != s.upsets, !w.scope.covers(s.scope), !w.ids.covers(s.plan.ids):
		s.table.drop()
		s.proceed()
		return
	case w.err != nil:
		s.table.drop()
		if text := w.err.Error(); text != s.walkError {
			s.walkError = text
			s.host.Log.Error("cannot list the devices that are present", "error", w.err)
		}
		if sources.Passing(w.err) {
			s.storm = s.host.Loop.After(walkAgain, s.awaitSilence)
			return
		}
	default:
		s.walkError = ""
		s.compare(w)
	}
	s.covered, s.identified = s.scope, s.plan.ids
	s.rescan = false
	s.serve()
	s.deliver()
}

// serve queues all devices for the triggers whose turn it is.
func (s *Source) serve() {
	if since, ok := s.plan.nextServing(); ok {
		s.since = since
		for _, d := range s.table.sorted() {
			s.queue = append(s.queue, item{d, "add", coldplugField})
		}
	}
}

// compare queues the differences between the table and what w found if they
// come of a loss.
func (s *Source) compare(w *walk) {
	gone, fresh := s.table.merge(w, s.scope)
	if !s.rescan {
		return
	}
	for _, d := range gone {
		if s.covered.has(d.subsystem) {
			s.queue = append(s.queue, item{d, "remove", rescanField})
			if s.table.devices[d.path] == nil {
				s.table.gone[d.path] = true
			}
		}
	}
	for _, d := range fresh {
		if s.covered.has(d.subsystem) {
			s.queue = append(s.queue, item{d, "add", rescanField})
			s.table.stamp++
			d.added, d.knownBy = s.table.stamp, byRescan
		}
	}
}

// deliver emits a bounded part of the queue, and the rest in the next turns
// of the loop. Until then the messages stay in the socket. The end comes a turn after the last event, when rules have
// looked at it.
func (s *Source) deliver() {
	if len(s.queue) == 0 {
		s.resume()
		return
	}
	n := min(emitAtOnce, len(s.queue))
	for _, it := range s.queue[:n] {
		s.emitItem(it)
	}
	s.queue = s.queue[n:]
	s.delivery = s.host.Loop.After(0, s.deliver)
	s.listen()
}

func (s *Source) resume() {
	s.delivery, s.queue = nil, nil
	s.plan.endServing()
	s.listen()
	s.emitRequested()
	s.proceed()
}

// emitItem sends the event of it. A device is announced by coldplug only if a
// trigger that is being served asks for it and has not matched it since it
// began to wait.
func (s *Source) emitItem(it item) {
	d := it.device
	s.fields = append(s.fields[:0],
		sources.Field{Name: "ACTION", Value: sources.Text(it.action)},
		sources.Field{Name: it.mark, Value: sources.Text("1")})
	s.fields = append(s.fields, d.known()...)
	s.fields = append(s.fields, sources.Field{Name: syntheticField, Value: sources.Int(1)})
	switch it.mark {
	case requestedField:
		s.fields = append(s.fields, sources.Field{Name: coldplugField, Value: sources.Text("1")})
	case coldplugField:
		s.event.Fields = s.fields
		if d.added > s.since || !s.plan.serves(&s.event) {
			return
		}
		d.knownBy = byColdplug
	}
	s.hand(it.action, d.subsystem, nil)
}
