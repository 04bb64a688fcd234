// SPDX-License-Identifier: MIT

// The brake: rules that set each other off in a circle and nothing from
// outside among it. See docs/decisions/006-rule-cycles.md.

package rule

import (
	"slices"
	"strings"
	"time"

	"reflexd/sources"
)

const (
	// mostRounds is how often a rule may fire upon what it has set off itself,
	// within a second if something in the circle waits, and else without a
	// second's rest: a slow board that is busy with nothing but the circle may
	// not come to so many in a second. It is more than any use of it, and few
	// enough for the log to be read.
	mostRounds = 100
	// brakeFor is for how long one that fires more often does not any more.
	brakeFor = time.Minute
)

// brake is what there is to know of a rule that sets itself off, itself or
// through others. All times are of CLOCK_MONOTONIC.
type brake struct {
	rounds int           // that count
	since  time.Duration // when the first of them was
	last   time.Duration // when the latest was
	until  time.Duration // when the rule may go round again
	way    string        // from the rule through the others back to it, as of the last braking
}

// stops reports whether a firing of the rule called name, at the time now, is
// one too many of those that it has set off itself. It says so too if that is
// the first of them to be stopped. c is shortened to the round that closes:
// a circle that goes on for ever, slowly enough, must not remember for ever.
func (b *brake) stops(name string, c *sources.Chain, now time.Duration) (stop, first bool) {
	own := c.Find(name)
	if own == nil {
		return false, false
	}
	own.Before = nil
	if now < b.until {
		return true, false
	}
	from := b.last
	if c.Waits() {
		from = b.since
	}
	if b.last = now; b.rounds == 0 || now-from >= time.Second {
		b.rounds, b.since = 0, now
	}
	if b.rounds++; b.rounds <= mostRounds {
		return false, false
	}
	b.rounds, b.until, b.way = 0, now+brakeFor, way(name, c)
	return true, true
}

// way writes the round that c tells of, which rule begins and closes.
func way(rule string, c *sources.Chain) string {
	words := []string{rule}
	for ; c != nil; c = c.Before {
		words = append(words, c.Rule)
	}
	slices.Reverse(words)
	return strings.Join(words, " -> ")
}
