// SPDX-License-Identifier: MIT

// The action rule: which rules fire.

package action

import (
	"slices"
	"strings"

	"reflexd/config"
	"reflexd/sources"
)

var ruleKind = Kind{
	Key: "rule",
	Doc: "enable or disable rules, until a reload changes their `enabled` or the agent stops",
	New: func() (config.Value, func(*Check) Action) {
		a := &switchRule{}
		name := func(n *named) config.Value {
			return config.At(&n.at, config.Word(&n.name, "the name of a rule"))
		}
		return config.Whole(&a.whole, config.At(&a.pos, config.Object(
			config.Field{Name: "enable", Doc: "the name of a rule, or a list", Value: config.OneOrMore(&a.enable, name)},
			config.Field{Name: "disable", Doc: "the name of a rule, or a list: actions in progress finish", Value: config.OneOrMore(&a.disable, name)},
		))), a.check
	},
}

type switchRule struct {
	pos             config.Pos
	whole           bool // it was read without complaint
	enable, disable []named
}

// named is a name with its place.
type named struct {
	name string
	at   config.Pos
}

func (a *switchRule) check(c *Check) Action {
	if len(a.enable)+len(a.disable) == 0 && a.whole {
		c.Problems.Errorf(a.pos, "expected enable or disable with the name of a rule")
	}
	for _, n := range slices.Concat(a.enable, a.disable) {
		if n.name != "" && !slices.Contains(c.Rules, n.name) {
			c.Problems.Errorf(n.at, "no rule is called %q%s", n.name, config.Known(n.name, c.Rules))
		}
	}
	for _, n := range a.enable {
		if slices.ContainsFunc(a.disable, func(other named) bool { return other.name == n.name }) {
			c.Problems.Errorf(n.at, "the rule %q is both enabled and disabled", n.name)
		}
	}
	return a
}

// Describe implements Action.
func (a *switchRule) Describe(*sources.Event) string {
	var words []string
	for _, n := range a.enable {
		words = append(words, "enable "+n.name)
	}
	for _, n := range a.disable {
		words = append(words, "disable "+n.name)
	}
	return strings.Join(words, ", ")
}

// Start implements Action.
func (a *switchRule) Start(r *Run) (Pending, error) {
	for _, n := range a.enable {
		if err := r.Env.EnableRule(n.name, true); err != nil {
			return nil, err
		}
	}
	for _, n := range a.disable {
		if err := r.Env.EnableRule(n.name, false); err != nil {
			return nil, err
		}
	}
	return nil, nil
}
