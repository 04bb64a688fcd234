// SPDX-License-Identifier: MIT

// Crossing: values that pass a limit.

package sources

import "reflexd/config"

// Crossing is a range of values. A trigger with one fires when a value enters
// the range, and not as long as it stays there. The zero value is everything.
type Crossing struct {
	// Integers is set if the values have no places after the point.
	Integers     bool
	above, below *Number
	hysteresis   *Number
}

// Latch is what a Crossing with a hysteresis remembers: whether it fired, and the
// value was not yet back by the hysteresis. The zero value knows nothing.
type Latch int8

const (
	armed Latch = 1 + iota
	fired
)

// Fields returns the YAML fields `above` and `below`.
func (c *Crossing) Fields() []config.Field {
	return []config.Field{
		{Name: "above", Doc: "only when the value rises above this", Value: c.limit(&c.above)},
		{Name: "below", Doc: "only when the value falls below this", Value: c.limit(&c.below)},
	}
}

// LatchFields returns the YAML fields of Fields and `hysteresis`, for whoever keeps
// a Latch. at is set to the place of the last of them.
func (c *Crossing) LatchFields(at *config.Pos) []config.Field {
	fields := append(c.Fields(), config.Field{Name: "hysteresis", Doc: "with above or below: once fired, not again until the value was back beyond the limit by this much",
		Default: "0", Value: c.limit(&c.hysteresis)})
	for i := range fields {
		fields[i].Value = config.At(at, fields[i].Value)
	}
	return fields
}

// LevelFields returns the YAML fields of Fields for a condition on what.
func (c *Crossing) LevelFields(what string) []config.Field {
	fields := c.Fields()
	fields[0].Doc, fields[1].Doc = what+" is above this", what+" is below this"
	return fields
}

func (c *Crossing) limit(p **Number) config.Value { return NumberValue(p, c.Integers) }

// Remember has c go by a Latch even without a hysteresis: a value that is not known
// for a while does not enter the range again.
func (c *Crossing) Remember() {
	if c.hysteresis == nil && c.Limited() {
		c.hysteresis = &Number{}
	}
}

// Limited reports whether the range has a limit.
func (c *Crossing) Limited() bool { return c.above != nil || c.below != nil }

// Holds reports whether n is in the range.
func (c *Crossing) Holds(n Number) bool {
	return (c.above == nil || n.Compare(*c.above) > 0) && (c.below == nil || n.Compare(*c.below) < 0)
}

// Check complains, at the place at, of a range that no number is in, and of a
// hysteresis that cannot be one.
func (c *Crossing) Check(at config.Pos, ps *config.Problems) {
	least := Number{} // that is between the limits at least
	if c.Integers {
		least = Integer(1)
	}
	if c.above != nil && c.below != nil {
		if sum, err := c.above.Add(least); err != nil || sum.Compare(*c.below) >= 0 {
			ps.Errorf(at, "no number is above %s and below %s: this can never fire", c.above, c.below)
		}
	}
	switch {
	case c.hysteresis == nil:
	case !c.Limited():
		ps.Errorf(at, "hysteresis goes with above or below")
	case c.hysteresis.Compare(Number{}) < 0:
		ps.Errorf(at, "hysteresis: %s is less than 0", c.hysteresis)
	}
}

// Restrict makes t match only events whose VALUE is in the range while their
// PREVIOUS is not, and complains as Check does. It is for ranges without a
// hysteresis.
func (c *Crossing) Restrict(t *Trigger, at config.Pos, ps *config.Problems) {
	if !c.Limited() {
		return
	}
	c.Check(at, ps)
	t.Select(func(e *Event) bool { return c.Enters(e, new(Latch)) })
}

// Enters reports whether a value enters the range by the event, whose fields
// VALUE and PREVIOUS say what it is and was. l remembers that until the next
// event; without a hysteresis it is not needed. What is no number is outside,
// but not back. It allocates nothing.
func (c *Crossing) Enters(e *Event, l *Latch) bool {
	value, _ := e.Lookup("VALUE")
	previous, _ := e.Lookup("PREVIOUS")
	is, ok := value.Number()
	was, known := previous.Number()
	before := known && c.Holds(was)
	if c.hysteresis != nil {
		before = *l == fired || *l != armed && before
	}
	now := ok && c.Holds(is)
	*l = armed
	if now || before && !(ok && c.isBack(is)) {
		*l = fired
	}
	return now && !before
}

// Stays reports whether the value of e is in the range or, once it was, not back
// from it by the hysteresis. l is as for Enters.
func (c *Crossing) Stays(e *Event, l *Latch) bool {
	c.Enters(e, l)
	return *l == fired
}

// isBack reports whether n is outside of the range by the hysteresis.
func (c *Crossing) isBack(n Number) bool {
	back := Number{}
	if c.hysteresis != nil {
		back = *c.hysteresis
	}
	if c.above != nil {
		if sum, err := n.Add(back); err == nil && sum.Compare(*c.above) <= 0 {
			return true
		}
	}
	if c.below != nil {
		if sum, err := c.below.Add(back); err == nil && n.Compare(sum) >= 0 {
			return true
		}
	}
	return false
}

// Equal reports whether c and other have the same limits and hysteresis.
func (c *Crossing) Equal(other *Crossing) bool {
	same := func(a, b *Number) bool { return a == b || a != nil && b != nil && *a == *b }
	return same(c.above, other.above) && same(c.below, other.below) && same(c.hysteresis, other.hysteresis)
}
