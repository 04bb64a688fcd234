// SPDX-License-Identifier: MIT

// What rules ask of sensors: the trigger and the condition `sensor`.

package sensor

import (
	"reflexd/config"
	"reflexd/sources"
)

// present says that a sensor can be read; it is no state of its own: each value
// is one.
const present = "present"

// fieldNames are the fields of the events.
var fieldNames = []string{"SENSOR", "VALUE", "UNIT", "PREVIOUS", "RAW", "CHANGE", "REASON", "SYNTHETIC"}

// Triggers implements sources.Plan.
func (p *Plan) Triggers() []sources.TriggerKind {
	return []sources.TriggerKind{{
		Key: "sensor", Doc: "the value of a sensor", Fields: fieldNames,
		New: func() ([]config.Field, func(*sources.Trigger, *config.Problems)) {
			c := &crossing{plan: p}
			c.lasting.UsuallyAtStart = true
			return c.yaml(), c.trigger
		},
	}}
}

// crossing is what a trigger asks for of sensors. What it remembers of each goes
// on over a reload that asks for the same.
type crossing struct {
	plan          *Plan
	names         []sources.Ref
	at, isAt      config.Pos
	limitAt, byAt config.Pos
	is            string
	limit         sources.Crossing
	by            *sources.Number
	lasting       sources.LastingSpec
	memory        map[string]*memory // by the names of the sensors
}

// memory is what a trigger remembers of one sensor.
type memory struct {
	latch, stays sources.Latch
	step         value // that fired last, or was first
	known        bool  // step is set
}

func (c *crossing) yaml() []config.Field {
	fields := append([]config.Field{
		{Name: "sensor", Required: true, Doc: "the name of a sensor under `sensors`, or a pattern, one or a list",
			Value: config.At(&c.at, config.OneOrMore(&c.names, sources.RefValue("the name of a sensor")))},
		{Name: "is", Doc: "`on` is a number that is not 0; `absent`: it cannot be read; or use above or below",
			Value: config.At(&c.isAt, config.OneOf(&c.is, changed, sources.On, sources.Off, present, absent))},
	}, c.limit.LatchFields(&c.limitAt)...)
	fields = append(fields, config.Field{Name: "by", Doc: "with changed: only once it changed by so much since the firing before",
		Value: config.At(&c.byAt, sources.NumberValue(&c.by, false))})
	return append(fields, c.lasting.Fields("everything but changed")...)
}

func (c *crossing) trigger(t *sources.Trigger, ps *config.Problems) {
	names := c.plan.Find(c.names, ps)
	c.memory = map[string]*memory{}
	for _, name := range names {
		c.memory[name] = &memory{}
		t.Topics = append(t.Topics, sources.Topic{Kind: "sensor", Name: name, State: c.state()})
	}
	limited := c.limit.Limited()
	switch {
	case limited && c.is != "":
		ps.Errorf(c.isAt, "`is: %s` goes without above and below", c.is)
	case !limited && c.isAt.Line == 0 && c.limitAt.Line == 0:
		ps.Errorf(c.at, "one of the keys is, above and below is missing")
	case c.byAt.Line != 0 && c.is != changed:
		ps.Errorf(c.byAt, "by goes with `is: changed`")
	case c.by != nil && c.by.Compare(sources.Number{}) <= 0:
		ps.Errorf(c.byAt, "by: expected a number above 0, found %s", c.by)
	}
	if c.limitAt.Line != 0 {
		c.limit.Check(c.limitAt, ps)
	}
	if c.is == changed {
		c.lasting.Only("what lasts: `is: on`, off, present and absent, above and below", ps)
	} else {
		c.lasting.Compile(t, true, "", ps)
	}
	c.plan.crossings = append(c.plan.crossings, c)
	c.restrict(t)
}

// state returns the state of the events that fire the trigger.
func (c *crossing) state() string {
	if c.is == absent {
		return absent
	}
	return changed
}

// restrict has t match only what it asks for. Before a plan is applied, an event is
// one that only might happen, and nothing is remembered of it.
func (c *crossing) restrict(t *sources.Trigger) {
	switch c.is {
	case changed:
		t.Restrict(c.steps)
	case sources.On, sources.Off:
		t.Stays = func(e *sources.Event) bool { return isOn(e, "VALUE") == (c.is == sources.On) && isNumber(e, "VALUE") }
		t.Restrict(func(e *sources.Event) bool {
			return t.Stays(e) && (!isNumber(e, "PREVIOUS") || isOn(e, "PREVIOUS") != (c.is == sources.On))
		})
	case present:
		t.Stays = func(*sources.Event) bool { return true }
		t.Restrict(func(e *sources.Event) bool { return text(e, "PREVIOUS") == "" })
	case "":
		c.limit.Remember()
		t.Stays = func(e *sources.Event) bool { return c.limit.Stays(e, &c.remembered(e).stays) }
		t.Restrict(func(e *sources.Event) bool { return c.limit.Enters(e, &c.remembered(e).latch) })
	}
}

