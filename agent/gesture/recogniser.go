// SPDX-License-Identifier: MIT

// Package gesture makes gestures of edges: pure functions of what happened and
// when, for GPIO lines and keys alike. It has no clock and no descriptors. This
// file has the Recogniser: all buttons and encoders of a configuration.
package gesture

import (
	"math"
	"slices"
	"time"

	"reflexd/sources"
)

// Recogniser finds gestures in the events of lines, keys and encoders, and
// sends them as events of the same device with another state.
//
// What it finds depends only on the events and their times, not on when it is
// told of them: Advance may be called as often as one likes, as long as nothing
// earlier than its time comes after.
type Recogniser struct {
	emit   func(*sources.Event)
	timing func(kind, name string) sources.Timing

	wants     map[subject][]sources.Want
	chords    []*chord
	joined    map[subject][]*chord // by their members
	sequences []*sequence
	buttons   map[key]*button
	down      map[string]*int // how many keys of a source are down
	encoders  map[string]*encoder

	due     []*button // whose Button has something due
	waiting []*button // whose press waits for a chord
	ripe    []*chord  // that wait for a bigger one

	event  sources.Event   // scratch
	fields []sources.Field // scratch
	found  []Gesture       // scratch
}

// subject is what a want is about: a kind and a name as in Topic.
type subject struct{ kind, name string }

// key names one button: a line, or one key of one device.
type key struct{ kind, name, source string }

// button is a Button and what the recogniser must know to tell of it.
type button struct {
	Button
	key    key
	names  []string      // of its device
	event  sources.Event // the last of its events
	fields []sources.Field
	listed bool // in due
	others *int // keys of its device that are down, itself included
	isDown bool // as the events say, whatever a chord makes of it
	member
}

type encoder struct {
	spec sources.Encoder
	*Encoder
}

// New returns a recogniser that finds what wants ask for, and sends it to
// emit; events belong to the recogniser and are good until emit returns. timing
// is asked for the Timing of a button by its kind and name, which must have no zeros.
func New(wants []sources.Want, timing func(kind, name string) sources.Timing, emit func(*sources.Event)) *Recogniser {
	r := &Recogniser{
		emit: emit, timing: timing,
		wants: map[subject][]sources.Want{}, joined: map[subject][]*chord{},
		buttons: map[key]*button{}, down: map[string]*int{}, encoders: map[string]*encoder{},
	}
	for _, w := range wants {
		s := subject{w.Kind, w.Name}
		switch {
		case w.Encoder != nil:
			r.encoders[w.Name] = &encoder{*w.Encoder, NewEncoder(*w.Encoder)}
		case w.Group != nil && r.wants[s] == nil:
			r.addGroup(&w)
		}
		r.wants[s] = append(r.wants[s], w)
	}
	r.nestChords()
	for _, c := range r.chords {
		c.whole.ask(r.wantsOf(c.whole), 0)
	}
	return r
}

func (r *Recogniser) addGroup(w *sources.Want) {
	window := w.Group.Within
	if window == 0 {
		window = r.timing(w.Kind, w.Name).ChordWindow
	}
	if w.Group.InOrder {
		r.sequences = append(r.sequences, newSequence(w, window))
		return
	}
	c := newChord(w, window)
	r.chords = append(r.chords, c)
	for i, name := range c.names {
		if s := (subject{c.kind, name}); !slices.Contains(c.names[:i], name) {
			r.joined[s] = append(r.joined[s], c)
		}
	}
}

// Adopt takes over from old, the recogniser of the configuration before, what
// is known of buttons at the time now. A press goes on; a stage of being held
// that it is past is not made up for. old must not be used any more.
func (r *Recogniser) Adopt(old *Recogniser, now time.Duration) {
	old.Advance(now)
	old.decide(math.MaxInt64) // no press waits any longer
	r.down = old.down
	for k, was := range old.buttons {
		b := r.newButton(k, was.names)
		b.Button, b.isDown, b.pressedAt, b.taken = was.Button, was.isDown, was.pressedAt, was.taken
		b.remember(&was.event)
		b.ask(r.wantsOf(b), now)
		r.schedule(b)
	}
	for _, c := range r.chords {
		c.adopt(r, old, now)
	}
	for name, e := range r.encoders {
		if was := old.encoders[name]; was != nil && was.spec == e.spec {
			r.encoders[name] = was
		}
	}
}

// Next finds what e makes, if it is an event of a button or an encoder.
func (r *Recogniser) Next(e *sources.Event) {
	switch {
	case e.Press != sources.NoPress:
		r.press(e)
	case e.Phase != 0:
		r.turn(e)
	}
}

// Due returns when Advance has something to find unless an event comes first.
func (r *Recogniser) Due() (at time.Duration, ok bool) {
	first := func(t time.Duration) {
		if !ok || t < at {
			at, ok = t, true
		}
	}
	for _, b := range r.due {
		if t, is := b.Due(); is && !b.waiting {
			first(t)
		}
	}
	for _, b := range r.waiting {
		first(b.pressedAt + b.window)
	}
	for _, c := range r.ripe {
		first(c.ripeAt)
	}
	return at, ok
}

// Advance finds what happened by the time now without an event, in the order
// in which it happened.
func (r *Recogniser) Advance(now time.Duration) {
	for {
		at, ok := r.Due()
		if !ok || at > now {
			return
		}
		r.decide(at)
		for _, b := range r.due {
			if t, is := b.Due(); is && t <= at && !b.waiting {
				r.found = b.Advance(at, r.found[:0])
				r.emitDone(b)
			}
		}
		r.due = slices.DeleteFunc(r.due, func(b *button) bool {
			_, is := b.Due()
			b.listed = is
			return !is
		})
	}
}

