// SPDX-License-Identifier: MIT

// The source itself: the socket in the loop, and the table beside it.

package link

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"reflexd/sources"
	"reflexd/sources/nl"
)

// batch is how many datagrams one call of ready takes.
const batch = 32

// Source tells of links. The socket is open only while a plan asks for it.
//
// To open it is to ask which links there are, too. In the meantime the socket
// keeps what the kernel tells, and after that it is read: what was told before
// the answer was made is known by then or, if it was undone since, is told with
// its being undone. So nothing is missed, and in the end the table is right.
type Source struct {
	host   sources.Host
	plan   *Plan
	opener sources.Opener[opened]
	socket nl.Socket                 // its FD is -1 while it is not open
	lossy  bool                      // messages were lost: until it is empty, the kernel drops all further ones
	cut    int                       // messages since then that were too long
	more   sources.Timer             // calls readOn, or nil
	kept   atomic.Pointer[nl.Socket] // which keeps what the kernel tells while it is asked again what there is
	watch  sources.Watch
	table  table
	known  bool // the table was filled since a plan asked for links
	count  struct{ received, foreign, malformed, lost uint64 }

	// Scratch, for one datagram or event at a time.
	receiver nl.Receiver
	events   []event
	event    sources.Event
	found    event
	fields   []sources.Field
	text     []byte
}

// Open returns a source that does nothing until a plan asks for links.
func Open(host sources.Host) *Source {
	s := &Source{host: host, socket: nl.Socket{FD: -1}, plan: &Plan{}, table: newTable()}
	s.opener = sources.Opener[opened]{
		Loop:    host.Loop,
		Open:    s.open,
		Use:     s.use,
		Discard: func(o opened) { o.socket.Close() },
		Pause:   sources.EndlessPause,
		Report:  s.report,
	}
	return s
}

// Apply implements sources.Source.
func (s *Source) Apply(plan sources.Plan) {
	before := s.plan
	s.plan = plan.(*Plan)
	s.forget(before)
	switch {
	case s.host.Simulated:
		s.known = true
		s.emitFound()
	case !s.plan.wanted():
		s.Close()
	default:
		if s.known {
			s.emitFound()
		}
		s.opener.Visit()
	}
}

// forget emits that nothing is known of links that do not exist, and that only
// the plan before named.
func (s *Source) forget(before *Plan) {
	for _, text := range before.names {
		if sources.IsPattern(text) || slices.Contains(s.plan.names, text) || s.exists(text) {
			continue
		}
		var n name
		copy(n[:], text)
		s.vanish(&n)
	}
}

func (s *Source) exists(text string) bool {
	for _, l := range s.table.links {
		if l.name.String() == text {
			return true
		}
	}
	return false
}

// emitFound emits the states of all links as they are, and those of links that
// rules name and that do not exist: these are down.
func (s *Source) emitFound() {
	s.events = s.events[:0]
	names := map[string]bool{}
	for _, index := range s.table.sortedIndices() {
		l := s.table.links[index]
		names[l.name.String()] = true
		s.events = append(s.events, event{state: stateOf(&l), link: l})
	}
	s.emit(s.events, sources.Found, false)
	for _, name := range s.plan.names {
		if !sources.IsPattern(name) && !names[name] {
			s.emitMissing(name)
		}
	}
}

// emitMissing emits that a link that rules name does not exist, and so is down.
func (s *Source) emitMissing(name string) {
	s.host.Emit(&sources.Event{
		Time: s.host.Loop.Now(), Topic: sources.Topic{Kind: "link", Name: name, State: down}, Source: "link:" + name,
		Fields:   []sources.Field{{Name: "IFNAME", Value: sources.Text(name)}, {Name: "STATE", Value: sources.Text(down)}},
		Standing: sources.Found,
	})
}

func stateOf(l *link) string {
	if l.up {
		return up
	}
	return down
}

// Close implements sources.Source.
func (s *Source) Close() {
	s.shut()
	s.opener.Stop()
	for _, l := range sources.InOrder(s.table.links) {
		s.vanish(&l.name)
	}
	s.table, s.known = newTable(), false
}

