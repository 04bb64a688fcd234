// SPDX-License-Identifier: MIT

// The action var: variables.

package action

import (
	"maps"
	"slices"
	"strings"

	"reflexd/agent/expand"
	"reflexd/config"
	"reflexd/sources"
)

var varKind = Kind{
	Key:  "var",
	Also: "vars variable assign",
	Doc:  "set variables; a change fires rules on `var`",
	New: func() (config.Value, func(*Check) Action) {
		a := &setVars{}
		at := func(v *variable) *config.Pos { return &v.pos }
		value := func(_ string, v *variable) config.Value { return expand.Value(&v.value) }
		return config.Whole(&a.whole, config.At(&a.pos, config.MapOf(&a.values, at, value))), a.check
	},
}

type setVars struct {
	pos    config.Pos
	whole  bool // it was read without complaint
	values map[string]*variable
	names  []string // of values, sorted
}

func (a *setVars) check(c *Check) Action {
	if a.names = slices.Sorted(maps.Keys(a.values)); len(a.names) == 0 && a.whole {
		c.Problems.Errorf(a.pos, "expected variables with their values, such as {mode: night}")
	}
	for _, name := range a.names {
		v := a.values[name]
		c.Text(v.value)
		err := c.Vars.Declares(name)
		if err == nil && !v.value.HasFields() {
			err = c.Vars.Allows(name, v.value.Expand(&sources.Event{}))
		}
		if err != nil {
			c.Problems.Errorf(v.pos, "%v", err)
		}
	}
	return a
}

// Describe implements Action.
func (a *setVars) Describe(e *sources.Event) string {
	var all []string
	for _, name := range a.names {
		all = append(all, name+" to "+a.values[name].value.Expand(e))
	}
	return "set " + strings.Join(all, ", ")
}

// Start implements Action. If one of the values is not allowed, none is set.
func (a *setVars) Start(r *Run) (Pending, error) {
	values := make([]string, len(a.names))
	for i, name := range a.names {
		values[i] = a.values[name].value.Expand(r.Event)
		if err := r.Env.Vars.Allows(name, values[i]); err != nil {
			return nil, err
		}
	}
	for i, name := range a.names {
		if err := r.Env.Vars.Set(name, values[i], r.Chain()); err != nil {
			return nil, err
		}
	}
	return nil, nil
}
