// SPDX-License-Identifier: MIT

// Package clock is the source of what people's clocks and the sun say: the
// triggers and conditions `time` and `sun`, and the wall clock for strings. It
// follows the board's clock when that is set, and its time zone when that is
// changed.
package clock

import (
	"fmt"
	"strconv"
	"time"

	"reflexd/config"
	"reflexd/sources"
	"reflexd/sources/clock/sun"
)

// Kind is this source.
var Kind = sources.Kind{
	Name: "clock",
	Plan: func() sources.Plan { return &Plan{} },
	Open: func(host sources.Host) (sources.Source, error) { return open(host), nil },

	Simulates: true,
}

// Plan is what one configuration asks of the clock.
type Plan struct {
	place   sun.Place
	placeAt config.Pos // of `location`; without a line if there is none
	dues    []*due
	asked   *config.Pos // the first place that asks for the time; nil for none
	source  *Source     // that serves it, once it is applied
}

// Sections implements sources.Plan.
func (p *Plan) Sections() []config.Field {
	fields := []config.Field{
		{Name: "latitude", Also: "lat", Doc: "in degrees, -90 to 90; north is positive", Required: true,
			Value: config.Parsed(&p.place.Latitude, "number", degrees(90, "52.5"))},
		{Name: "longitude", Also: "lon lng long", Doc: "in degrees, -180 to 180; east is positive", Required: true,
			Value: config.Parsed(&p.place.Longitude, "number", degrees(180, "13.4"))},
	}
	return []config.Field{{Name: "location", Also: "position place coordinates", Doc: "where the board is, for `sun`",
		Value: config.At(&p.placeAt, config.Object(fields...))}}
}

// degrees returns what reads an angle of at most so many degrees.
func degrees(most float64, example string) func(string) (float64, error) {
	return func(s string) (float64, error) {
		v, err := strconv.ParseFloat(s, 64)
		if err != nil || !(-most <= v && v <= most) { // NaN too
			return 0, fmt.Errorf("expected degrees from -%v to %v such as %s, found %q", most, most, example, s)
		}
		return v, nil
	}
}

// Extras implements sources.Plan.
func (p *Plan) Extras() sources.Extras { return sources.Extras{Conditional: p, Examiner: p} }

// Resolve implements sources.Plan.
func (p *Plan) Resolve(*config.Problems) {}

// Triggers implements sources.Plan.
func (p *Plan) Triggers() []sources.TriggerKind {
	return []sources.TriggerKind{
		{Key: "time", Doc: "the board's clock shows a time of day, in its time zone", Fields: []string{"TIME", "DAY"}, New: p.timeTrigger},
		{Key: "sun", Doc: "the sun rises or sets at `location`", Fields: []string{"SUN", "TIME", "DAY"}, New: p.sunTrigger},
	}
}

func (p *Plan) timeTrigger() ([]config.Field, func(*sources.Trigger, *config.Problems)) {
	var times []daily
	var days []string
	one := func(d *daily) config.Value { return config.Parsed(d, "HH:MM", parseDaily) }
	fields := []config.Field{
		{Name: "time", Also: "at daily cron oncalendar", Doc: "the time of day: 07:00 or 07:00:30", Required: true, Value: config.OneOrMore(&times, one)},
		daysField(&days, "days on which the rule fires; default: any"),
	}
	return fields, func(t *sources.Trigger, _ *config.Problems) {
		for _, d := range times {
			p.want(t, d, days)
		}
	}
}

func (p *Plan) sunTrigger() ([]config.Field, func(*sources.Trigger, *config.Problems)) {
	var states, days []string
	var offset time.Duration
	fields := []config.Field{
		{Name: "sun", Also: "sunrise sunset", Doc: "what it does", Required: true,
			Value: config.OneOrMore(&states, func(s *string) config.Value { return config.OneOf(s, rise, set) })},
		{Name: "offset", Also: "before after delay", Doc: "how much later the rule fires, or earlier if negative; at most 12h", Default: "0s",
			Value: config.Parsed(&offset, "duration such as -30m", parseOffset)},
		daysField(&days, "days on which the sun rises or sets; default: any"),
	}
	return fields, func(t *sources.Trigger, ps *config.Problems) {
		p.needPlace(t.Pos, ps)
		for _, s := range states {
			p.want(t, solar{p.place, s, offset}, days)
		}
	}
}

// want has t wait for a moment on the days of these names.
func (p *Plan) want(t *sources.Trigger, m moment, names []string) {
	p.ask(t.Pos)
	d := p.due(m)
	days := weekOf(names)
	for day := range days {
		d.days[day] = d.days[day] || days[day]
	}
	if len(names) == 0 {
		t.Topics = append(t.Topics, sources.Topic{Kind: m.kind(), Name: m.name()})
	}
	for _, day := range names {
		t.Topics = append(t.Topics, sources.Topic{Kind: m.kind(), Name: m.name(), State: day})
	}
}

// due returns what stands for m among the dues.
func (p *Plan) due(m moment) *due {
	for _, d := range p.dues {
		if d.moment == m {
			return d
		}
	}
	d := &due{moment: m}
	p.dues = append(p.dues, d)
	return d
}

func (p *Plan) needPlace(at config.Pos, ps *config.Problems) {
	if p.placeAt.Line == 0 {
		ps.Errorf(at, "`sun` needs to know where the board is: add location: {latitude: 52.5, longitude: 13.4}")
	}
}

// ask notes that at asks for the time.
func (p *Plan) ask(at config.Pos) {
	if p.asked == nil {
		p.asked = &at
	}
}

// Conditions implements sources.Conditional.
func (p *Plan) Conditions() []sources.ConditionKind {
	return []sources.ConditionKind{
		{Key: "time", Doc: "time of day, by the board's clock and time zone",
			New: func() ([]config.Field, func(*config.Problems) sources.Question) {
				h := &hours{plan: p}
				return h.fields(), h.compile
			}},
		{Key: "sun", Doc: "whether the sun is above the horizon at `location`", New: p.sunCondition},
	}
}

func (p *Plan) sunCondition() ([]config.Field, func(*config.Problems) sources.Question) {
	var is string
	var at config.Pos
	field := config.Field{Name: "sun", Doc: "where it is", Required: true, Value: config.At(&at, config.OneOf(&is, "up", "down"))}
	return []config.Field{field}, func(ps *config.Problems) sources.Question {
		p.needPlace(at, ps)
		p.ask(at)
		return sources.Question{Ask: func() sources.Truth {
			now, ok := p.now()
			if !ok {
				return sources.Unknown
			}
			return sources.Whether(p.place.Up(now) == (is == "up"))
		}}
	}
}

// now returns the time for a condition; not before the plan is applied, or the
// clock was set.
func (p *Plan) now() (time.Time, bool) {
	if p.source == nil {
		return time.Time{}, false
	}
	return p.source.now()
}
