// SPDX-License-Identifier: MIT

// What a list of actions sends to other rules, as far as that is known before
// it is done.

package action

import (
	"slices"
	"time"

	"reflexd/agent/expand"
	"reflexd/sources"
)

// Sends returns the events that l sends as soon as it is begun, before it
// waits for anything, with those of their fields whose values are known.
func (l List) Sends() []*sources.Event {
	var sent []*sources.Event
	for _, step := range l {
		switch a := step.Action.(type) {
		case *emit:
			e := NewEvent(a.name, 0)
			addKnown(e, a.fields)
			sent = append(sent, e)
		case *setVars:
			for _, name := range a.names {
				e := &sources.Event{Topic: sources.Topic{Kind: "var", Name: name, State: "changed"}}
				addKnown(e, map[string]*variable{"VAR": {value: expand.Literal(name)}})
				if v := a.values[name]; !v.long {
					addKnown(e, map[string]*variable{"VALUE": &v.variable})
				}
				sent = append(sent, e)
			}
		}
		if !step.atOnce() {
			return sent
		}
	}
	return sent
}

func addKnown(e *sources.Event, fields map[string]*variable) {
	for name, v := range fields {
		if !v.value.HasFields() {
			e.Fields = append(e.Fields, sources.Field{Name: name, Value: sources.Text(v.value.Expand(e))})
		}
	}
}

// Alters reports whether l, as soon as it is begun, makes the variable another one
// whatever it is: adds to it without a limit, or toggles it.
func (l List) Alters(name string) bool {
	for _, step := range l {
		if a, ok := step.Action.(*setVars); ok && a.values[name] != nil && a.values[name].goesOn() {
			return true
		}
		if !step.atOnce() {
			return false
		}
	}
	return false
}

// atOnce reports whether the step is over as soon as it is begun.
func (s Step) atOnce() bool {
	switch s.Action.(type) {
	case *emit, *logLine, *set, *pulse, *blink, *setVars, *switchRule:
		return true
	}
	return false
}

// Waits reports whether l waits for something.
func (l List) Waits() bool {
	for _, step := range l {
		if !step.atOnce() {
			return true
		}
	}
	return false
}

// WaitsFirst returns for how long l waits before it does anything, 0 if it does
// something at once.
func (l List) WaitsFirst() time.Duration {
	if len(l) > 0 {
		if a, ok := l[0].Action.(*wait); ok {
			return a.span
		}
	}
	return 0
}

// Restores reports whether l switches an output off or sets a variable, as the
// end of what an earlier rule began.
func (l List) Restores() bool {
	return slices.ContainsFunc(l, func(step Step) bool {
		if a, ok := step.Action.(*set); ok {
			return a.to == sources.Off
		}
		_, ok := step.Action.(*setVars)
		return ok
	})
}

// Disables reports whether l disables a rule.
func (l List) Disables() bool {
	for _, step := range l {
		if a, ok := step.Action.(*switchRule); ok && len(a.disable) > 0 {
			return true
		}
	}
	return false
}

// Emits returns the names of all events that l sends with emit.
func (l List) Emits() []string {
	var names []string
	for _, step := range l {
		if a, ok := step.Action.(*emit); ok {
			names = append(names, a.name)
		}
	}
	return names
}
