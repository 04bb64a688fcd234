// SPDX-License-Identifier: MIT

// Chords and sequences: several buttons that act as one.

package gesture

import (
	"slices"
	"time"

	"reflexd/sources"
)

// chord is several buttons pressed together, in any order. Once complete, it
// is a button of its own that is down until one of its members is released.
//
// Unless it lets its members be heard, a press of one is kept back for as long
// as it may become the chord; when it does, the press is the chord's, and
// nothing is told of it as the member's own. Of two chords of which one is part of
// the other, the smaller waits in the same way for the bigger.
type chord struct {
	whole   *button
	kind    string // of its members
	names   []string
	from    string
	window  time.Duration // in which all members must be pressed
	heard   bool
	members [][]*button // for each of names, the buttons that it may be
	bigger  []*chord    // that contain it

	with    []*button     // the presses that complete it; nil if it is not
	readyAt time.Duration // when it was completed
	ripeAt  time.Duration // until when it waits for a bigger one
}

// member is what a button needs to be part of chords.
type member struct {
	parts     []*button // of a chord that is complete: its members
	chords    []*chord
	window    time.Duration // the longest of those that do not let it be heard
	pressedAt time.Duration
	fresh     bool // it was seen to be pressed
	waiting   bool // its press was not passed on yet
	taken     bool // its press is a chord's
}

func newChord(w *sources.Want, window time.Duration) *chord {
	return &chord{
		whole: &button{key: key{kind: w.Kind, name: w.Name}},
		kind:  w.Group.Kind, names: w.Group.Members, from: w.From,
		window: window, heard: w.Group.Heard, members: make([][]*button, len(w.Group.Members)),
	}
}

// nestChords finds out which chords are part of others.
func (r *Recogniser) nestChords() {
	for _, c := range r.chords {
		for _, other := range r.joined[subject{c.kind, c.names[0]}] {
			if other != c && !other.heard && c.isPartOf(other) {
				c.bigger = append(c.bigger, other)
			}
		}
	}
}

func (c *chord) isPartOf(other *chord) bool {
	return c.kind == other.kind && len(c.names) < len(other.names) &&
		!slices.ContainsFunc(c.names, func(name string) bool { return !slices.Contains(other.names, name) })
}

// enrol makes b a member of the chords that it may be part of.
func (r *Recogniser) enrol(b *button) {
	b.chords, b.window = nil, 0
	for _, c := range r.joined[subject{b.key.kind, b.key.name}] {
		i := slices.Index(c.names, b.key.name)
		c.members[i] = slices.DeleteFunc(c.members[i], func(other *button) bool { return other == b })
		if c.from != "" && !slices.Contains(b.names, c.from) {
			continue
		}
		c.members[i] = append(c.members[i], b)
		b.chords = append(b.chords, c)
		if !c.heard {
			b.window = max(b.window, c.window)
		}
	}
}

// pressMember deals with an event of a button that is part of chords. was says
// whether it was down before.
func (r *Recogniser) pressMember(b *button, e *sources.Event, was bool) {
	switch e.Press {
	case sources.Down:
		if !was {
			r.begin(b, e)
		}
	case sources.Repeat:
		if !b.waiting && !b.taken {
			b.remember(e)
			r.step(b, e.Press, e.Time)
		}
	case sources.StartsDown, sources.StartsOn:
		if !b.waiting && !b.taken {
			b.fresh = false
			b.remember(e)
			r.step(b, e.Press, e.Time)
		}
	default:
		r.finish(b, e)
	}
}

// begin is a member's being pressed.
func (r *Recogniser) begin(b *button, e *sources.Event) {
	b.remember(e)
	b.pressedAt, b.fresh, b.taken = e.Time, true, false
	if b.waiting = b.window > 0; b.waiting {
		r.waiting = append(r.waiting, b)
	} else {
		r.step(b, sources.Down, e.Time)
	}
	for _, c := range b.chords {
		if c.with == nil && c.complete(e.Time) {
			r.ripen(c, e.Time)
		}
	}
}

// complete finds the presses that make the chord, if they are there.
func (c *chord) complete(at time.Duration) bool {
	var with []*button
	for _, candidates := range c.members {
		i := slices.IndexFunc(candidates, func(b *button) bool {
			free := b.waiting || c.heard && !b.taken
			return b.isDown && b.fresh && free && at-b.pressedAt <= c.window
		})
		if i < 0 {
			return false
		}
		with = append(with, candidates[i])
	}
	c.with, c.readyAt = with, at
	return true
}

// ripen has a chord that is complete wait as long as it may become a bigger
// one.
func (r *Recogniser) ripen(c *chord, at time.Duration) {
	first := at
	for _, b := range c.with {
		first = min(first, b.pressedAt)
	}
	c.ripeAt = 0
	for _, big := range c.bigger {
		c.ripeAt = max(c.ripeAt, first+big.window)
	}
	if c.ripeAt > at {
		r.ripe = append(r.ripe, c)
		return
	}
	r.strike(c)
}

