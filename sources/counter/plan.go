// SPDX-License-Identifier: MIT

// Package counter counts the pulses of meters, fans and flow sensors: edges of a
// declared line to its active level. It has no descriptor of its own: it sees the
// edges that the GPIO source reads, and the losses that it reports.
//
// A pulse costs an addition. Events are made only where rules ask for one: when the
// total passes what they wait for, and of rates as long as there are pulses.
package counter

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"reflexd/config"
	"reflexd/sources"
)

// Kind is the source in the agent's list.
var Kind = sources.Kind{
	Name: "counter",
	Plan: func() sources.Plan { return &Plan{} },
	Open: func(h sources.Host) (sources.Source, error) { return Open(h), nil },

	Simulates: true,
}

const (
	usualWindow    = time.Minute
	shortestWindow = 100 * time.Millisecond
	longestWindow  = 24 * time.Hour
)

// settings are what one counter counts, and how.
type settings struct {
	line   string
	pulse  Pulse
	scale  sources.Number
	unit   string
	keep   bool
	window time.Duration // of the rate
}

// Pulse says which edges of a line are pulses.
type Pulse struct {
	Edge string // rising or falling: to the active level
	Both bool   // the line reports edges of both directions
}

// Counter is one declared counter.
type Counter struct {
	settings
	at, lineAt, scaleAt, windowAt config.Pos

	steps []sources.Number // of which rules want each multiple
	each  bool             // rules want each pulse
	rated bool             // rules want the rate
}

// Plan is what a configuration asks of counters.
type Plan struct {
	counters  map[string]*Counter
	source    *Source // that serves it, once it is applied
	crossings []*crossing
}

// Sections implements sources.Plan.
func (p *Plan) Sections() []config.Field {
	return []config.Field{{
		Name: "counters", Doc: "counts of the pulses of lines, by the names that rules use",
		Value: config.MapOf(&p.counters, func(c *Counter) *config.Pos { return &c.at }, func(_ string, c *Counter) config.Value { return c.value() }),
	}}
}

func (c *Counter) value() config.Value {
	c.scale, c.window = sources.Integer(1), usualWindow
	return config.Object(
		config.Field{Name: "line", Required: true, Doc: "an input under `lines`; a pulse is one edge to its active level",
			Value: config.At(&c.lineAt, config.Word(&c.line, "the name of a line"))},
		config.Field{Name: "scale", Also: "factor", Doc: "units per pulse", Default: "1", Value: config.At(&c.scaleAt, config.Parsed(&c.scale, "a number", parseScale))},
		config.Field{Name: "unit", Doc: "the unit of the total", Value: config.Word(&c.unit, "a unit")},
		config.Field{Name: "keep", Doc: "the total survives a restart, in `state_file`, which is written at most once a minute", Default: "off", Value: config.Bool(&c.keep)},
		config.Field{Name: "rate", Doc: "the window of the rate: RATE is what was counted in it", Default: usualWindow.String(),
			Value: config.At(&c.windowAt, config.Duration(&c.window))},
	)
}

func parseScale(text string) (sources.Number, error) {
	n, ok := sources.ParseNumber(text)
	if !ok || n.Compare(sources.Number{}) <= 0 {
		return sources.Integer(1), fmt.Errorf("expected a number above 0, found %q", text)
	}
	return n, nil
}

// Extras implements sources.Plan.
func (p *Plan) Extras() sources.Extras {
	return sources.Extras{Conditional: p, Namespaced: p, Subscriber: p}
}

// Resolve implements sources.Plan.
func (p *Plan) Resolve(ps *config.Problems) {
	for _, name := range p.Names() {
		c := p.counters[name]
		if sources.IsPattern(name) {
			ps.Errorf(c.at, "counter %q: a name with *, ? or [ looks like a pattern", name)
		}
		if c.window < shortestWindow || c.window > longestWindow {
			ps.Errorf(c.windowAt, "rate: %v: the window is from %v to %v", c.window, shortestWindow, longestWindow)
			c.window = usualWindow
		}
	}
}

// Check finds the lines of the counters, which pulseOf knows.
func (p *Plan) Check(pulseOf func(line string) (Pulse, error), ps *config.Problems) {
	for _, name := range p.Names() {
		c := p.counters[name]
		if c.line == "" {
			continue
		}
		var err error
		if c.pulse, err = pulseOf(c.line); err != nil {
			ps.Errorf(c.lineAt, "%v", err)
		}
	}
}

// Names returns the names of the counters, sorted.
func (p *Plan) Names() []string { return slices.Sorted(maps.Keys(p.counters)) }

// Unit returns the unit of a counter, "" if it has none.
func (p *Plan) Unit(name string) string { return p.counters[name].unit }

// Kept returns where the first counter is declared that survives a restart, nil if
// none does.
func (p *Plan) Kept() *config.Pos {
	for _, name := range p.Names() {
		if c := p.counters[name]; c.keep {
			return &c.at
		}
	}
	return nil
}

// Declared is what actions, triggers and conditions look names up among.
func (p *Plan) Declared() *sources.Declared[*Counter] {
	return &sources.Declared[*Counter]{What: "counter", ByName: p.counters, Example: "counters: {%s: {line: …}}"}
}

// Subscribes implements sources.SubscriberPlan.
func (p *Plan) Subscribes() []string {
	if len(p.counters) == 0 {
		return nil
	}
	return []string{"line", "loss"}
}

// Namespaces implements sources.Namespaced.
func (p *Plan) Namespaces() []sources.Namespace {
	return []sources.Namespace{{
		Key: "counter", What: "counter", Example: "counters: {%s: {line: …}}",
		Has:   func(name string) bool { return p.counters[name] != nil },
		Names: p.Names,
		Value: func(name string) (sources.Value, bool) {
			t := p.tally(name)
			if t == nil {
				return sources.Value{}, false
			}
			return sources.Text(t.total().String()), true
		},
	}}
}

// tally returns what was counted, nil before the plan is applied.
func (p *Plan) tally(name string) *tally {
	if p.source == nil {
		return nil
	}
	return p.source.tallies[name]
}