func (r *Recogniser) press(e *sources.Event) {
	b := r.button(e)
	was := b.isDown
	b.isDown = e.Press.IsDown() && (was || e.Press != sources.Repeat)
	if b.isDown && !was {
		*b.others++
	} else if was && !b.isDown {
		*b.others--
	}
	if e.Press == sources.Down && !was {
		r.typed(b, e)
	}
	if len(b.chords) > 0 {
		r.pressMember(b, e, was)
		return
	}
	b.remember(e)
	r.step(b, e.Press, e.Time)
}

// step has the Button of b make of p what it can.
func (r *Recogniser) step(b *button, p sources.Press, at time.Duration) {
	r.found = b.Next(p, at, r.found[:0])
	r.emitDone(b)
	r.schedule(b)
}

func (r *Recogniser) schedule(b *button) {
	if _, is := b.Due(); is && !b.listed {
		b.listed = true
		r.due = append(r.due, b)
	}
}

// emitDone sends what was found of b.
func (r *Recogniser) emitDone(b *button) {
	for i := range r.found {
		g := &r.found[i]
		fields := append(r.fields[:0], b.fields...)
		switch {
		case g.Clicks > 0:
			fields = append(fields, sources.Field{Name: sources.Clicks, Value: sources.Int(int64(g.Clicks))})
		case g.State != sources.Pressed && g.State != sources.Repeated:
			fields = append(fields, sources.Field{Name: sources.HeldMS, Value: sources.Int(g.Held.Milliseconds())})
		}
		if b.key.kind != "line" && b.key.kind != "lines" {
			fields = append(fields, sources.Field{Name: sources.Others, Value: sources.Int(int64(b.othersDown()))})
		}
		r.fields = fields
		r.event = b.event
		r.event.Topic = sources.Topic{Kind: b.key.kind, Name: b.key.name, State: g.State}
		r.event.Time, r.event.Fields, r.event.Press = g.At, fields, sources.NoPress
		r.emit(&r.event)
	}
}

// othersDown is how many keys of the device are down beside the button's own.
func (b *button) othersDown() int {
	own := 0
	if b.isDown {
		own = 1
	}
	if len(b.parts) > 0 {
		own = 0
		for _, m := range b.parts {
			if m.isDown && m.others == b.others {
				own++
			}
		}
	}
	if b.others == nil {
		return 0
	}
	return *b.others - own
}

// button returns the button that e is of.
func (r *Recogniser) button(e *sources.Event) *button {
	k := key{e.Topic.Kind, e.Topic.Name, e.Source}
	b := r.buttons[k]
	if b != nil && slices.Equal(b.names, e.Names) {
		return b
	}
	if b == nil {
		return r.newButton(k, e.Names)
	}
	// Its device is another one, or has another name.
	b.names = e.Names
	b.ask(r.wantsOf(b), e.Time)
	r.enrol(b)
	return b
}

func (r *Recogniser) newButton(k key, names []string) *button {
	b := &button{key: k, names: names}
	if b.others = r.down[k.source]; b.others == nil {
		b.others = new(int)
		r.down[k.source] = b.others
	}
	r.buttons[k] = b
	b.ask(r.wantsOf(b), 0)
	r.enrol(b)
	return b
}

// wantsOf gathers what is wanted of b; nil if nothing is.
func (r *Recogniser) wantsOf(b *button) *wants {
	t := r.timing(b.key.kind, b.key.name)
	w := &wants{gap: t.ClickGap}
	for _, want := range r.wants[subject{b.key.kind, b.key.name}] {
		if want.Group == nil && want.From != "" && !slices.Contains(b.names, want.From) {
			continue
		}
		for n := len(w.clicks) + 1; n <= want.Clicks; n++ {
			w.clicks = append(w.clicks, sources.ClickState(n))
		}
		for _, h := range want.Holds {
			w.addStage(h, t.Hold)
		}
	}
	if w.clicks == nil && w.stages == nil {
		return nil
	}
	return w
}

func (w *wants) addStage(h sources.Hold, byDefault time.Duration) {
	s := holdStep{state: h.State(), first: h.For, repeat: h.Repeat}
	if s.first == 0 {
		s.first = byDefault
	}
	if !slices.Contains(w.stages, s) {
		w.stages = append(w.stages, s)
	}
}

// remember keeps e for what will be told of the button later.
func (b *button) remember(e *sources.Event) {
	b.fields = append(b.fields[:0], e.Fields...)
	b.event = *e
	b.event.Fields = nil
}

func (r *Recogniser) turn(e *sources.Event) {
	enc := r.encoders[e.Topic.Name]
	if enc == nil {
		return
	}
	step := enc.Next(e.Phase)
	if step == 0 {
		return
	}
	state := sources.Clockwise
	if step < 0 {
		state = sources.CounterClockwise
	}
	r.event = *e
	r.event.Phase, r.event.Topic.State = 0, state
	r.fields = append(append(r.fields[:0], e.Fields...),
		sources.Field{Name: sources.Direction, Value: sources.Text(state)},
		sources.Field{Name: sources.Steps, Value: sources.Int(1)})
	r.event.Fields = r.fields
	r.emit(&r.event)
}
