// SPDX-License-Identifier: MIT

// Replay: the events of a recording, through a configuration and in virtual
// time. What recognisers, rules and clocks make of them is worked out again.

package recording

import (
	"errors"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"reflexd/agent"
	"reflexd/agent/action"
	"reflexd/agent/rule"
	"reflexd/agent/scenario"
	"reflexd/client"
	"reflexd/sources"
)

// Firing is what a rule made of an event.
type Firing struct {
	At    time.Duration // since the recording began
	Rule  string
	What  rule.Outcome
	Event string
	Why   string
}

// Replay is a recording that is being replayed.
type Replay struct {
	// Each, if not nil, is shown what rules do at its time; Pace is called
	// before time passes. Both are for a replay in real time.
	Each func(Firing)
	Pace func(time.Duration)
	// Now is what the rules did, Notes is what could not be replayed.
	Now   []Firing
	Notes []string

	recording *Recording
	sim       *agent.Simulation
	results   map[string][]client.Notice // of actions, by rules and what they do
	noted     map[string]bool
}

// Replay replays r with c, which must have been loaded by
// agent.LoadForSimulation.
func (r *Recording) Replay(c *agent.Configuration, p *Replay) error {
	p.recording, p.noted, p.results = r, map[string]bool{}, map[string][]client.Notice{}
	for _, n := range r.Notices {
		if n.Type == "action" {
			key := n.Rule + "\n" + n.Action
			p.results[key] = append(p.results[key], n)
		}
	}
	sim, err := agent.NewSimulation(c, agent.SimulationOptions{
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Wall: r.wall(), Outcome: p.outcome, Act: p.act, Past: r.past(c),
		Given: func(s *agent.Simulation) error { p.sim = s; p.give(s); return nil },
	})
	if err != nil {
		return err
	}
	p.sim = sim
	defer sim.Close()
	for i := range r.Notices {
		n := &r.Notices[i]
		if n.Type != "event" || r.at(n) < 0 {
			continue
		}
		if p.advance(r.at(n)); sim.Ended() {
			break
		}
		if err := p.apply(n); err != nil {
			p.note(err.Error())
		}
	}
	if end := len(r.Notices); end > 0 && !sim.Ended() { // for what came without an event
		p.advance(r.at(&r.Notices[end-1]) + tolerance)
	}
	return sim.Err()
}

// advance lets time pass up to at, since the recording began.
func (p *Replay) advance(at time.Duration) {
	if d := at - p.sim.Now(); d > 0 {
		if p.Pace != nil {
			p.Pace(d)
		}
		p.sim.Advance(d)
	}
}

// wall returns what the clock showed when r began.
func (r *Recording) wall() time.Time {
	t, err := time.Parse(time.RFC3339Nano, r.Head.Wall)
	if err != nil {
		return time.Unix(0, 0).UTC() // the clock was not set
	}
	if zone, err := time.LoadLocation(r.Head.Zone); err == nil && r.Head.Zone != "Local" && r.Head.Zone != "" {
		t = t.In(zone)
	}
	return t
}

// past returns what was before r began; nil for a recording that does not say, or
// was made without rules: the agent starts then.
func (r *Recording) past(c *agent.Configuration) *agent.Past {
	h := &r.Head
	const longest = 100 * 365 * 24 * time.Hour
	now := time.Duration(h.Time)
	if h.States == nil || len(h.Rules) == 0 || now <= 0 || now > longest {
		return nil
	}
	past := &agent.Past{Now: now, Started: min(max(1, time.Duration(h.Started)), now), Since: map[string]time.Duration{}}
	for _, l := range h.States {
		name := l.Name
		switch l.Kind {
		case "line":
			name = c.LineOf(name)
		case "switch":
			sw := agent.Switch{Name: name, On: l.State == sources.On}
			if len(l.Names) > 0 {
				if known := c.InputsOf("", "", l.Names); len(known) > 0 {
					sw.From = known[0]
				}
			}
			past.Switches = append(past.Switches, sw)
		}
		past.Since[l.Kind+" "+name] = time.Duration(l.Since)
	}
	return past
}

