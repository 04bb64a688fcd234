// SPDX-License-Identifier: MIT

// Package timer is the source of events that come from nowhere but the
// passing of time.
package timer

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"reflexd/config"
	"reflexd/sources"
)

// Kind is the timer source.
var Kind = sources.Kind{
	Name: "timer",
	Plan: func() sources.Plan { return &Plan{} },
	Open: func(h sources.Host) (sources.Source, error) {
		return &Source{host: h, clocks: map[time.Duration]*clock{}}, nil
	},

	Simulates: true,
}

// shortest is the shortest period: below it a program of one's own is the
// better tool.
const shortest = 10 * time.Millisecond

// Plan is the periods that rules ask for.
type Plan struct {
	periods []time.Duration
}

// Sections implements sources.Plan.
func (p *Plan) Sections() []config.Field { return nil }

// Extras implements sources.Plan.
func (*Plan) Extras() sources.Extras { return sources.Extras{} }

// Resolve implements sources.Plan.
func (p *Plan) Resolve(*config.Problems) {}

// Triggers implements sources.Plan.
func (p *Plan) Triggers() []sources.TriggerKind {
	return []sources.TriggerKind{{
		Key:    "timer",
		Doc:    "at regular intervals; first after one period",
		Fields: []string{"TICKS"},
		New: func() ([]config.Field, func(*sources.Trigger, *config.Problems)) {
			var period time.Duration
			field := config.Field{Name: "timer", Also: "every interval", Doc: "the period, at least 10ms", Required: true,
				Value: config.Parsed(&period, "duration", parsePeriod)}
			return []config.Field{field}, func(t *sources.Trigger, _ *config.Problems) {
				p.periods = append(p.periods, period)
				t.Topics = []sources.Topic{topic(period)}
			}
		},
	}}
}

func parsePeriod(s string) (time.Duration, error) {
	d, err := config.ParseDuration(s)
	if err == nil && d < shortest {
		err = fmt.Errorf("%q is too short: a timer's period is at least %v", s, shortest)
	}
	return d, err
}

func topic(period time.Duration) sources.Topic {
	return sources.Topic{Kind: "timer", Name: period.String(), State: "tick"}
}

// Source implements sources.Source.
type Source struct {
	host   sources.Host
	clocks map[time.Duration]*clock
}

// clock ticks with one period, for all rules that have it.
type clock struct {
	source *Source
	period time.Duration
	due    time.Duration // CLOCK_MONOTONIC
	ticks  int64
	timer  sources.Timer
}

// Apply implements sources.Source. A period that the plan before had too goes
// on in its rhythm.
func (s *Source) Apply(plan sources.Plan) {
	periods := plan.(*Plan).periods
	for period, c := range s.clocks {
		if !slices.Contains(periods, period) {
			c.timer.Stop()
			delete(s.clocks, period)
		}
	}
	for _, period := range periods {
		if s.clocks[period] == nil && period > 0 {
			c := &clock{source: s, period: period, due: s.host.Loop.Now() + period}
			c.timer = s.host.Loop.After(period, c.tick)
			s.clocks[period] = c
		}
	}
}

// tick sends one event, also where several periods have gone by, as they do
// when the board was suspended: what is missed is missed.
func (c *clock) tick() {
	c.ticks++
	c.source.host.Emit(&sources.Event{
		Time:   c.due,
		Topic:  topic(c.period),
		Source: "timer:" + c.period.String(),
		Fields: []sources.Field{{Name: "TICKS", Value: sources.Int(c.ticks)}},
	})
	now := c.source.host.Loop.Now()
	c.due += c.period
	if c.due <= now {
		c.due = now + c.period
	}
	c.timer = c.source.host.Loop.After(c.due-now, c.tick)
}

// Status implements sources.Source.
func (s *Source) Status() []sources.State {
	var all []sources.State
	byPeriod := func(a, b *clock) int { return cmp.Compare(a.period, b.period) }
	for _, c := range slices.SortedFunc(maps.Values(s.clocks), byPeriod) {
		detail := fmt.Sprintf("%d ticks", c.ticks)
		all = append(all, sources.State{Name: c.period.String(), Detail: detail, OK: true})
	}
	return all
}

// Close implements sources.Source.
func (s *Source) Close() { s.Apply(&Plan{}) }
