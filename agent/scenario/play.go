// SPDX-License-Identifier: MIT

// Playing a test.

package scenario

import (
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"reflexd/agent"
	"reflexd/agent/rule"
	"reflexd/config"
	"reflexd/sources"
)

// Outcome is how a test went.
type Outcome struct {
	Test string
	File string
	Took time.Duration // in virtual time
	// At and Failure say which step failed, and how; Failure is "" if none did.
	At      config.Pos
	Failure string
	// Unmentioned is what was done and no expectation mentions, a line each.
	Unmentioned []string
	Trace       string
}

// play is a test that is being played.
type play struct {
	file *File
	test *Test
	sim  *agent.Simulation
	log  *slog.Logger

	shown    *Coverage
	done     []*deed
	expected int // how many of done there were at the last expectation
	trace    strings.Builder
}

// Play plays t, and adds what it shows of the rules to shown. It returns an error if its configuration cannot be used: a
// *config.Problems with what is wrong with it.
func (f *File) Play(t *Test, shown *Coverage) (*Outcome, error) {
	c, err := agent.LoadForSimulation(f.Config)
	if err != nil {
		return nil, err
	}
	p := &play{file: f, test: t, shown: shown}
	o := &Outcome{Test: t.Name, File: f.Path, At: t.Pos}
	if err := p.begin(c); err != nil {
		o.Failure = err.Error()
		return o, nil
	}
	defer p.sim.Close()
	if err := p.sim.Err(); err != nil {
		o.Failure = err.Error()
		p.end(o)
		return o, nil
	}
	for i, s := range t.steps {
		before := len(p.done)
		p.tracef("step", "%s", s.text)
		err := s.do(p)
		if endless := p.sim.Err(); endless != nil {
			err = endless
		}
		if err != nil {
			o.At, o.Failure = s.pos, err.Error()
			break
		}
		if f.Each != nil {
			f.Each(i, textsSince(p.done[before:]))
		}
	}
	p.end(o)
	return o, nil
}

func textsSince(done []*deed) []string {
	var all []string
	for _, d := range done {
		all = append(all, d.text.String())
	}
	return all
}

func (p *play) begin(c *agent.Configuration) error {
	wall, err := p.test.given.clock()
	if err != nil {
		return err
	}
	p.log = slog.New(slog.NewTextHandler(&traced{p}, &slog.HandlerOptions{ReplaceAttr: withoutTime}))
	p.sim, err = agent.NewSimulation(c, agent.SimulationOptions{
		Log: p.log, Wall: wall, Act: p.act,
		Outcome: p.outcome,
		Observe: func(e *sources.Event) { p.tracef("event", "%s", e.Describe()) },
		Given: func(s *agent.Simulation) error {
			p.sim = s
			p.shown.declare(c.Rules)
			return p.give(s)
		},
	})
	return err
}

// outcome notes what a rule made of an event. The trace has what kept one from
// firing; that it fired, the log says.
func (p *play) outcome(name string, e *sources.Event, o rule.Outcome, why string) {
	rules := p.sim.Configured()
	if i := slices.IndexFunc(rules, func(r *rule.Rule) bool { return r.Name == name }); i >= 0 {
		p.shown.note(rules[i], e, o, why)
	}
	switch o {
	case rule.Unmet:
		p.tracef("not", "rule %q: the condition at %s does not hold", name, why)
	case rule.Dropped:
		p.tracef("not", "rule %q: %s", name, why)
	}
}

// give has the simulation begin with what is given.
func (p *play) give(s *agent.Simulation) error {
	g := &p.test.given
	for _, kind := range []struct {
		words map[string]*word
		give  func(name, is string) error
	}{
		{g.vars, s.GiveVar},
		{g.lines, func(name, is string) error {
			on, err := config.ParseBool(is)
			if err == nil {
				err = s.GiveLine(name, on)
			}
			return err
		}},
		{g.inputs, func(name, is string) error {
			if is != "present" && is != "absent" {
				return fmt.Errorf("expected present or absent, found %q", is)
			}
			return s.GiveInput(name, is == "present")
		}},
		{g.links, func(name, is string) error { return s.Link(name, is) }},
		{g.sensors, s.GiveSensor},
		{g.counters, s.GiveCounter},
		{g.pwms, s.GivePWM},
	} {
		for _, name := range slices.Sorted(maps.Keys(kind.words)) {
			if err := kind.give(name, kind.words[name].text); err != nil {
				return fmt.Errorf("%s: %w", kind.words[name].at, err)
			}
		}
	}
	for _, point := range slices.Sorted(maps.Keys(g.mounts)) {
		if err := s.GiveMount(point, textsOf(g.mounts[point].fields)); err != nil {
			return fmt.Errorf("%s: %w", g.mounts[point].at, err)
		}
	}
	for _, device := range g.uevents {
		if err := s.GiveDevice(textsOf(device.values)); err != nil {
			return fmt.Errorf("%s: %w", device.at, err)
		}
	}
	return nil
}

// end fills in what is known at the end of a test.
func (p *play) end(o *Outcome) {
	o.Took, o.Trace = p.sim.Now(), p.trace.String()
	for _, d := range p.done {
		if !d.mentioned {
			o.Unmentioned = append(o.Unmentioned, fmt.Sprintf("%v %s, by rule %q", d.at, d.text, d.rule))
		}
	}
	if o.Failure == "" && p.test.strict && len(o.Unmentioned) > 0 {
		o.At, o.Failure = p.test.Pos, "strict: no `expect` mentions\n    "+strings.Join(o.Unmentioned, "\n    ")
	}
}

// reload swaps in another configuration.
func (p *play) reload(path string) error {
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(p.file.Path), path)
	}
	c, err := agent.LoadForSimulation([]string{path})
	if err != nil {
		return err
	}
	p.shown.declare(c.Rules)
	p.sim.Reload(c)
	return nil
}

// tracef adds a line to the trace.
func (p *play) tracef(what, format string, args ...any) {
	at := time.Duration(0)
	if p.sim != nil {
		at = p.sim.Now()
	}
	fmt.Fprintf(&p.trace, "%10v %-6s %s\n", at, what, fmt.Sprintf(format, args...))
}

// traced writes the log into the trace.
type traced struct{ play *play }

func (t *traced) Write(b []byte) (int, error) {
	t.play.tracef("log", "%s", strings.TrimSuffix(string(b), "\n"))
	return len(b), nil
}

func withoutTime(groups []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey && len(groups) == 0 {
		return slog.Attr{}
	}
	return a
}