// give has the simulation begin as the recording did, as far as it has the same
// names.
func (p *Replay) give(s *agent.Simulation) {
	h := &p.recording.Head
	for _, kind := range []struct {
		states map[string]string
		give   func(name, is string) error
	}{
		{h.Lines, func(name, is string) error { return s.GiveLine(s.LineOf(name), is == "on") }},
		{h.Vars, s.GiveVar},
		{h.Sensors, s.GiveSensor},
		{h.Counters, s.GiveCounter},
		{h.PWM, s.GivePWM},
		{h.Inputs, func(name, is string) error { return s.GiveInput(name, is == "present") }},
		{h.Links, func(name, is string) error { return s.Link(name, is) }},
	} {
		for _, name := range slices.Sorted(maps.Keys(kind.states)) {
			if err := kind.give(name, kind.states[name]); err != nil {
				p.note(err.Error())
			}
		}
	}
	for _, l := range h.States {
		if l.Kind == "mount" && l.State == "mounted" {
			if err := s.GiveMount(l.Name, l.Fields); err != nil {
				p.note(err.Error())
			}
		}
	}
}

func (p *Replay) note(what string) {
	if !p.noted[what] {
		p.noted[what] = true
		p.Notes = append(p.Notes, what)
	}
}

// apply has happen what n reports, unless that follows from something else.
func (p *Replay) apply(n *client.Notice) error {
	if n.Masked {
		return errors.New("keys that no rule named were masked: record with --keys to have them replayed")
	}
	switch n.Kind {
	case "timer", "time", "sun", "lines", "keys", "counter":
		return nil // they follow
	case "line":
		if n.State != "rising" && n.State != "falling" {
			return nil
		}
		return p.sim.Level(p.sim.LineOf(n.Name), n.State == "rising")
	case "encoder":
		steps, _ := strconv.Atoi(text(n, sources.Steps))
		if n.State == sources.CounterClockwise {
			steps = -max(1, -steps, steps)
		}
		return p.sim.Turn(n.Name, steps)
	case "key", "switch", "axis":
		return p.applyInput(n)
	case "input":
		if n.State != "present" && n.State != "absent" {
			return nil
		}
		return p.sim.GiveInput(n.Name, n.State == "present")
	case "sensor":
		if n.State == "absent" {
			return p.sim.Sensor(n.Name, n.State, false)
		}
		return p.sim.Sensor(n.Name, text(n, "VALUE"), true)
	case "broker":
		return p.sim.Broker(n.State == "connected")
	case "link":
		return p.sim.Link(n.Name, n.State, eventOf(n).Fields...)
	case "event", "var":
		return p.applyCalled(n)
	case "agent":
		if n.State == "stopping" {
			p.sim.Stop()
		}
		return nil
	}
	p.sim.Emit(eventOf(n))
	return nil
}

// applyInput is apply for input devices.
func (p *Replay) applyInput(n *client.Notice) error {
	from := ""
	if names := p.sim.InputsOf(text(n, "DEVICE"), text(n, "NAME"), n.Names); len(names) > 0 {
		from = names[0]
		if err := p.sim.GiveInput(from, true); err != nil {
			return err
		}
	}
	value, _ := strconv.ParseInt(text(n, "VALUE"), 10, 32)
	switch {
	case n.Kind == "switch":
		return p.sim.Switch(from, n.Name, n.State == sources.On)
	case n.Kind == "axis":
		return p.sim.Axis(from, n.Name, int32(value))
	}
	values := map[string]int32{sources.Pressed: 1, sources.Released: 0, sources.Repeated: 2}
	if v, raw := values[n.State]; raw {
		return p.sim.Key(from, n.Name, v)
	}
	return nil // a click or the like, which follows
}

