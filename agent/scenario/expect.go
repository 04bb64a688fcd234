// SPDX-License-Identifier: MIT

// Expectations: what must have been done, and what must be so.

package scenario

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"reflexd/agent/action"
	"reflexd/config"
)

// expectation is one thing that is expected.
type expectation struct {
	text string
	// done is an action that must have been done; nil for what must be so.
	done *config.Node
	// so says what is otherwise, "" if it is so.
	so func(p *play) (string, error)
}

const nothing = "nothing"

func expectStep(string) ([]config.Field, func(*play) error) {
	var all []*expectation
	var within time.Duration
	none := false
	list := config.OneOrMore(&all, func(p **expectation) config.Value {
		*p = &expectation{}
		return (*p).value()
	})
	value := config.Func(config.Shape{Type: "`nothing`, an action, a state, or a list"}, func(n config.Node, ps *config.Problems) {
		if none = n.Kind == config.Scalar && n.Text == nothing; !none {
			list.Read(n, ps)
		}
	})
	return []config.Field{
		{Name: "expect", Required: true, Value: value},
		{Name: "within", Doc: "it may still come in this time; time passes until it does", Value: config.Duration(&within)},
	}, func(p *play) error { return p.expect(all, none, within) }
}

// value reads an expectation.
func (x *expectation) value() config.Value {
	return config.Func(config.Shape{Type: "an action, or a state"}, func(n config.Node, ps *config.Problems) {
		x.text = n.String()
		switch {
		case n.Kind != config.Map || len(n.Entries) == 0:
			ps.Errorf(n.Pos, "expected an action such as {run: [poweroff]}, a state such as {line: lamp, is: on}, or `nothing`, found %s", n.Found())
		case has(n, "is"), has(n, "fired"):
			x.readState(n, ps)
		case len(n.Entries) != 1 || !slices.Contains(action.Kinds(), n.Entries[0].Key):
			e := n.Entries[0]
			ps.Errorf(e.At, "no action is called %q%s", e.Key, config.Known(e.Key, action.Kinds()))
		default:
			x.done = &n
		}
	})
}

func has(n config.Node, key string) bool {
	return slices.ContainsFunc(n.Entries, func(e config.Entry) bool { return e.Key == key })
}

// stateKinds are what an expectation may say of now.
var stateKinds = []string{"line", "var", "link", "input", "switch", "key", "mount", "sensor", "pwm"}

// StateKinds lists them for the reference.
func StateKinds() string { return "`" + strings.Join(stateKinds, "`, `") + "`" }

// readState reads {line: NAME, is: on} and {rule: NAME, fired: 2}.
func (x *expectation) readState(n config.Node, ps *config.Problems) {
	var name, is string
	var fired int
	var variants []config.Variant
	for _, kind := range stateKinds {
		variants = append(variants, config.Variant{Key: kind, Fields: func() []config.Field { return stateFields(kind, &name, &is) }})
	}
	rule := []config.Field{
		{Name: "rule", Required: true, Value: config.Word(&name, "the name of a rule")},
		{Name: "fired", Doc: "how often, since the test began", Required: true, Value: config.Int(&fired, 0, 1_000_000)},
	}
	variants = append(variants, config.Variant{Key: "rule", Fields: func() []config.Field { return rule }})
	config.Choice("state", variants, nil, func(key string, _ config.Pos) []config.Field {
		if key == "rule" {
			x.so = func(p *play) (string, error) { return p.ruleFired(name, fired) }
			return rule
		}
		x.so = func(p *play) (string, error) { return p.stateIs(key, name, is) }
		return stateFields(key, &name, &is)
	}).Read(n, ps)
}

func stateFields(kind string, name, is *string) []config.Field {
	return []config.Field{
		{Name: kind, Required: true, Value: config.Word(name, "its name")},
		{Name: "is", Required: true, Value: config.Text(is)},
	}
}

