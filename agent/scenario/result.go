// SPDX-License-Identifier: MIT

// Results: what actions come to that a test does not really carry out.

package scenario

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"reflexd/agent"
	"reflexd/agent/action"
	"reflexd/config"
	"reflexd/sources"
)

// result is what an action comes to.
type result struct {
	action config.Node
	exit   int
	fails  string
	output string
	after  time.Duration
}

// ResultFields are the keys of a result beside the action, for the reference.
func ResultFields() []config.Field { return new(result).fields() }

func (r *result) fields() []config.Field {
	return []config.Field{
		{Name: "exit", Doc: "the exit status of a program", Default: "0", Value: config.Int(&r.exit, 0, 255)},
		{Name: "fails", Doc: "why it fails", Value: config.Word(&r.fails, "a reason")},
		{Name: "output", Doc: "what a program prints", Value: config.Text(&r.output)},
		{Name: "after", Doc: "how long it takes", Default: "0s", Value: config.Duration(&r.after)},
	}
}

// value reads a result: an action, or a part of one, and what it comes to.
func (r *result) value() config.Value {
	own := r.fields()
	choice := oneOf("action", actionParts(), own)
	shape := choice.Shape()
	shape.Type = "result"
	return config.Func(shape, func(n config.Node, ps *config.Problems) {
		choice.Read(n, ps)
		r.action = n
		r.action.Entries = slices.DeleteFunc(slices.Clone(n.Entries), func(e config.Entry) bool {
			return slices.ContainsFunc(own, func(f config.Field) bool { return f.Name == e.Key })
		})
	})
}

// deed is an action that was done.
type deed struct {
	at        time.Duration
	rule      string
	text      config.Node // as it was written, with its fields filled in
	mentioned bool        // by an expectation
	answered  bool        // a send, by a step
}

// Inside reports whether an action, of which text is how it is written, only
// changes what is inside of the simulation, and so is really done.
func Inside(sim *agent.Simulation, kind string, text config.Node) bool {
	if text.Kind == config.Map && len(text.Entries) > 1 {
		text = only(kind, text)
	}
	if len(text.Entries) == 0 {
		return false
	}
	value := text.Entries[0].Value
	switch kind {
	case "set", "pulse", "blink", "fade":
		return has(value, "line") || has(value, "pwm")
	case "log", "emit", "wait", "var", "counter", "rule":
		return true
	case "mount", "unmount", "eject":
		long := longForm(kind, value)
		i := slices.IndexFunc(long.Entries, func(e config.Entry) bool { return e.Key == mainKeys[kind] })
		return i >= 0 && sim.Mounts(long.Entries[i].Value.Text)
	}
	return false
}

// act carries out an action, as action.Env.Act is to do.
func (p *play) act(r *action.Run, step *action.Step) (action.Pending, error, bool) {
	d := &deed{at: p.sim.Now(), rule: r.Rule, text: only(step.Kind, filled(step.Text, func(text string) string { return p.sim.Fill(text, r.Event) }))}
	p.done = append(p.done, d)
	p.tracef("do", "%s, by rule %q", d.text, d.rule)
	i := slices.IndexFunc(p.test.results, func(x *result) bool { return matches(x.action, d.text) })
	if i >= 0 {
		return p.comeTo(p.test.results[i], r, step, d)
	}
	return nil, nil, !Inside(p.sim, step.Kind, d.text)
}

// only leaves the telling key of an action alone.
func only(kind string, n config.Node) config.Node {
	n.Entries = slices.DeleteFunc(slices.Clone(n.Entries), func(e config.Entry) bool { return e.Key != kind })
	return n
}

// comeTo has an action come to x, when its time is over. One that succeeds
// inside of the simulation is really done then.
func (p *play) comeTo(x *result, r *action.Run, step *action.Step, d *deed) (action.Pending, error, bool) {
	err := x.failure()
	after := x.after
	if bounded, ok := step.Action.(interface{ Bound() time.Duration }); ok {
		if bound := bounded.Bound(); bound > 0 && after > bound {
			after, err = bound, fmt.Errorf("timed out after %v (raise `timeout:` in the rule)", bound)
		}
	}
	say := func() {
		for line := range strings.Lines(x.output) {
			p.log.Info("output", "rule", r.Rule, "line", strings.TrimSuffix(line, "\n"))
		}
	}
	inside := err == nil && Inside(p.sim, step.Kind, d.text)
	if after == 0 {
		say()
		return nil, err, !inside
	}
	e := &ending{}
	e.timer = r.Env.Loop.After(after, func() {
		say()
		if inside {
			e.inner, err = step.Action.Start(r)
		}
		if e.inner == nil {
			r.Finish(err)
		}
	})
	return e, nil, true
}

func (x *result) failure() error {
	switch {
	case x.fails != "":
		return errors.New(x.fails)
	case x.exit != 0:
		return fmt.Errorf("exit status %d", x.exit)
	}
	return nil
}

// ending is an action that takes its time.
type ending struct {
	timer sources.Timer
	inner action.Pending // what it does at last; nil before, and if that is over at once
}

// Stop implements action.Pending.
func (e *ending) Stop() (gone bool) {
	if e.inner != nil {
		return e.inner.Stop()
	}
	return e.timer.Stop()
}