// strike makes a chord that is complete count.
func (r *Recogniser) strike(c *chord) {
	r.ripe = slices.DeleteFunc(r.ripe, func(other *chord) bool {
		lost := other != c && !other.heard && other.shares(c)
		if lost {
			other.with = nil
		}
		return lost || other == c
	})
	last := c.with[0]
	for _, b := range c.with {
		if b.pressedAt >= last.pressedAt {
			last = b
		}
		if !c.heard {
			b.taken = true
			r.pass(b)
		}
	}
	c.whole.parts, c.whole.others, c.whole.names = c.with, last.others, last.names
	c.whole.remember(&last.event)
	c.whole.fields = append(c.whole.fields, last.fields...)
	r.step(c.whole, sources.Down, c.readyAt)
}

// shares reports whether a press is part of both chords.
func (c *chord) shares(other *chord) bool {
	return slices.ContainsFunc(c.with, func(b *button) bool { return slices.Contains(other.with, b) })
}

// pass ends the waiting of a member's press, and tells of it as the member's
// own unless a chord took it.
func (r *Recogniser) pass(b *button) {
	if !b.waiting {
		return
	}
	b.waiting = false
	r.waiting = slices.DeleteFunc(r.waiting, func(other *button) bool { return other == b })
	if !b.taken {
		r.step(b, sources.Down, b.pressedAt)
	}
}

// finish is a member's being released, or found so.
func (r *Recogniser) finish(b *button, e *sources.Event) {
	for _, c := range b.chords {
		if !slices.Contains(c.with, b) {
			continue
		}
		if slices.Contains(r.ripe, c) {
			r.strike(c) // nothing bigger comes of it any more
		}
		if c.with != nil {
			r.step(c.whole, e.Press, e.Time)
			c.with = nil
		}
	}
	b.fresh = false
	if b.taken {
		b.taken = false
		r.step(b, sources.StartsUp, e.Time)
		return
	}
	if e.Press == sources.StartsUp {
		r.waiting = slices.DeleteFunc(r.waiting, func(other *button) bool { return other == b })
		b.waiting = false
	}
	r.pass(b)
	b.remember(e)
	r.step(b, e.Press, e.Time)
}

// decide decides what waits for chords by the time now.
func (r *Recogniser) decide(now time.Duration) {
	for _, c := range slices.Clone(r.ripe) {
		if c.ripeAt <= now && c.with != nil {
			r.strike(c)
		}
	}
	for _, b := range slices.Clone(r.waiting) {
		if b.pressedAt+b.window <= now {
			r.pass(b)
		}
	}
}

// adopt takes over from the chord of the same name in old.
func (c *chord) adopt(r, old *Recogniser, now time.Duration) {
	i := slices.IndexFunc(old.chords, func(o *chord) bool { return o.whole.key == c.whole.key })
	if i < 0 {
		return
	}
	was := old.chords[i]
	for _, b := range was.with {
		c.with = append(c.with, r.buttons[b.key])
	}
	c.readyAt = was.readyAt
	c.whole.Button, c.whole.event, c.whole.fields = was.whole.Button, was.whole.event, was.whole.fields
	c.whole.parts, c.whole.names, c.whole.others = c.with, was.whole.names, was.whole.others
	c.whole.ask(r.wantsOf(c.whole), now)
	r.schedule(c.whole)
}

// sequence is several buttons pressed one after the other.
type sequence struct {
	key    key
	kind   string // of its members
	names  []string
	from   string
	window time.Duration // from the first press to the last
	recent []typed
}

// typed is one press.
type typed struct {
	name string
	at   time.Duration
}

func newSequence(w *sources.Want, window time.Duration) *sequence {
	return &sequence{
		key: key{kind: w.Kind, name: w.Name}, kind: w.Group.Kind,
		names: w.Group.Members, from: w.From, window: window,
	}
}

// typed shows a press to the sequences. A press of a button that is no part of
// one does not disturb it.
func (r *Recogniser) typed(b *button, e *sources.Event) {
	for _, s := range r.sequences {
		if s.kind != b.key.kind || s.from != "" && !slices.Contains(b.names, s.from) || !s.next(b.key.name, e.Time) {
			continue
		}
		r.event = *e
		r.event.Topic = sources.Topic{Kind: s.key.kind, Name: s.key.name, State: sources.Pressed}
		r.event.Press = sources.NoPress
		r.emit(&r.event)
	}
}

// next notes a press and reports whether it completes the sequence.
func (s *sequence) next(name string, at time.Duration) bool {
	if !slices.Contains(s.names, name) {
		return false
	}
	if len(s.recent) == len(s.names) {
		s.recent = slices.Delete(s.recent, 0, 1)
	}
	s.recent = append(s.recent, typed{name, at})
	if len(s.recent) < len(s.names) || at-s.recent[0].at > s.window {
		return false
	}
	for i, t := range s.recent {
		if t.name != s.names[i] {
			return false
		}
	}
	s.recent = s.recent[:0]
	return true
}