// vanish emits that nothing is known any more of the link with the name, unless
// rules name it: that it does not exist is down then.
func (s *Source) vanish(name *name) {
	if slices.Contains(s.plan.names, sources.Borrow(name.bytes())) {
		s.emitMissing(name.String())
		return
	}
	s.text, s.fields = s.text[:0], s.fields[:0]
	s.send(name, "", sources.Vanishes)
}

func (s *Source) shut() {
	if s.socket.FD >= 0 {
		s.watch.Close()
		s.socket.Close()
		s.socket.FD = -1
	}
	s.lossy, s.cut = false, 0
	if socket := s.kept.Swap(nil); socket != nil {
		socket.Close()
	}
}

// Started implements sources.StartWaiter.
func (s *Source) Started() bool { return !s.plan.wanted() || s.known || s.opener.Err() != nil }

// Status implements sources.Source: the links that rules name, and all in all.
func (s *Source) Status() []sources.State {
	if !s.plan.wanted() {
		return nil
	}
	all := sources.State{Name: "link", OK: s.socket.FD >= 0 && s.known}
	all.Detail = fmt.Sprintf("%d links, %d messages, %d malformed, %d from others, %d losses",
		len(s.table.links), s.count.received, s.count.malformed, s.count.foreign, s.count.lost)
	if err := s.opener.Err(); err != nil {
		all.Error = err.Error()
	}
	states := []sources.State{all}
	var told []string
	for _, name := range s.plan.names {
		if s.known && !sources.IsPattern(name) && !slices.Contains(told, name) {
			told = append(told, name)
			states = append(states, s.state(name))
		}
	}
	return states
}

// state tells of the link with the name.
func (s *Source) state(name string) sources.State {
	for _, l := range s.table.links {
		if l.name.String() != name {
			continue
		}
		words := []string{down}
		if l.up {
			words[0] = up
		}
		for _, a := range s.table.sortedAddresses() {
			if a.index == l.index {
				words = append(words, fmt.Sprintf("%s/%d", a.String(), a.prefix))
			}
		}
		return sources.State{Name: name, OK: true, Detail: strings.Join(words, ", ")}
	}
	return sources.State{Name: name, Error: "no such link"}
}

// use has the table become what there is, and reads the socket from then on.
func (s *Source) use(o opened) (err error) {
	if s.watch, err = s.host.Loop.Watch(o.socket.FD, unix.EPOLLIN, s.ready); err != nil {
		return err
	}
	s.socket = o.socket
	events := s.table.become(o.there)
	if s.known { // what was there at start is no news
		s.emit(events, sources.Begins, true)
	} else {
		s.emitFound()
	}
	s.known = true
	return nil
}

func (s *Source) report(err error) {
	s.host.Log.Error("links are not received", "error", err)
}

// fail gives the socket up for a while. The table stays, to tell then what is
// different.
func (s *Source) fail(err error) {
	s.report(err)
	s.shut()
	s.opener.Lost(err)
}

func (s *Source) ready(uint32) {
	for range batch {
		b, from, err := s.receiver.Receive(s.socket.FD)
		switch {
		case err == nil && from.Port == 0:
			s.take(b)
		case err == nil:
			s.count.foreign++
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			if s.lossy {
				s.lose()
			}
			return
		case err == unix.ENOBUFS:
			s.lossy = true
		case err == unix.EMSGSIZE:
			s.lossy = true
			s.cut++
		default:
			s.fail(fmt.Errorf("read rtnetlink socket: %w", err))
			return
		}
	}
	if s.lossy && s.more == nil { // that may have been the last message: nothing else calls ready
		s.more = s.host.Loop.After(0, s.readOn)
	}
}

// readOn reads until the socket is empty, after a loss.
func (s *Source) readOn() {
	s.more = nil
	if s.lossy {
		s.ready(0)
	}
}

// errLost is why the kernel is asked after a loss what there is.
var errLost = errors.New("messages were lost")

