// SPDX-License-Identifier: MIT

// What rules ask of variables: the trigger and the condition `var`.

package vars

import (
	"slices"

	"reflexd/config"
	"reflexd/sources"
)

// asked is a variable with what it must be.
type asked struct {
	plan   *Plan
	name   string
	nameAt config.Pos
	is     sources.Test
	isAt   config.Pos // without a line if anything will do
	sources.LastingSpec
}

// fields returns the YAML fields of a. what says when `is` is looked at.
func (a *asked) fields(what string, isNeeded bool) []config.Field {
	return []config.Field{
		{Name: "var", Doc: "the name of a variable under `vars`", Required: true,
			Value: config.At(&a.nameAt, config.Word(&a.name, "the name of a variable"))},
		{Name: "is", Doc: what + ": a value, a pattern, a list, {not: …}, {above: N}, {below: N}", Required: isNeeded,
			Value: config.At(&a.isAt, sources.TestValue(&a.is))},
	}
}

// check complains of names and values that nothing declares, and of a test
// that none of the variable's values passes.
func (a *asked) check(ps *config.Problems) {
	if a.name == "" {
		return // complained of while reading
	}
	if err := a.plan.Declares(a.name); err != nil {
		ps.Errorf(a.nameAt, "%v", err)
		return
	}
	a.is.Bind(a.plan.resolve)
	v := a.plan.vars[a.name]
	if v.values == nil || a.isAt.Line == 0 || a.is.Refers() {
		return
	}
	known := true
	for _, text := range a.is.Literals() {
		if err := v.allows(text); err != nil {
			ps.Errorf(a.isAt, "%s: %v", a.name, err)
			known = false
		}
	}
	if known && !slices.ContainsFunc(v.values, a.is.Holds) {
		ps.Errorf(a.isAt, "%s: none of its values matches %q", a.name, v.values)
	}
}

// Triggers implements sources.Plan.
func (p *Plan) Triggers() []sources.TriggerKind {
	return []sources.TriggerKind{{
		Key: "var", Doc: "a variable changed; setting its current value again is no change",
		Fields: []string{"VAR", "VALUE", "PREVIOUS"},
		New: func() ([]config.Field, func(*sources.Trigger, *config.Problems)) {
			a, c := &asked{plan: p}, &crossing{}
			fields := append(a.fields("its new value, by default any", false), c.limit.LatchFields(&c.at)...)
			return append(fields, a.LastingSpec.Fields("a value")...), func(t *sources.Trigger, ps *config.Problems) {
				a.trigger(t, c.limit.Limited(), ps)
				c.restrict(p, a.name, t, ps)
			}
		},
	}}
}

func (a *asked) trigger(t *sources.Trigger, limited bool, ps *config.Problems) {
	a.check(ps)
	t.Topics = []sources.Topic{{Kind: "var", Name: a.name, State: "changed"}}
	a.LastingSpec.Compile(t, a.isAt.Line != 0 || limited, "VALUE` or `above: N", ps)
	switch {
	case a.isAt.Line == 0:
	case a.is.Refers():
		t.Restrict(a.matches)
	default:
		t.SelectWhere(a.is.Of("VALUE"), a.matches)
	}
}

// matches reports whether e is of a value that passes the test.
func (a *asked) matches(e *sources.Event) bool {
	value, known := e.Lookup("VALUE")
	return known && a.is.Holds(value.String())
}

// Conditions implements sources.Conditional.
func (p *Plan) Conditions() []sources.ConditionKind {
	return []sources.ConditionKind{{
		Key: "var", Doc: "the value of a variable",
		New: func() ([]config.Field, func(*config.Problems) sources.Question) {
			a := &asked{plan: p}
			q := sources.Question{Kind: "var"}
			return append(a.fields("what it must be", true), q.ForField()), func(ps *config.Problems) sources.Question {
				a.check(ps)
				if q.Name, q.Is = a.name, a.matches; q.For == 0 {
					q.Ask = a.holds // a rule sees at once what the one before it has set
				}
				return q
			}
		},
	}}
}

func (a *asked) holds() sources.Truth {
	value, ok := a.plan.value(a.name)
	if !ok {
		return sources.Unknown
	}
	return sources.Whether(a.is.Holds(value.String()))
}
