// SPDX-License-Identifier: MIT

// The action counter: makes the totals of counters what meters read.

package action

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"reflexd/agent/expand"
	"reflexd/config"
	"reflexd/sources"
)

var counterKind = Kind{
	Key: "counter",
	Doc: "set the totals of counters to readings: {gas: 1234.5}",
	New: func() (config.Value, func(*Check) Action) {
		a := &setCounters{}
		at := func(v *variable) *config.Pos { return &v.pos }
		return config.At(&a.pos, config.MapOf(&a.values, at, func(_ string, v *variable) config.Value { return expand.Value(&v.value) })), a.check
	},
}

type setCounters struct {
	pos    config.Pos
	values map[string]*variable
	names  []string // of values, sorted
}

func (a *setCounters) check(c *Check) Action {
	a.names = slices.Sorted(maps.Keys(a.values))
	for _, name := range a.names {
		v := a.values[name]
		c.Counters.Declared().One(sources.Ref{Name: name, At: v.pos}, c.Problems)
		c.Text(v.value)
		if !v.value.HasFields() {
			if _, err := reading(v.value.String()); err != nil {
				c.Problems.Errorf(v.pos, "%s: %v", name, err)
			}
		}
	}
	return a
}

// reading reads what a meter reads.
func reading(text string) (sources.Number, error) {
	n, ok := sources.ParseNumber(text)
	if !ok {
		return n, fmt.Errorf("expected a number, found %.60q", text)
	}
	return n, nil
}

// Describe implements Action.
func (a *setCounters) Describe(e *sources.Event) string {
	var words []string
	for _, name := range a.names {
		words = append(words, name+" to "+a.values[name].value.Expand(e))
	}
	return "set counter " + strings.Join(words, ", ")
}

// Start implements Action. If one of the readings is no number, no counter is set.
func (a *setCounters) Start(r *Run) (Pending, error) {
	r.own()
	readings := make([]sources.Number, len(a.names))
	for i, name := range a.names {
		var err error
		if readings[i], err = reading(a.values[name].value.Expand(r.Event)); err != nil {
			return nil, fmt.Errorf("set counter %s: %w", name, err)
		}
	}
	for i, name := range a.names {
		if err := r.Env.Counters.Set(name, readings[i]); err != nil {
			return nil, fmt.Errorf("set counter %s: %w", name, err)
		}
	}
	return nil, nil
}