// lose tells that messages were lost, and asks what there is, now that the socket
// is empty: what is dropped from now on is reported again. The socket is not read until
// the answer is known.
func (s *Source) lose() {
	if count, news := s.socket.Dropped(); news || s.cut > 0 {
		s.count.lost++
		s.host.Lost("link", "", count+s.cut, s.socket.Hint())
	}
	s.lossy, s.cut = false, 0
	s.watch.Close()
	kept := s.socket
	s.kept.Store(&kept)
	s.socket.FD = -1
	s.opener.Lost(errLost)
	s.opener.Visit()
}

// take handles one datagram of the kernel's.
func (s *Source) take(b []byte) {
	s.count.received++
	for m, err := range nl.Datagram(b).Each {
		s.events = s.events[:0]
		if err == nil {
			s.events, err = s.table.take(s.events, &m)
		}
		if err != nil {
			s.count.malformed++
			s.host.Log.Debug("malformed rtnetlink message", "error", err, "length", len(b))
		}
		s.emit(s.events, sources.Begins, false)
	}
}

// emit emits events; rescan marks those that stand for messages that were
// lost. The kernel's messages bear no stamp. standing is that of up and down: a
// link that is new is found down, and one that is removed or renamed has no
// state any more under its old name.
func (s *Source) emit(events []event, standing sources.Standing, rescan bool) {
	for i := range events {
		e := &events[i]
		s.emitOne(e, standing, rescan)
		switch e.state {
		case added, renamed:
			s.emitNew(e)
		case removed:
			s.vanish(&e.link.name)
		}
	}
}

func (s *Source) emitOne(e *event, standing sources.Standing, rescan bool) {
	s.text = s.text[:0]
	s.fill(e)
	if rescan {
		s.field("RESCAN", sources.Text("1"))
		s.field("SYNTHETIC", sources.Int(1))
	}
	if e.state != up && e.state != down {
		standing = sources.NoState
	}
	s.send(&e.link.name, e.state, standing)
}

// send emits an event with the fields in s.fields.
func (s *Source) send(name *name, state string, standing sources.Standing) {
	b := name.bytes()
	s.event = sources.Event{
		Time:     s.host.Loop.Now(),
		Topic:    sources.Topic{Kind: "link", Name: sources.Borrow(b), State: state},
		Source:   s.written(append(append(s.text, "link:"...), b...)),
		Fields:   s.fields,
		Borrowed: true,
		Standing: standing,
	}
	s.host.Emit(&s.event)
}

// emitNew emits how a link was found that is new, or new under its name. That
// a new one is up has an event of its own.
func (s *Source) emitNew(e *event) {
	if e.state == renamed {
		s.vanish(&e.previous)
	} else if e.link.up {
		return
	}
	s.found = event{state: stateOf(&e.link), link: e.link}
	s.emitOne(&s.found, sources.Found, false)
}

// fill makes s.fields those of e.
func (s *Source) fill(e *event) {
	state := stateOf(&e.link)
	s.fields = s.fields[:0]
	s.field("IFNAME", sources.Text(sources.Borrow(e.link.name.bytes())))
	s.field("INDEX", sources.Int(int64(e.link.index)))
	s.field("STATE", sources.Text(state))
	s.field("MTU", sources.Int(int64(e.link.mtu)))
	if e.link.mac.size > 0 {
		s.field("MAC", sources.Text(s.written(e.link.mac.appendText(s.text))))
	}
	if e.state == renamed {
		s.field("PREVIOUS", sources.Text(sources.Borrow(e.previous.bytes())))
	}
	if a := &e.address; a.family != unix.AF_UNSPEC {
		s.field("ADDRESS", sources.Text(s.written(a.appendText(s.text))))
		s.field("PREFIX", sources.Int(int64(a.prefix)))
		s.field("FAMILY", sources.Text(familyText(a.family)))
		s.field("SCOPE", sources.Text(scopeText(e.scope)))
	}
}

func (s *Source) field(name string, v sources.Value) {
	s.fields = append(s.fields, sources.Field{Name: name, Value: v})
}

// written takes over text, which is s.text with something appended, and returns
// what that is.
func (s *Source) written(text []byte) string {
	from := len(s.text)
	s.text = text
	return sources.Borrow(text[from:])
}