// remembered returns what c remembers of the sensor of e.
func (c *crossing) remembered(e *sources.Event) *memory {
	m := c.memory[e.Topic.Name]
	if m == nil || c.plan.source == nil {
		return &memory{}
	}
	return m
}

// steps reports whether the value changed by enough.
func (c *crossing) steps(e *sources.Event) bool {
	m := c.remembered(e)
	v := valueOf(e, "VALUE")
	if !m.known {
		if m.step = valueOf(e, "PREVIOUS"); m.step.text == "" {
			m.keep(v)
			return false
		}
	}
	if v.isNumber && m.step.isNumber && c.by != nil {
		up, errUp := m.step.number.Add(*c.by)
		down, errDown := m.step.number.Add(c.by.Neg())
		if errUp == nil && errDown == nil && v.number.Compare(up) < 0 && v.number.Compare(down) > 0 {
			m.keep(m.step)
			return false
		}
	} else if v.text == m.step.text {
		return false
	}
	m.keep(v)
	return true
}

// keep remembers a value, in memory of its own.
func (m *memory) keep(v value) {
	if v.text != m.step.text || !m.known {
		v.text = string([]byte(v.text))
		m.step = v
	}
	m.known = true
}

func text(e *sources.Event, field string) string {
	v, ok := e.Lookup(field)
	if !ok {
		return ""
	}
	return v.String()
}

func valueOf(e *sources.Event, field string) value {
	v := value{text: text(e, field)}
	v.number, v.isNumber = sources.ParseNumber(v.text)
	return v
}

func isNumber(e *sources.Event, field string) bool { return valueOf(e, field).isNumber }

// isOn reports whether the field is a number that is not 0.
func isOn(e *sources.Event, field string) bool { return valueOf(e, field).on() }

func (v value) on() bool { return v.isNumber && v.number != sources.Number{} }

// adopt has p's triggers go on where those before's were.
func (p *Plan) adopt(before *Plan) {
	for _, c := range p.crossings {
		for _, b := range before.crossings {
			for name, m := range b.memory {
				now := p.sensors[name]
				if c.asksLike(b) && c.memory[name] != nil && now != nil && now.settings == before.sensors[name].settings {
					*c.memory[name] = *m
				}
			}
		}
	}
}

// asksLike reports whether c and b ask for the same, of whatever sensors.
func (c *crossing) asksLike(b *crossing) bool {
	same := b.by == c.by || b.by != nil && c.by != nil && *b.by == *c.by
	return b.is == c.is && same && b.limit.Equal(&c.limit) && b.lasting.Lasting == c.lasting.Lasting
}

// Conditions implements sources.Conditional.
func (p *Plan) Conditions() []sources.ConditionKind {
	return []sources.ConditionKind{{
		Key: "sensor", Doc: "the value of a sensor; while it cannot be read, neither above nor below holds, nor does their opposite",
		New: func() ([]config.Field, func(*config.Problems) sources.Question) {
			l := &level{plan: p, question: sources.Question{Kind: "sensor"}}
			return l.yaml(), l.compile
		},
	}}
}

// level is what a condition asks of one sensor.
type level struct {
	plan     *Plan
	name     sources.Ref
	is       string
	at       config.Pos
	limit    sources.Crossing
	question sources.Question
}

func (l *level) yaml() []config.Field {
	fields := append([]config.Field{
		{Name: "sensor", Doc: "the name of a sensor under `sensors`", Required: true, Value: config.At(&l.at, sources.RefValue("the name of a sensor")(&l.name))},
		{Name: "is", Doc: "the required state: `on` is a number that is not 0", Value: config.OneOf(&l.is, sources.On, sources.Off, present, absent)},
	}, l.limit.LevelFields("the value")...)
	return append(fields, l.question.ForField())
}

func (l *level) compile(ps *config.Problems) sources.Question {
	if _, ok := l.plan.declared().One(l.name, ps); ok {
		l.plan.Ask(l.name.Name)
	}
	switch limited := l.limit.Limited(); {
	case limited && l.is != "":
		ps.Errorf(l.at, "`is: %s` goes without above and below", l.is)
	case !limited && l.is == "":
		ps.Errorf(l.at, "one of the keys is, above and below is missing")
	}
	l.limit.Check(l.at, ps)
	q := l.question
	q.Name = l.name.Name
	q.Is = func(e *sources.Event) bool {
		return l.holds(e.Topic.State != absent, valueOf(e, "VALUE")) == sources.Yes
	}
	if q.For == 0 {
		q.Ask = l.ask
	}
	return q
}

// ask answers with the value now.
func (l *level) ask() sources.Truth {
	n := l.plan.node(l.name.Name)
	if n == nil || !n.tried && !n.known {
		return sources.Unknown
	}
	return l.holds(n.known, n.value)
}

func (l *level) holds(known bool, v value) sources.Truth {
	switch {
	case l.is == present || l.is == absent:
		return sources.Whether(known == (l.is == present))
	case !known || !v.isNumber:
		return sources.Unknown
	case l.is != "":
		return sources.Whether(v.on() == (l.is == sources.On))
	}
	return sources.Whether(l.limit.Holds(v.number))
}
