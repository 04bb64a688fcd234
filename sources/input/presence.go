// SPDX-License-Identifier: MIT

// The trigger `input`: declared devices that come, go, fall silent and are
// used again.

package input

import (
	"maps"
	"slices"
	"time"

	"reflexd/config"
	"reflexd/sources"
)

// The states of a declared device.
const (
	present = "present"
	absent  = "absent"
	idle    = "idle"
	active  = "active"
)

// idleMS is the field of idle and active events that says for how many
// milliseconds nothing had come of the device.
const idleMS = "IDLE_MS"

// inputTrigger is one such trigger.
type inputTrigger struct {
	plan   *Plan
	inputs []sources.Ref
	is     []string
	at     config.Pos
	span   time.Duration
}

func (p *Plan) newInput() ([]config.Field, func(*sources.Trigger, *config.Problems)) {
	i := &inputTrigger{plan: p}
	word := func(s *string) config.Value { return config.OneOf(s, present, absent, idle, active) }
	return []config.Field{
		{Name: "input", Doc: "the name of a device under `inputs`, or a list", Required: true, Value: config.OneOrMore(&i.inputs, sources.RefValue("the name of an input"))},
		{Name: "is", Doc: "its new state, one or a list", Required: true, Value: config.At(&i.at, config.OneOrMore(&i.is, word))},
		{Name: "for", Doc: "with idle: it sent no event for this time; with active: it was idle for at least this time", Value: config.Duration(&i.span)},
	}, i.compile
}

func (i *inputTrigger) compile(t *sources.Trigger, ps *config.Problems) {
	timed := slices.Contains(i.is, idle) || slices.Contains(i.is, active)
	switch {
	case len(i.is) == 0:
	case timed && i.span < time.Millisecond:
		ps.Errorf(i.at, "idle and active need a time: for: 10m")
	case !timed && i.span > 0:
		ps.Errorf(i.at, "for goes with idle and active")
	}
	if !timed {
		t.Fields = slices.DeleteFunc(slices.Clone(t.Fields), func(name string) bool { return name == idleMS })
	}
	for _, input := range i.inputs {
		i.plan.declared().One(input, ps)
		for _, state := range i.is {
			t.Topics = append(t.Topics, sources.Topic{Kind: "input", Name: input.Name, State: state})
		}
		if timed {
			i.plan.watchFor(input.Name, i.span)
		}
		if slices.Contains(i.is, present) || slices.Contains(i.is, absent) {
			i.plan.comings = append(i.plan.comings, input.Name)
		}
	}
	if timed {
		t.Restrict(i.idleLongEnough)
	}
}

// idleLongEnough distinguishes the idle event of this trigger's time from those of
// others'.
func (i *inputTrigger) idleLongEnough(e *sources.Event) bool {
	v, _ := e.Lookup(idleMS)
	ms, timed := v.Int()
	if e.Topic.State == idle {
		return ms == i.span.Milliseconds()
	}
	return e.Topic.State != active || timed && ms >= i.span.Milliseconds()
}

// watchFor has the input of that name watched for being idle for span.
func (p *Plan) watchFor(name string, span time.Duration) {
	if p.silences == nil {
		p.silences = map[string][]time.Duration{}
	}
	span = span.Truncate(time.Millisecond)
	if at, ok := slices.BinarySearch(p.silences[name], span); !ok {
		p.silences[name] = slices.Insert(p.silences[name], at, span)
	}
}

// presence is what is known of a declared device as a whole.
type presence struct {
	input *Input
	known bool // not before all devices have been looked at once
	here  bool
	// Of the device that was there last; "" before the first.
	path, device string
}

// expect makes s emit the inputs of the plan. What is known of those that
// are declared as before stays known.
func (s *source) expect() {
	old := s.presences
	s.presences = map[string]*presence{}
	for name, in := range s.plan.Inputs {
		p := old[name]
		if p == nil || !p.input.same(in) {
			p = &presence{}
		}
		p.input = in
		s.presences[name] = p
	}
}

// same reports whether two declarations mean the same devices.
func (in *Input) same(other *Input) bool {
	return in.Name == other.Name && in.Phys == other.Phys && in.Uniq == other.Uniq && in.Path == other.Path &&
		in.ID == other.ID && slices.Equal(in.Has, other.Has)
}

// notice emits inputs that came or went since it was last called. While
// devices are being looked at nobody is found absent: it may be one of them.
func (s *source) notice() {
	busy := s.looking()
	for _, name := range slices.Sorted(maps.Keys(s.presences)) {
		p, n := s.presences[name], s.bearer(name)
		here := n != nil
		if !here && busy || p.known && here == p.here {
			continue
		}
		news := p.known
		p.known, p.here = true, here
		if here {
			p.path, p.device = n.path, n.id.name
		}
		if news {
			s.emitPresence(name, p)
		}
	}
}

func (s *source) emitPresence(name string, p *presence) {
	now := s.host.Loop.Now()
	state := absent
	if p.here {
		state = present
	}
	if slices.Contains(s.plan.comings, name) {
		s.emitInput(now, name, state, -1)
	}
	if v := s.idleWatches[name]; v != nil && p.here {
		v.life(now, now)
	}
}

// bearer returns a node that is declared under the name, nil without one.
func (s *source) bearer(name string) *node {
	for _, path := range s.paths() {
		if n := s.nodes[path]; n.id != nil && slices.Contains(n.names, name) {
			return n
		}
	}
	return nil
}

// isPresent reports whether the declared device is there; it is not ok before
// that is known. A nil source knows nothing.
func (s *source) isPresent(name string) (here, ok bool) {
	if s == nil {
		return false, false
	}
	p := s.presences[name]
	return p != nil && p.here, p != nil && p.known
}

// emitInput emits that the input came to a state. silent is for how long
// nothing had come of it; negative where that does not matter.
func (s *source) emitInput(at time.Duration, name, state string, silent time.Duration) {
	fields := [...]sources.Field{
		{Name: "INPUT", Value: sources.Text(name)},
		{Name: "DEVICE", Value: sources.Text(s.presences[name].path)},
		{Name: "NAME", Value: sources.Text(s.presences[name].device)},
		{Name: idleMS, Value: sources.Int(silent.Milliseconds())},
	}
	e := sources.Event{
		Time: at, Topic: sources.Topic{Kind: "input", Name: name, State: state}, Source: "input:" + name, Fields: fields[:],
	}
	if silent < 0 {
		e.Fields = fields[:3]
	}
	s.host.Emit(&e)
}
