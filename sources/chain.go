// SPDX-License-Identifier: MIT

// Chain: what led to an event that no source saw.

package sources

// Chain is a rule that sent an event, and what had led to its firing. What
// comes from outside has none.
type Chain struct {
	Rule   string
	Before *Chain // of the event that the rule fired upon; nil if that came from outside
	Waited bool   // the rule waited for something before it sent the event
}

// Find returns the latest link of c that is of the rule, nil if there is none.
func (c *Chain) Find(rule string) *Chain {
	for c != nil && c.Rule != rule {
		c = c.Before
	}
	return c
}

// Waits reports whether one of the rules of c waited.
func (c *Chain) Waits() bool {
	for c != nil && !c.Waited {
		c = c.Before
	}
	return c != nil
}
