// SPDX-License-Identifier: MIT

// Package state holds the states that events report: of lines, links, devices,
// variables and whatever else lasts. It answers the conditions of rules, and
// finds which triggers fire because a state has lasted for a time, or was there
// before the trigger was. It has no clock and no descriptors: times are those of
// the events, of CLOCK_MONOTONIC.
package state

import (
	"slices"
	"strings"
	"time"

	"reflexd/sources"
)

// Table is all states. It outlives configurations. Its methods are for the
// loop's thread.
type Table struct {
	subjects map[key]*subject
	named    map[name][]*subject // also under the name "", which stands for all of a kind
	watches  map[name][]*watch   // likewise
	derived  map[sources.Topic]bool
	counting records // whose firing is due at some time
	waits    []*wait
	ready    firings  // that the event taken last has made
	fired    []firing // of one rule at one time, last
	news     *subject // whose state an event is to be made of, nil for none
	unseen   bool     // nobody saw that state begin
	began    time.Duration
	taken    time.Duration // the time of the event taken last
	latest   *subject      // of that event, which is likely to be that of the next; may be nil
	version  int           // of watches: it counts their changes
	changed  bool          // it may be what somebody waits for

	event  sources.Event   // scratch
	fields []sources.Field // scratch
}

// key is what a state is of: two devices may have the same key.
type key struct {
	name
	source string
}

type name struct{ kind, name string }

// each yields n, and the name that stands for all of its kind.
func (n name) each(yield func(name) bool) {
	if yield(n) && n.name != "" {
		yield(name{kind: n.kind})
	}
}

// subject is one thing that has states.
type subject struct {
	key
	event  sources.Event // that reported the state; its strings and fields are the subject's
	fields []sources.Field
	text   []byte
	since  time.Duration
	known  bool // it has not lapsed

	watches []*watch // that are about it, as of version
	version int
}

// firing is a record whose trigger fires at a time.
type firing struct {
	*record
	at time.Duration
}

// firings sort by their rules.
type firings []firing

func (f firings) Len() int           { return len(f) }
func (f firings) Less(i, j int) bool { return f[i].watch.Rule < f[j].watch.Rule }
func (f firings) Swap(i, j int)      { f[i], f[j] = f[j], f[i] }

// mostSubjects bounds the subjects of a kind whose names come from outside: of
// more, those go that have been as they are for longest.
const mostSubjects = 4096

// New returns a table in which nothing is known.
func New() *Table {
	return &Table{subjects: map[key]*subject{}, named: map[name][]*subject{}, watches: map[name][]*watch{}, version: 1}
}

// Begin says when the table began, if that is not when Follow is called first: what
// was found, and what is absent, have been so since then.
func (t *Table) Begin(at time.Duration) { t.began = at }

// Each calls f for each state that is known, with the event that reported it, in no
// order.
func (t *Table) Each(f func(e *sources.Event, since time.Duration)) {
	for _, s := range t.subjects {
		if s.known {
			f(&s.event, s.since)
		}
	}
}

// Take notes what e says of a state, before any rule is shown e. Next must
// follow when they were.
func (t *Table) Take(e *sources.Event) {
	if e.Standing == sources.NoState {
		return
	}
	t.taken, t.changed = e.Time, true
	k := key{name{e.Topic.Kind, e.Topic.Name}, e.Source}
	if e.Topic.Kind == "mount" {
		k.source = "" // it is the state of the mount point, whichever drive is there
	}
	s := t.latest
	if s == nil || s.key != k {
		s = t.subjects[k]
		t.latest = s
	}
	switch e.Standing {
	case sources.Lapses, sources.Vanishes:
		if s != nil {
			t.lapse(s)
		}
		if s != nil && e.Standing == sources.Vanishes {
			t.forget(s)
		}
		return
	}
	state, is, before := word(e), false, ""
	if s == nil {
		s = t.add(k, e)
	} else if before, is = s.event.Topic.State, s.is(state, e); is && s.known {
		s.remember(state, e) // its fields, or the names of its device, may have changed
		t.update(s, e, e.Standing == sources.Found)
		return
	}
	differs := before != "" && !is
	s.remember(state, e)
	s.since, s.known = e.Time, true
	found := e.Standing == sources.Found && !differs
	t.update(s, e, found)
	if differs && e.Standing == sources.Found || !found && t.derived[s.event.Topic] && e.Topic.State != s.event.Topic.State {
		t.news, t.unseen = s, e.Standing == sources.Found
	}
}

func (t *Table) add(k key, e *sources.Event) *subject {
	if list := t.named[name{kind: k.kind}]; len(list) >= mostSubjects {
		t.forget(slices.MinFunc(list, func(a, b *subject) int { return int(a.since/time.Second) - int(b.since/time.Second) }))
	}
	k.kind, k.name.name, k.source = strings.Clone(k.kind), strings.Clone(k.name.name), strings.Clone(k.source)
	s := &subject{key: k}
	t.subjects[k] = s
	for n := range k.name.each {
		t.named[n] = append(t.named[n], s)
	}
	return s
}

// forget drops all that is known of s.
func (t *Table) forget(s *subject) {
	t.lapse(s)
	t.latest = nil
	delete(t.subjects, s.key)
	for n := range s.name.each {
		rest := slices.DeleteFunc(t.named[n], func(other *subject) bool { return other == s })
		if t.named[n] = rest; len(rest) == 0 {
			delete(t.named, n)
		}
		for _, w := range t.watches[n] {
			delete(w.records, s)
		}
	}
}

// lapse ends the state of s, of which nothing is known any more.
func (t *Table) lapse(s *subject) {
	s.known = false
	for _, w := range t.watching(s) {
		if r := w.records[s]; r != nil {
			t.end(r)
		}
	}
}

// watching returns the watches that are about s.
func (t *Table) watching(s *subject) []*watch {
	if s.version != t.version {
		s.watches, s.version = s.watches[:0], t.version
		for n := range s.name.each {
			s.watches = append(s.watches, t.watches[n]...)
		}
	}
	return s.watches
}

// is reports whether e, whose state is that, has the state of s.
func (s *subject) is(state string, e *sources.Event) bool {
	if state != s.event.Topic.State {
		return false
	}
	is, _ := e.Lookup("VALUE")
	was, _ := s.event.Lookup("VALUE")
	return is == was || e.Press != sources.NoPress
}

// word returns the state of e.
func word(e *sources.Event) string {
	switch {
	case e.Press == sources.NoPress:
		return e.Topic.State
	case e.Topic.Kind == "line":
		return sources.OnOff(e.Press.IsDown())
	case e.Press.IsDown():
		return sources.Pressed
	}
	return sources.Released
}

// remember keeps e, whose state is that. It allocates nothing once s has had events of
// that kind.
func (s *subject) remember(state string, e *sources.Event) {
	s.fields = append(s.fields[:0], e.Fields...)
	s.event = *e
	s.event.Fields = s.fields
	s.event.Press, s.event.Standing = sources.NoPress, sources.NoState
	s.event.Topic.State = state
	if e.Borrowed { // and it stays so: the next one is copied to the same place
		s.text = s.event.CopyStrings(s.text[:0])
	}
	s.event.Topic.Name = s.key.name.name
}
