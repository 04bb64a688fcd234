// SPDX-License-Identifier: MIT

// Crossings: variables that pass a limit, as triggers.

package vars

import (
	"slices"

	"reflexd/config"
	"reflexd/sources"
)

// crossing is what a trigger asks for of a variable that passes a limit. Its latch
// goes on over a reload that asks for the same.
type crossing struct {
	name    string
	at      config.Pos
	limit   sources.Crossing
	lasting sources.Lasting
	latch   sources.Latch
	stays   sources.Latch // likewise, for a trigger that waits for the state to last
}

// restrict has t match only when the variable passes the limit.
func (c *crossing) restrict(p *Plan, name string, t *sources.Trigger, ps *config.Problems) {
	if c.at.Line == 0 || p.vars[name] == nil {
		return
	}
	c.name, c.lasting = name, t.Lasting
	c.limit.Check(c.at, ps)
	inRange := func(value string) bool {
		n, ok := sources.ParseNumber(value)
		return ok && c.limit.Holds(n)
	}
	if v := p.vars[name]; v.values != nil && c.limit.Limited() && !slices.ContainsFunc(v.values, inRange) {
		ps.Errorf(c.at, "%s: none of its values %q is within the limits: this can never fire", name, v.values)
	}
	p.crossings = append(p.crossings, c)
	among := t.Match
	t.Stays = func(e *sources.Event) bool {
		return c.limit.Stays(e, &c.stays) && (among == nil || among(e))
	}
	t.Restrict(func(e *sources.Event) bool {
		if p.source == nil { // no event yet that happened
			return c.limit.Enters(e, new(sources.Latch))
		}
		return c.limit.Enters(e, &c.latch)
	})
}

// adoptLatches has p's crossings go on where before's were.
func (p *Plan) adoptLatches(before *Plan) {
	for _, c := range p.crossings {
		i := slices.IndexFunc(before.crossings, func(b *crossing) bool { return b.name == c.name && b.limit.Equal(&c.limit) && b.lasting == c.lasting })
		if i >= 0 {
			c.latch, c.stays = before.crossings[i].latch, before.crossings[i].stays
		}
	}
}