func (p *play) ruleFired(name string, want int) (string, error) {
	s, err := p.sim.Rule(name)
	if err != nil || s.Fired == want {
		return "", err
	}
	return fmt.Sprintf("rule %s has fired %s", strconv.Quote(name), times(s.Fired)), nil
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprint(n, " times")
}

func (p *play) stateIs(kind, name, want string) (string, error) {
	is := p.sim.State(kind, name)
	switch kind {
	case "line":
		on, known := p.sim.LineState(name)
		if !known {
			return "", fmt.Errorf("no line %q is declared", name)
		}
		is = map[bool]string{true: "on", false: "off"}[on]
	case "pwm":
		level, known := p.sim.PWMLevel(name)
		if !known {
			return "", fmt.Errorf("no pwm output %q is declared", name)
		}
		is = level
	case "var":
		value, err := p.sim.VarValue(name)
		if err != nil {
			return "", err
		}
		is = value
	}
	switch {
	case is == want:
		return "", nil
	case is == "":
		return fmt.Sprintf("the state of %s %s is not known", kind, name), nil
	}
	return fmt.Sprintf("%s %s is %s", kind, name, strconv.Quote(is)), nil
}

// expect waits for what is expected, and complains if it does not come.
func (p *play) expect(all []*expectation, none bool, within time.Duration) error {
	deadline := p.sim.Now() + within
	c := &checking{play: p, seen: p.expected}
	for _, x := range all {
		if x.done != nil {
			c.deeds = append(c.deeds, x)
		} else {
			c.states = append(c.states, x)
		}
	}
	for {
		last := p.sim.Now() >= deadline || p.sim.Ended()
		amiss, err := c.check(none)
		switch {
		case err != nil:
			return err
		case amiss != nil && (last || none):
			return amiss
		case amiss == nil && (last || !none):
			p.expected = len(p.done)
			for _, d := range c.found {
				d.mentioned = true
			}
			return nil
		}
		p.sim.AdvanceToNext(deadline)
	}
}

// checking is what one `expect` asks for. What was done is looked at once,
// however often it is checked.
type checking struct {
	*play
	deeds, states []*expectation
	found         []*deed // what was done of deeds
	seen          int     // how many of done were looked at
}

// check says what is not as expected now, nil if all is. The error says that
// something can never be.
func (c *checking) check(none bool) (amiss, err error) {
	since := c.done[c.expected:]
	if none {
		if len(since) > 0 {
			amiss = &unlike{expected: nothing, done: since}
		}
		return amiss, nil
	}
	for ; c.seen < len(c.done) && len(c.found) < len(c.deeds); c.seen++ {
		if d := c.done[c.seen]; matches(*c.deeds[len(c.found)].done, d.text) {
			c.found = append(c.found, d)
		}
	}
	if n := len(c.found); n < len(c.deeds) {
		return &unlike{expected: c.deeds[n].text, done: since, at: c.sim.Now()}, nil
	}
	for _, x := range c.states {
		if is, err := x.so(c.play); err != nil || is != "" {
			return &unlike{expected: x.text, is: is}, err
		}
	}
	return nil, nil
}

// unlike is something that was expected, and is not so or was not done.
type unlike struct {
	expected, is string
	done         []*deed // rather
	at           time.Duration
}

// mostListed is how many actions an error lists.
const mostListed = 40

func (u *unlike) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "expected %s; ", u.expected)
	switch {
	case u.is != "":
		b.WriteString(u.is)
	case len(u.done) == 0:
		fmt.Fprintf(&b, "at %v nothing was done since the step before", u.at)
	default:
		b.WriteString("done was:")
		last := u.done
		if more := len(u.done) - mostListed; more > 0 {
			fmt.Fprintf(&b, "\n    %d actions, and then", more)
			last = u.done[more:]
		}
		for _, d := range last {
			fmt.Fprintf(&b, "\n    %-8v %s, by rule %q", d.at, d.text, d.rule)
		}
	}
	return b.String()
}
