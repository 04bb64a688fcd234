// SPDX-License-Identifier: MIT

// The actions pulse and blink: outputs that change by themselves.

package action

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"reflexd/agent/output"
	"reflexd/config"
	"reflexd/sources"
)

var pulseKind = Kind{
	Key:   "pulse",
	Doc:   "switch output lines or LEDs for a limited time",
	Plain: true,
	New: func() (config.Value, func(*Check) Action) {
		a := &pulse{to: true}
		fields := append(a.target.fields(),
			config.Field{Name: "for", Doc: "how long", Required: true, Value: config.Parsed(&a.span, "duration", parseSpan)},
			config.Field{Name: "to", Doc: "its state for that time; afterwards it is the opposite", Default: "on", Value: config.Bool(&a.to)})
		return config.Whole(&a.whole, config.At(&a.at, config.Object(fields...))), func(c *Check) Action {
			a.target.check(c)
			return a
		}
	},
}

type pulse struct {
	target
	span time.Duration
	to   bool
}

// Describe implements Action.
func (a *pulse) Describe(e *sources.Event) string {
	return fmt.Sprintf("pulse %s for %v", a.describe(e), a.span)
}

// Start implements Action.
func (a *pulse) Start(r *Run) (Pending, error) {
	once := output.Rhythm{Spans: []time.Duration{a.span}, Times: 1}
	return a.each(r, func(o output.Output, done func(error)) { r.Env.Outputs.Pulse(o, a.to, once, r, done) })
}

var blinkKind = Kind{
	Key:   "blink",
	Also:  "flash",
	Doc:   "blink output lines or LEDs until the next action on them",
	Plain: true,
	New: func() (config.Value, func(*Check) Action) {
		a := &blink{duty: defaultDuty}
		span := func(d *time.Duration) config.Value { return config.Parsed(d, "duration", parseSpan) }
		fields := append(a.target.fields(),
			config.Field{Name: "every", Doc: "time from one flash to the next", Value: config.At(&a.everyAt, config.Parsed(&a.every, "duration", parsePeriod))},
			config.Field{Name: "duty", Doc: "how much of that time it is on", Default: fmt.Sprintf("%d%%", defaultDuty),
				Value: config.At(&a.dutyAt, config.Parsed(&a.duty, "a percentage", parseDuty))},
			config.Field{Name: "pattern", Doc: "instead of `every`: how long on, off, on, off, …, repeated",
				Value: config.At(&a.patternAt, config.OneOrMore(&a.pattern, span))},
			config.Field{Name: "times", Doc: "number of flashes or patterns, after which the output returns to its previous state; default: no end",
				Value: config.Int(&a.times, 1, mostTimes)})
		return config.Whole(&a.whole, config.At(&a.at, config.Object(fields...))), a.check
	},
}

const (
	defaultDuty = 50
	mostTimes   = 1_000_000_000 // fits into an int of 32 bits
	// mostSpans keeps the sum of a pattern's spans within a time.Duration.
	mostSpans = 1000
)

type blink struct {
	target
	every     time.Duration
	everyAt   config.Pos
	duty      int // percent
	dutyAt    config.Pos
	pattern   []time.Duration
	patternAt config.Pos
	times     int
}

// parseSpan reads a time for which an output is to stay as it is.
func parseSpan(s string) (time.Duration, error) {
	d, err := config.ParseDuration(s)
	switch {
	case err != nil:
		return 0, err
	case d < output.ShortestSpan:
		return 0, fmt.Errorf("%s is too short: timers have steps of %v", s, output.ShortestSpan)
	case d > output.LongestSpan:
		return 0, fmt.Errorf("%s is too long: at most %v", s, output.LongestSpan)
	}
	return d, nil
}

// parsePeriod reads the time from one flash to the next.
func parsePeriod(s string) (time.Duration, error) {
	d, err := parseSpan(s)
	if err == nil && d < 2*output.ShortestSpan {
		err = fmt.Errorf("%s is too short: a flash and the pause after it take at least %v", s, 2*output.ShortestSpan)
	}
	return d, err
}

// parseDuty reads "30%" or "30".
func parseDuty(s string) (int, error) {
	n, err := strconv.Atoi(strings.TrimSuffix(s, "%"))
	if err != nil || n < 1 || n > 99 {
		return 0, fmt.Errorf("expected a percentage from 1%% to 99%%, found %q", s)
	}
	return n, nil
}

func (a *blink) check(c *Check) Action {
	a.target.check(c)
	hasEvery, hasPattern := a.everyAt.Line > 0, a.patternAt.Line > 0
	switch {
	case hasEvery && hasPattern:
		c.Problems.Errorf(a.patternAt, "both every and pattern: leave out one")
	case hasPattern && a.dutyAt.Line > 0:
		c.Problems.Errorf(a.dutyAt, "duty goes with every: a pattern has its own times")
	case hasPattern:
		a.checkPattern(c)
	case !hasEvery && !a.whole:
	case !hasEvery:
		c.Problems.Errorf(a.at, "one of the keys every and pattern is missing")
	case a.every > 0:
		on := a.every * time.Duration(a.duty) / 100
		a.pattern = []time.Duration{on, a.every - on}
		if shorter := min(on, a.every-on); shorter < output.ShortestSpan {
			c.Problems.Errorf(a.dutyAt, "%d%% of %v leaves a span of %v: timers have steps of %v", a.duty, a.every, shorter, output.ShortestSpan)
		}
	}
	return a
}

func (a *blink) checkPattern(c *Check) {
	switch n := len(a.pattern); {
	case n > mostSpans:
		c.Problems.Errorf(a.patternAt, "a pattern of %d durations: at most %d", n, mostSpans)
	case n%2 == 1:
		c.Problems.Errorf(a.patternAt, "an odd number of durations: the last flash would run into the first; add the pause after it")
	}
}

func (a *blink) rhythm() output.Rhythm { return output.Rhythm{Spans: a.pattern, Times: a.times} }

// Describe implements Action.
func (a *blink) Describe(e *sources.Event) string {
	r := a.rhythm()
	return fmt.Sprintf("blink %s: %s", a.describe(e), r.String())
}

// Start implements Action.
func (a *blink) Start(r *Run) (Pending, error) {
	return a.each(r, func(o output.Output, done func(error)) { r.Env.Outputs.Blink(o, a.rhythm(), r, done) })
}
