// SPDX-License-Identifier: MIT

// The trigger `input`: declared devices that come, go, fall silent and are
// used again.

package input

import (
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
	sources.LastingSpec
}

func (p *Plan) newInput() ([]config.Field, func(*sources.Trigger, *config.Problems)) {
	i := &inputTrigger{plan: p}
	word := func(s *string) config.Value { return config.OneOf(s, present, absent, idle, active, typedState) }
	fields := i.LastingSpec.Fields("present and absent")
	fields[0].Doc = "with idle: it sent no event for this time; with active: it was idle for at least this time; with present and absent: it must last this long"
	return append([]config.Field{
		{Name: "input", Doc: "the name of a device under `inputs`, or a list", Required: true, Value: config.OneOrMore(&i.inputs, sources.RefValue("the name of an input"))},
		{Name: "is", Doc: "its new state, one or a list", Required: true, Value: config.At(&i.at, config.OneOrMore(&i.is, word))},
	}, fields...), i.compile
}

func (i *inputTrigger) compile(t *sources.Trigger, ps *config.Problems) {
	timed := slices.Contains(i.is, idle) || slices.Contains(i.is, active)
	typing := slices.Contains(i.is, typedState)
	switch {
	case len(i.is) == 0:
	case timed && i.For < time.Millisecond:
		ps.Errorf(i.at, "idle and active need a time: for: 10m")
	case timed && slices.ContainsFunc(i.is, func(s string) bool { return s == present || s == absent }):
		ps.Errorf(i.at, "for has another meaning with idle and active than with present and absent: write two triggers")
	case timed:
		i.CheckForOnly("idle and active", ps)
	default:
		i.LastingSpec.Compile(t, !typing, present+"` and `is: "+absent, ps)
	}
	t.Fields = slices.DeleteFunc(slices.Clone(t.Fields), func(name string) bool {
		return name == idleMS && !timed || name == textField && !typing
	})
	for _, input := range i.inputs {
		i.plan.declared().One(input, ps)
		for _, state := range i.is {
			t.Topics = append(t.Topics, sources.Topic{Kind: "input", Name: input.Name, State: state})
		}
		if timed {
			i.plan.watchFor(input.Name, i.For)
		}
		if typing {
			i.plan.readText(input, ps)
		}
	}
	if timed {
		t.Select(i.idleLongEnough)
	}
}

// idleLongEnough distinguishes the idle event of this trigger's time from those of
// others'.
func (i *inputTrigger) idleLongEnough(e *sources.Event) bool {
	v, _ := e.Lookup(idleMS)
	ms, timed := v.Int()
	if e.Topic.State == idle {
		return ms == i.For.Milliseconds()
	}
	return e.Topic.State != active || timed && ms >= i.For.Milliseconds()
}

// readText has the texts read that the input types.
func (p *Plan) readText(o sources.Ref, ps *config.Problems) {
	if in := p.Inputs[o.Name]; in != nil && in.Text == nil {
		ps.Errorf(o.At, "the input %q reads no text: add `text: {layout: us}` to it", o.Name)
	}
	if p.typed == nil {
		p.typed = map[string]bool{}
	}
	p.typed[o.Name] = true
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
	// Of the first one that is there now; "" for none.
	bearer, bearerName string
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
	for name, p := range sources.InOrder(old) {
		if s.presences[name] != p {
			s.vanish(name)
		}
	}
}

// vanish emits that no input of that name is declared as it was.
func (s *source) vanish(name string) {
	s.host.Emit(&sources.Event{
		Time: s.host.Loop.Now(), Topic: sources.Topic{Kind: "input", Name: name}, Source: "input:" + name, Standing: sources.Vanishes,
	})
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
	s.findBearers()
	var news []string
	for name, p := range s.presences {
		if here := p.bearer != ""; (here || !busy) && (!p.known || here != p.here) {
			news = append(news, name)
		}
	}
	slices.Sort(news)
	for _, name := range news {
		p := s.presences[name]
		standing := sources.Begins
		if !p.known {
			standing = sources.Found
		}
		p.known, p.here = true, p.bearer != ""
		if p.here {
			p.path, p.device = p.bearer, p.bearerName
		}
		s.emitPresence(name, p, standing)
	}
}

func (s *source) emitPresence(name string, p *presence, standing sources.Standing) {
	now := s.host.Loop.Now()
	state := absent
	if p.here {
		state = present
	}
	s.emitInput(now, name, state, standing, -1)
	if v := s.idleWatches[name]; v != nil && p.here && standing == sources.Begins {
		v.life(now, now)
	}
}

// findBearers notes the first device that is there under each name.
func (s *source) findBearers() {
	for _, p := range s.presences {
		p.bearer, p.bearerName = "", ""
	}
	for _, n := range s.nodes {
		for _, name := range n.names {
			if p := s.presences[name]; n.id != nil && p != nil && (p.bearer == "" || byNumber(n.path, p.bearer) < 0) {
				p.bearer, p.bearerName = n.path, n.id.name
			}
		}
	}
	for _, r := range s.receivers {
		for _, name := range r.names {
			if p := s.presences[name]; r.fd >= 0 && p != nil && p.bearer == "" {
				p.bearer, p.bearerName = r.path, r.model
			}
		}
	}
}

// emitInput emits that the input came to a state. silent is for how long
// nothing had come of it; negative where that does not matter.
func (s *source) emitInput(at time.Duration, name, state string, standing sources.Standing, silent time.Duration) {
	fields := [...]sources.Field{
		{Name: "INPUT", Value: sources.Text(name)},
		{Name: "DEVICE", Value: sources.Text(s.presences[name].path)},
		{Name: "NAME", Value: sources.Text(s.presences[name].device)},
		{Name: idleMS, Value: sources.Int(silent.Milliseconds())},
	}
	e := sources.Event{
		Time: at, Topic: sources.Topic{Kind: "input", Name: name, State: state}, Source: "input:" + name, Fields: fields[:],
		Standing: standing,
	}
	if silent < 0 {
		e.Fields = fields[:3]
	}
	s.host.Emit(&e)
}
