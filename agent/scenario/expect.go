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
	"reflexd/sources"
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
	shape, more := config.OneOf(new(string), nothing).Shape(), list.Shape()
	shape.Or = &more
	value := config.Func(shape, func(n config.Node, ps *config.Problems) {
		if none = n.Kind == config.Scalar && n.Text == nothing; !none {
			list.Read(n, ps)
		}
	})
	return []config.Field{
		{Name: "expect", Required: true, Value: value},
		{Name: "within", Doc: "it may still come in this time; time passes until it does", Value: config.Duration(&within)},
	}, func(p *play) error { return p.expect(all, none, within) }
}

// value reads an expectation: a part of an action, or a state.
func (x *expectation) value() config.Value {
	actions, states := actionParts(), x.states()
	both := config.Shape{Type: "an expectation", Variants: slices.Concat(actions, states)}
	return config.Func(both, func(n config.Node, ps *config.Problems) {
		x.text = n.String()
		switch {
		case n.Kind != config.Map || len(n.Entries) == 0:
			ps.Errorf(n.Pos, "expected an action such as {run: [poweroff]}, a state such as {line: lamp, is: on}, or `nothing`, found %s", n.Found())
		case isState(n, states):
			oneOf("state", states, nil).Read(n, ps)
		default:
			oneOf("action", actions, nil).Read(n, ps)
			x.done = &n
		}
	})
}

// isState reports whether n is a state rather than an action, which has one key.
func isState(n config.Node, states []config.Variant) bool {
	if len(n.Entries) == 1 && slices.Contains(action.Kinds(), n.Entries[0].Key) {
		return false
	}
	return slices.ContainsFunc(states, func(v config.Variant) bool { return has(n, v.Key) })
}

func has(n config.Node, key string) bool {
	return slices.ContainsFunc(n.Entries, func(e config.Entry) bool { return e.Key == key })
}

// stateKinds are those of which an expectation says {KIND: NAME, is: STATE}.
var stateKinds = []string{"line", "var", "link", "input", "switch", "key", "mount", "sensor"}

// States are what an expectation may say of now, for the reference.
func States() []config.Variant { return new(expectation).states() }

func (x *expectation) states() []config.Variant {
	var name, is, to string
	var fired int
	var total, rate *sources.Number
	var variants []config.Variant
	add := func(key, doc, what string, so func(p *play) (string, error), fields ...config.Field) {
		fields = append([]config.Field{{Name: key, Required: true, Value: config.Word(&name, what)}}, fields...)
		variants = append(variants, config.Variant{Key: key, Doc: doc, Fields: func() []config.Field {
			x.so = so
			return fields
		}})
	}
	for _, kind := range stateKinds {
		add(kind, "its state now", "its name", func(p *play) (string, error) { return p.stateIs(kind, name, is) },
			config.Field{Name: "is", Doc: "its state", Required: true, Value: config.Text(&is)})
	}
	add("pwm", "its level now", "the name of a pwm output", func(p *play) (string, error) { return p.levelIs(name, to) },
		config.Field{Name: "to", Doc: "the level", Required: true, Value: config.Parsed(&to, "on, off or a percentage", parseLevel)})
	add("counter", "its total and its rate now", "the name of a counter", func(p *play) (string, error) { return p.counterIs(name, total, rate) },
		config.Field{Name: "total", Doc: "the total, in its unit", Value: sources.NumberValue(&total, false)},
		config.Field{Name: "rate", Doc: "what was counted in the window of its rate", Value: sources.NumberValue(&rate, false)})
	add("rule", "how often it has fired", "the name of a rule", func(p *play) (string, error) { return p.ruleFired(name, fired) },
		config.Field{Name: "fired", Doc: "how often, since the test began", Required: true, Value: config.Int(&fired, 0, 1_000_000)})
	return variants
}

// parseLevel reads the level of an output, and returns it in percent.
func parseLevel(text string) (string, error) {
	level := 0
	var err error
	switch text {
	case sources.Off:
	case sources.On:
		level = sources.Full
	default:
		level, err = sources.ParsePercent(text)
	}
	return sources.Percent(level), err
}

func (p *play) levelIs(name, want string) (string, error) {
	level, known := p.sim.PWMLevel(name)
	switch {
	case !known:
		return "", fmt.Errorf("no pwm output %q is declared", name)
	case level != want:
		return fmt.Sprintf("pwm %s is at %s", name, level), nil
	}
	return "", nil
}

func (p *play) counterIs(name string, total, rate *sources.Number) (string, error) {
	isTotal, isRate, err := p.sim.Counter(name)
	switch {
	case err != nil:
		return "", err
	case total == nil && rate == nil:
		return "", fmt.Errorf("counter %s: one of the keys total and rate is missing", name)
	case total != nil && total.Compare(isTotal) != 0:
		return fmt.Sprintf("the total of counter %s is %s", name, isTotal), nil
	case rate != nil && isRate == nil:
		return fmt.Sprintf("the rate of counter %s is not known: its window is not over, or no rule asks for it", name), nil
	case rate != nil && rate.Compare(*isRate) != 0:
		return fmt.Sprintf("the rate of counter %s is %s", name, isRate), nil
	}
	return "", nil
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
