// SPDX-License-Identifier: MIT

// Crossing: values that pass a limit.

package sources

import (
	"fmt"
	"strconv"

	"reflexd/config"
)

// Crossing is a range of values. A trigger with one fires when a value enters
// the range, and not as long as it stays there. The zero value is everything.
type Crossing struct{ above, below *int64 }

// Fields returns the YAML fields `above` and `below`.
func (c *Crossing) Fields() []config.Field {
	return []config.Field{
		{Name: "above", Doc: "only when the value rises above this", Value: limit(&c.above)},
		{Name: "below", Doc: "only when the value falls below this", Value: limit(&c.below)},
	}
}

func limit(p **int64) config.Value {
	return config.Parsed(p, "an integer", func(text string) (*int64, error) {
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("expected an integer, found %q", text)
		}
		return &n, nil
	})
}

// Limited reports whether the range has a limit.
func (c *Crossing) Limited() bool { return c.above != nil || c.below != nil }

// Holds reports whether n is in the range.
func (c *Crossing) Holds(n int64) bool {
	return (c.above == nil || n > *c.above) && (c.below == nil || n < *c.below)
}

// Restrict makes t match only events whose VALUE is in the range while their
// PREVIOUS is not. It complains, at the place at, of a range that no integer is
// in.
func (c *Crossing) Restrict(t *Trigger, at config.Pos, ps *config.Problems) {
	if !c.Limited() {
		return
	}
	if c.above != nil && c.below != nil && *c.below-*c.above < 2 {
		ps.Errorf(at, "no number is above %d and below %d: this can never fire", *c.above, *c.below)
	}
	t.Restrict(func(e *Event) bool {
		value, _ := e.Lookup("VALUE")
		previous, _ := e.Lookup("PREVIOUS")
		is, _ := value.Int()
		was, _ := previous.Int()
		return c.Holds(is) && !c.Holds(was)
	})
}
