// SPDX-License-Identifier: MIT

// Notices: events and what rules made of them, for the clients that watch.
// Nothing here is done unless somebody watches, and all of it after the rules
// have acted.

package agent

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"reflexd/agent/action"
	"reflexd/agent/control"
	"reflexd/agent/rule"
	"reflexd/client"
	"reflexd/config"
	"reflexd/sources"
)

// notices are what rules made of the event whose turn it is. Its own notice
// comes before them.
type notices struct {
	hold bool // the rules are at it
	held [][2]*client.Notice
}

// watch makes a watcher of who asks.
func (a *Agent) watch(r control.Request, reply func(any, error)) {
	filter := &client.Filter{}
	if len(r.Arguments) > 0 {
		if err := json.Unmarshal(r.Arguments, filter); err != nil {
			reply(nil, fmt.Errorf("arguments of watch: %w", err))
			return
		}
	}
	if err := a.config.checkFilter(filter); err != nil {
		reply(nil, err)
		return
	}
	reply(filter, nil)
}

// checkFilter refuses names that nothing can have: somebody would wait for ever.
func (c *Configuration) checkFilter(f *client.Filter) error {
	for _, pattern := range slices.Concat(f.Names, f.Sources, f.Rules) {
		if !sources.ValidGlob(pattern) {
			return fmt.Errorf("%q is not a valid pattern", pattern)
		}
	}
	for _, name := range f.Names {
		if kind, rest, ok := qualified(name); ok && !sources.IsPattern(name) {
			if err := c.declares(kind, rest); err != nil {
				return err
			}
		}
	}
	var rules []string
	for _, r := range c.Rules {
		rules = append(rules, r.Name)
	}
	for _, pattern := range f.Rules {
		if !slices.ContainsFunc(rules, func(name string) bool { return sources.Glob(pattern, name) }) {
			return fmt.Errorf("no rule is called %q%s", pattern, config.Suggest(pattern, rules))
		}
	}
	return nil
}

// publish shows the watchers e, and then what rules made of it.
func (a *Agent) publish(e *sources.Event) {
	n := &a.notices
	n.hold = false
	a.tellBridge(e)
	if a.control == nil || !a.control.Watching() {
		return
	}
	open := eventNotice(e)
	a.control.Publish(open, a.mask(e, open))
	for i, held := range n.held {
		a.control.Publish(held[0], held[1])
		n.held[i] = [2]*client.Notice{}
	}
	n.held = n.held[:0]
}

// shownName returns the name in e's topic; "" for a key of a text that must not
// be shown.
func shownName(e *sources.Event) string {
	if e.Private {
		return ""
	}
	return e.Topic.Name
}

func eventNotice(e *sources.Event) *client.Notice {
	n := &client.Notice{Type: "event", Time: client.Seconds(e.Time), Kind: e.Topic.Kind, Name: shownName(e), State: e.Topic.State,
		Source: e.Source, Names: e.Names, Caused: e.Chain != nil, Fields: map[string]any{}}
	for _, f := range e.Fields {
		i, ok := f.Value.Int()
		switch {
		case f.Value.IsSecret():
			n.Masked = true
		case ok && f.Value == sources.Int(i):
			n.Fields[f.Name] = i
		default:
			n.Fields[f.Name] = f.Value.String()
		}
	}
	return n
}

// outcome shows the watchers what a rule made of an event.
func (a *Agent) outcome(rule string, e *sources.Event, o rule.Outcome, why string) {
	if !a.control.Watching() {
		return
	}
	n := &client.Notice{Type: "rule", Time: client.Seconds(a.loop.Now()), Kind: e.Topic.Kind, Name: shownName(e), State: e.Topic.State,
		Source: e.Source, Rule: rule, Outcome: string(o), Why: why, Of: client.Seconds(e.Time)}
	a.announce(e, n)
}

// Notice returns the notice of e, masked for those who may not see what is typed
// if masked is set. It is for the loop's thread.
func (a *Agent) Notice(e *sources.Event, masked bool) *client.Notice {
	n := eventNotice(e)
	if masked {
		return a.mask(e, n)
	}
	return n
}

// acted shows the watchers what an action of a rule came to.
func (a *Agent) acted(r *action.Run, step *action.Step, took time.Duration, err error) {
	a.runner.Acted(r, step, took, err)
	if r.Rule == "" || !a.control.Watching() {
		return
	}
	e, lasted := r.Event, client.Seconds(took)
	n := &client.Notice{Type: "action", Time: client.Seconds(a.loop.Now()), Kind: e.Topic.Kind, Name: shownName(e), State: e.Topic.State,
		Source: e.Source, Rule: r.Rule, Action: e.Conceal(step.Describe(e)), Took: &lasted}
	if err != nil {
		n.Why = e.Conceal(err.Error())
	}
	a.announce(e, n)
}

// announce shows the watchers n, which is about e, and after e itself.
func (a *Agent) announce(e *sources.Event, n *client.Notice) {
	pair := [2]*client.Notice{n, a.mask(e, n)}
	if a.notices.hold {
		a.notices.held = append(a.notices.held, pair)
		return
	}
	a.control.Publish(pair[0], pair[1])
}

// typed are the fields that say what somebody typed.
var typed = []string{"KEY", "CODE", "VALUE", "TEXT", "SCANCODE"}

// mask returns n, which is about e, as those see it who may not see what is
// typed: keys that no rule names, and text.
func (a *Agent) mask(e *sources.Event, n *client.Notice) *client.Notice {
	secretKey := e.Topic.Kind == "key" && !a.config.keys[e.Topic.Name]
	m := *n
	if n.Type == "action" { // as status has it: its words may be what an event brought
		m.Action, _, _ = strings.Cut(n.Action, " ")
	}
	switch {
	case secretKey || e.Topic.State == "typed":
	case n.Type == "action":
		return &m
	default:
		return n
	}
	m.Masked, m.Why = true, ""
	if secretKey {
		m.Name = ""
	}
	if n.Fields != nil {
		m.Fields = map[string]any{}
	}
	for name, v := range n.Fields {
		if !slices.Contains(typed, name) {
			m.Fields[name] = v
		}
	}
	return &m
}

// namedKeys returns the keys that triggers of rules name.
func namedKeys(rules []*rule.Rule) map[string]bool {
	keys := map[string]bool{}
	for _, r := range rules {
		for i := range r.Triggers {
			for _, topic := range r.Triggers[i].Topics {
				if topic.Kind == "key" {
					keys[topic.Name] = true
				}
			}
			for _, w := range r.Triggers[i].Wants {
				if w.Group != nil && w.Group.Kind == "key" {
					for _, member := range w.Group.Members {
						keys[member] = true
					}
				}
			}
		}
	}
	return keys
}