// applyCalled is apply for what rules do too: if one did, it does so again.
func (p *Replay) applyCalled(n *client.Notice) error {
	switch {
	case n.Caused:
		return nil
	case n.Kind == "var":
		return p.sim.SetVar(n.Name, text(n, "VALUE"))
	}
	return p.sim.Event(n.Name, eventOf(n).Fields)
}

// eventOf makes the event again that n was made of.
func eventOf(n *client.Notice) *sources.Event {
	e := &sources.Event{Topic: sources.Topic{Kind: n.Kind, Name: n.Name, State: n.State}, Source: n.Source, Names: n.Names, Standing: sources.NoState}
	if n.Kind == "mount" && n.State != "failed" {
		e.Standing = sources.Begins
	}
	for _, name := range slices.Sorted(maps.Keys(n.Fields)) {
		value := sources.Text(text(n, name))
		if f, ok := n.Fields[name].(float64); ok {
			value = sources.Int(int64(f))
		}
		e.Fields = append(e.Fields, sources.Field{Name: name, Value: value})
	}
	return e
}

// outcome takes note of what a rule does.
func (p *Replay) outcome(name string, e *sources.Event, o rule.Outcome, why string) {
	f := Firing{At: p.sim.Now(), Rule: name, What: o, Event: e.Describe(), Why: why}
	p.Now = append(p.Now, f)
	if p.Each != nil {
		p.Each(f)
	}
}

// act has an action come to what it came to on the board; one that did not
// happen there succeeds at once.
func (p *Replay) act(r *action.Run, step *action.Step) (action.Pending, error, bool) {
	if scenario.Inside(p.sim, step.Kind, step.Text) {
		return nil, nil, false
	}
	key := r.Rule + "\n" + step.Describe(r.Event)
	all := p.results[key]
	if len(all) == 0 {
		return nil, nil, true
	}
	p.results[key] = all[1:]
	var err error
	if all[0].Why != "" {
		err = errors.New(all[0].Why)
	}
	if all[0].Took == nil || *all[0].Took <= 0 {
		return nil, err, true
	}
	return ending{r.Env.Loop.After(p.left(&all[0]), func() { r.Finish(err) })}, nil, true
}

// busy is how much later a busy board may begin an action than virtual time does.
const busy = 500 * time.Millisecond

// left returns how long an action takes that begins now: until it ended on the
// board, if it began there a moment later than here, and else as long as there.
func (p *Replay) left(n *client.Notice) time.Duration {
	took, end := time.Duration(*n.Took), p.recording.at(n)
	if late := end - took - p.sim.Now(); late > 0 && late < busy {
		return end - p.sim.Now()
	}
	return took
}

// ending is an action that takes its time.
type ending struct{ timer sources.Timer }

// Stop implements action.Pending.
func (e ending) Stop() (gone bool) { return e.timer.Stop() }

// Recorded returns what the rules did when r was recorded; ok is false if it
// was recorded without rules.
func (r *Recording) Recorded() (all []Firing, ok bool) {
	var last *client.Notice            // the event that rules made something of
	late := map[string]time.Duration{} // by rules
	for i := range r.Notices {
		n := &r.Notices[i]
		if n.Type == "event" {
			last = n
		}
		if n.Type != "rule" || r.at(n) < 0 {
			continue
		}
		f := Firing{At: r.at(n), Rule: n.Rule, What: rule.Outcome(n.Outcome), Why: n.Why,
			Event: strings.Join(strings.Fields(n.Kind+" "+n.Name+" "+n.State), " ")}
		first := f.What == rule.Fired || f.What == rule.Unmet || f.What == rule.Dropped
		if n.Of > 0 {
			if first { // how late the agent was
				late[n.Rule] = max(0, time.Duration(n.Time-n.Of))
			}
			f.At -= late[n.Rule]
			all = append(all, f)
			continue
		}
		// One that has lasted for a time fires long after its event.
		if first && last != nil && f.At-r.at(last) < tolerance && last.Kind == n.Kind && last.Name == n.Name && last.State == n.State {
			f.At = r.at(last)
		}
		all = append(all, f)
	}
	return all, len(r.Head.Rules) > 0
}
