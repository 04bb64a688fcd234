// SPDX-License-Identifier: MIT

// What rules ask of counters: the trigger and the condition `counter`.

package counter

import (
	"slices"

	"reflexd/config"
	"reflexd/sources"
)

var fieldNames = []string{"COUNTER", "VALUE", "PREVIOUS", "TOTAL", "UNIT", "RATE", "INTERVAL_MS", "SYNTHETIC"}

// Triggers implements sources.Plan.
func (p *Plan) Triggers() []sources.TriggerKind {
	return []sources.TriggerKind{{
		Key: "counter", Doc: "the total or the rate of a counter", Fields: fieldNames,
		New: func() ([]config.Field, func(*sources.Trigger, *config.Problems)) {
			c := &crossing{plan: p}
			c.lasting.UsuallyAtStart = true
			return c.yaml(), c.trigger
		},
	}}
}

// crossing is what a trigger asks for of one counter. What it remembers goes on
// over a reload that asks for the same.
type crossing struct {
	plan        *Plan
	name        sources.Ref
	at, everyAt config.Pos
	limitAt     config.Pos
	rateAt      config.Pos
	every       *sources.Number
	total, rate sources.Crossing
	lasting     sources.LastingSpec
	latch       sources.Latch
	stays       sources.Latch
}

func (c *crossing) yaml() []config.Field {
	fields := []config.Field{
		{Name: "counter", Required: true, Doc: "the name of a counter under `counters`", Value: config.At(&c.at, sources.RefValue("the name of a counter")(&c.name))},
		{Name: "every", Doc: "when the total passes a multiple of this many units", Value: config.At(&c.everyAt, sources.NumberValue(&c.every, false))},
		{Name: "rate", Doc: "when the rate passes a limit: {below: 300}", Value: config.Object(c.rate.LatchFields(&c.rateAt)...)},
	}
	return append(append(fields, c.total.LatchFields(&c.limitAt)...), c.lasting.Fields("above, below and rate")...)
}

func (c *crossing) trigger(t *sources.Trigger, ps *config.Problems) {
	d, ok := c.plan.Declared().One(c.name, ps)
	kinds := 0
	for _, has := range []bool{c.everyAt.Line != 0, c.total.Limited() || c.limitAt.Line != 0, c.rate.Limited() || c.rateAt.Line != 0} {
		if has {
			kinds++
		}
	}
	switch {
	case kinds == 0:
		ps.Errorf(c.at, "one of the keys every, rate, above and below is missing")
		return
	case kinds > 1:
		ps.Errorf(c.at, "every, rate, and above or below: leave out all but one")
		return
	case c.every != nil && c.every.Compare(sources.Number{}) <= 0:
		ps.Errorf(c.everyAt, "every: expected a number above 0, found %s", c.every)
		return
	case !ok:
		return
	}
	if c.every != nil {
		c.lasting.Only("above, below and rate", ps)
	} else {
		c.lasting.Compile(t, true, "", ps)
	}
	state, limit := counted, &c.total
	switch {
	case c.every != nil:
		d.steps = append(d.steps, *c.every)
		t.Restrict(c.passes)
	case c.rateAt.Line != 0:
		state, limit, d.rated = rate, &c.rate, true
		c.rate.Check(c.rateAt, ps)
	default:
		d.each = true
		c.total.Check(c.limitAt, ps)
	}
	t.Topics = []sources.Topic{{Kind: "counter", Name: c.name.Name, State: state}}
	if c.every == nil {
		c.restrict(t, limit)
	}
	c.plan.crossings = append(c.plan.crossings, c)
}

// restrict has t match when the value enters the range.
func (c *crossing) restrict(t *sources.Trigger, limit *sources.Crossing) {
	limit.Remember()
	t.Stays = func(e *sources.Event) bool { return limit.Stays(e, &c.stays) }
	t.Restrict(func(e *sources.Event) bool {
		if c.plan.source == nil { // no event yet that happened
			return limit.Enters(e, new(sources.Latch))
		}
		return limit.Enters(e, &c.latch)
	})
}

// passes reports whether a multiple is between the total before e and after it.
func (c *crossing) passes(e *sources.Event) bool {
	value, _ := e.Lookup("VALUE")
	previous, _ := e.Lookup("PREVIOUS")
	is, ok := value.Number()
	was, known := previous.Number()
	places := max(is.Places(), was.Places(), c.every.Places())
	a, okIs := is.Fixed(places)
	b, okWas := was.Fixed(places)
	step, okStep := c.every.Fixed(places)
	return ok && known && okIs && okWas && okStep && floor(a, step) > floor(b, step)
}

func floor(n, step int64) int64 {
	q := n / step
	if n%step < 0 {
		q--
	}
	return q
}

// adopt has p's triggers go on where those before's were.
func (p *Plan) adopt(before *Plan) {
	for _, c := range p.crossings {
		i := slices.IndexFunc(before.crossings, func(b *crossing) bool {
			return b.name.Name == c.name.Name && b.total.Equal(&c.total) && b.rate.Equal(&c.rate) && b.lasting.Lasting == c.lasting.Lasting
		})
		if i >= 0 {
			c.latch, c.stays = before.crossings[i].latch, before.crossings[i].stays
		}
	}
}

// Conditions implements sources.Conditional.
func (p *Plan) Conditions() []sources.ConditionKind {
	return []sources.ConditionKind{{
		Key: "counter", Doc: "the total or the rate of a counter; a rate is not known before its window is over",
		New: func() ([]config.Field, func(*config.Problems) sources.Question) {
			l := &level{plan: p}
			return l.yaml(), l.compile
		},
	}}
}

// level is what a condition asks of one counter.
type level struct {
	plan        *Plan
	name        sources.Ref
	at          config.Pos
	total, rate sources.Crossing
}

func (l *level) yaml() []config.Field {
	return append([]config.Field{
		{Name: "counter", Doc: "the name of a counter under `counters`", Required: true, Value: config.At(&l.at, sources.RefValue("the name of a counter")(&l.name))},
		{Name: "rate", Doc: "limits of the rate: {below: 300}", Value: config.Object(l.rate.LevelFields("the rate")...)},
	}, l.total.LevelFields("the total")...)
}

func (l *level) compile(ps *config.Problems) sources.Question {
	d, ok := l.plan.Declared().One(l.name, ps)
	switch total, rate := l.total.Limited(), l.rate.Limited(); {
	case total && rate:
		ps.Errorf(l.at, "rate, and above or below: leave out one")
	case !total && !rate:
		ps.Errorf(l.at, "one of the keys rate, above and below is missing")
	}
	l.total.Check(l.at, ps)
	l.rate.Check(l.at, ps)
	if ok && l.rate.Limited() {
		d.rated = true
	}
	return sources.Question{Kind: "counter", Name: l.name.Name, Ask: l.ask}
}

// ask answers with the values now.
func (l *level) ask() sources.Truth {
	t := l.plan.tally(l.name.Name)
	switch {
	case t == nil || l.rate.Limited() && !t.rate.known:
		return sources.Unknown
	case l.rate.Limited():
		return sources.Whether(l.rate.Holds(t.rate.value))
	}
	return sources.Whether(l.total.Holds(t.total()))
}
