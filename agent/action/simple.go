// SPDX-License-Identifier: MIT

// The actions that are done at once: log, emit.

package action

import (
	"maps"
	"slices"
	"time"

	"reflexd/agent/expand"
	"reflexd/config"
	"reflexd/sources"
)

var logKind = Kind{
	Key:   "log",
	Also:  "print echo message notify",
	Doc:   "write a line to the log",
	Brief: true,
	New: func() (config.Value, func(*Check) Action) {
		a := &logLine{}
		return expand.Value(&a.text), func(c *Check) Action {
			c.Text(a.text)
			return a
		}
	},
}

type logLine struct{ text expand.Text }

// Describe implements Action.
func (a *logLine) Describe(e *sources.Event) string { return "log " + a.text.Expand(e) }

// Start implements Action.
func (a *logLine) Start(r *Run) (Pending, error) {
	r.Env.Log.Info(r.Event.Conceal(a.text.Expand(r.Event)), "rule", r.Rule)
	return nil, nil
}

var emitKind = Kind{
	Key:  "emit",
	Also: "event fire trigger publish",
	Doc:  "send an event to rules with `event: NAME`",
	New: func() (config.Value, func(*Check) Action) {
		a := &emit{}
		name := config.Word(&a.name, "the name of an event")
		at := func(v *variable) *config.Pos { return &v.pos }
		value := func(_ string, v *variable) config.Value { return expand.Value(&v.value) }
		long := config.Object(
			config.Field{Name: "name", Doc: "the event's name", Required: true, Value: name},
			config.Field{Name: "fields", Doc: "its fields", Value: config.MapOf(&a.fields, at, value)})
		return config.Either(name, long), a.check
	},
}

type emit struct {
	name   string
	fields map[string]*variable
}

func (a *emit) check(c *Check) Action {
	for name, v := range a.fields {
		c.Text(v.value)
		if err := CheckField(name); err != nil {
			c.Problems.Errorf(v.pos, "%v", err)
		}
	}
	return a
}

// NewEvent returns the event NAME, sent at that time, still without fields.
func NewEvent(name string, at time.Duration) *sources.Event {
	return &sources.Event{
		Time:   at,
		Topic:  sources.Topic{Kind: "event", Name: name, State: "sent"},
		Source: "event:" + name,
	}
}

// Describe implements Action.
func (a *emit) Describe(*sources.Event) string { return "emit " + a.name }

// Start implements Action.
func (a *emit) Start(r *Run) (Pending, error) {
	e := NewEvent(a.name, r.Env.Loop.Now())
	e.Chain = r.Chain()
	for _, name := range slices.Sorted(maps.Keys(a.fields)) {
		e.Fields = append(e.Fields, sources.Field{Name: name, Value: a.fields[name].value.Secretly(r.Event)})
	}
	r.Env.Emit(e)
	return nil, nil
}
