// SPDX-License-Identifier: MIT

// Package sensor is the source of values that the kernel measures: temperatures,
// voltages, batteries, light. It reads attributes of sysfs, which it finds by the
// names that drivers give their devices, never by number, and emits an event when
// a value changes or cannot be read any more.
//
// Attributes are read in the background: a driver may have to ask a chip behind a
// slow bus, and a thermometer on 1-wire takes 750 ms. All sensors of one period
// are read at the same wake-up. A sensor that no rule asks for is not read.
//
// This file has what a configuration says of sensors.
package sensor

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"reflexd/config"
	"reflexd/sources"
)

// Kind is the source in the agent's list.
var Kind = sources.Kind{
	Name: "sensor",
	Plan: func() sources.Plan { return &Plan{} },
	Open: func(h sources.Host) (sources.Source, error) { return Open(h), nil },

	Simulates: true,
}

// The kinds of sensors, by their keys.
const (
	thermal     = "thermal"
	hwmon       = "hwmon"
	iio         = "iio"
	w1          = "w1"
	powerSupply = "power_supply"
	path        = "path"
)

// The ways to learn of a new value.
const (
	byPoll     = "poll"
	byPriority = "priority"
	byUevent   = "uevent"
)

const (
	usualPeriod    = 10 * time.Second
	shortestPeriod = 100 * time.Millisecond
	longestWindow  = 99 // of a filter
)

// settings say which sensor is meant and how it is read. Two that are equal
// mean the same.
type settings struct {
	kind      string
	name      string // of the device: a name or a pattern; or the path
	attribute string // of hwmon and power_supply; the channel of iio
	label     string // of hwmon, instead of attribute
	device    string // a pattern of what hwmon and iio devices belong to; "" for any
	every     time.Duration
	polled    bool // every was given
	scale     sources.Number
	scaled    bool // scale was given
	unit      string
	named     bool // unit was given
	filter    filter
	watch     string // "" for what suits it
}

// Sensor is one declared sensor.
type Sensor struct {
	settings
	at, nameAt, attributeAt, everyAt, watchAt, scaleAt, unitAt config.Pos

	asked bool // something wants its value
}

// Plan is what a configuration asks of sensors.
type Plan struct {
	sensors   map[string]*Sensor
	source    *Source     // that serves it, once it is applied
	crossings []*crossing // that triggers ask for
}

// Sections implements sources.Plan.
func (p *Plan) Sections() []config.Field {
	return []config.Field{{
		Name: "sensors", Doc: "values that the kernel measures, by the names that rules use; a sensor is read only if a rule uses it, or `expose` of `mqtt` names it",
		Value: config.MapOf(&p.sensors, func(s *Sensor) *config.Pos { return &s.at }, func(_ string, s *Sensor) config.Value { return s.value() }),
	}}
}

// kinds are the kinds of sensors as the language knows them.
var kinds = []config.Variant{
	{Key: thermal, Doc: "a thermal zone", Fields: func() []config.Field { return new(Sensor).fields(thermal) }},
	{Key: hwmon, Doc: "an attribute of a hardware monitoring chip", Fields: func() []config.Field { return new(Sensor).fields(hwmon) }},
	{Key: iio, Doc: "a channel of an Industrial I/O device", Fields: func() []config.Field { return new(Sensor).fields(iio) }},
	{Key: w1, Doc: "a thermometer on a 1-wire bus", Fields: func() []config.Field { return new(Sensor).fields(w1) }},
	{Key: powerSupply, Doc: "an attribute of a battery or power supply", Fields: func() []config.Field { return new(Sensor).fields(powerSupply) }},
	{Key: path, Doc: "a file that begins with a number or word", Fields: func() []config.Field { return new(Sensor).fields(path) }},
}

func (s *Sensor) value() config.Value {
	return config.Choice("kind of sensor", kinds, nil, func(kind string, _ config.Pos) []config.Field {
		s.kind, s.every = kind, usualPeriod
		return s.fields(kind)
	})
}

// fields returns the keys of a sensor of the kind.
func (s *Sensor) fields(kind string) []config.Field {
	docs := map[string]string{
		thermal:     "the zone's type, a name or pattern: `reflexd sensors` lists them",
		hwmon:       "the chip's name, a name or pattern",
		iio:         "the device's name, a name or pattern",
		w1:          "the device's name, a name or pattern: \"28-0316*\"",
		powerSupply: "its name, a name or pattern: \"BAT*\"",
		path:        "the absolute path of the file; it need not exist yet",
	}
	fields := []config.Field{{Name: kind, Required: true, Doc: docs[kind], Value: config.At(&s.nameAt, config.Word(&s.name, "a name"))}}
	word := func(name, doc string, p *string) config.Field {
		return config.Field{Name: name, Doc: doc, Value: config.At(&s.attributeAt, config.Word(p, "a name"))}
	}
	device := word("device", "the name of the device that it belongs to, or a pattern, if several have the same name: 1-0048", &s.device)
	switch kind {
	case hwmon:
		fields = append(fields, word("attribute", "such as temp1_input, in0_lcrit_alarm", &s.attribute),
			word("label", "or the label of the attribute, as the driver has it", &s.label), device)
	case iio:
		channel := word("channel", "such as in_illuminance, in_voltage0; the kernel's scale and offset are applied", &s.attribute)
		channel.Required = true
		fields = append(fields, channel, device)
	case powerSupply:
		attribute := word("attribute", "such as capacity, online, voltage_now", &s.attribute)
		attribute.Required = true
		fields = append(fields, attribute)
	}
	return append(fields, s.commonFields()...)
}

func (s *Sensor) commonFields() []config.Field {
	return []config.Field{
		{Name: "every", Also: "interval period poll", Doc: "how often it is read, at least 100ms; one that is announced needs no reading", Default: usualPeriod.String(),
			Value: config.At(&s.everyAt, config.Duration(&s.every))},
		{Name: "watch", Doc: "`priority`, `uevent`: the driver announces each change, by POLLPRI or by a uevent of its device, and the file is not polled",
			Default: "poll, unless the driver is known to announce changes", Value: config.At(&s.watchAt, config.OneOf(&s.watch, byPoll, byPriority, byUevent))},
		{Name: "scale", Also: "factor multiply", Doc: "by what the number in the file is multiplied", Default: "as the kernel documents the attribute",
			Value: config.At(&s.scaleAt, config.Parsed(&s.scale, "a number", parseScale))},
		{Name: "unit", Doc: "the unit of the value", Default: "as the kernel documents the attribute", Value: config.At(&s.unitAt, config.Word(&s.unit, "a unit"))},
		{Name: "filter", Doc: "`median N` or `mean N` of the last N values, up to 99; `median 5` drops two outliers in a row",
			Value: config.Parsed(&s.filter, "median N or mean N", parseFilter)},
	}
}

func parseScale(text string) (sources.Number, error) {
	n, ok := sources.ParseNumber(text)
	if !ok || n == (sources.Number{}) {
		return n, fmt.Errorf("expected a number that is not 0, found %q", text)
	}
	return n, nil
}

// filter is what is made of the last values.
type filter struct {
	mean bool // else the median
	n    int  // of how many; 0 or 1 for no filter
}

func parseFilter(text string) (filter, error) {
	word, count, _ := strings.Cut(text, " ")
	n, err := strconv.Atoi(strings.TrimSpace(count))
	if err != nil || n < 2 || n > longestWindow || word != "median" && word != "mean" {
		return filter{}, fmt.Errorf("expected `median N` or `mean N` with N from 2 to %d, found %q", longestWindow, text)
	}
	return filter{word == "mean", n}, nil
}

// Extras implements sources.Plan.
func (p *Plan) Extras() sources.Extras {
	return sources.Extras{Conditional: p, Namespaced: p, Subscriber: p, Examiner: p}
}

// Resolve implements sources.Plan.
func (p *Plan) Resolve(ps *config.Problems) {
	for _, name := range p.Names() {
		s := p.sensors[name]
		if sources.IsPattern(name) {
			ps.Errorf(s.at, "sensor %q: a name with *, ? or [ looks like a pattern", name)
		}
		s.polled, s.scaled, s.named = s.everyAt.Line != 0, s.scaleAt.Line != 0, s.unitAt.Line != 0
		if s.kind != "" && s.name != "" {
			s.resolve(ps)
		}
	}
}

func (s *Sensor) resolve(ps *config.Problems) {
	if s.kind == path {
		if !filepath.IsAbs(s.name) {
			ps.Errorf(s.nameAt, "the path must be absolute, found %q", s.name)
		}
		s.name = filepath.Clean(s.name)
	}
	for _, name := range []string{s.attribute, s.label, s.device} {
		if err := checkName(name); name != "" && err != nil && name != s.label {
			ps.Errorf(s.attributeAt, "%v", err)
		}
	}
	if s.kind != path && strings.ContainsAny(s.name, "/\x00") {
		ps.Errorf(s.nameAt, "expected a name without slashes, found %q; use `path:` for a path", s.name)
	}
	if s.kind == hwmon && (s.attribute == "") == (s.label == "") {
		ps.Errorf(s.nameAt, "a hwmon sensor needs `attribute:` or `label:`, and not both")
	}
	if s.every < shortestPeriod {
		ps.Errorf(s.everyAt, "every: %v is too fast: at least %v", s.every, shortestPeriod)
	}
	switch announced := s.watch == byPriority || s.watch == byUevent; {
	case announced && s.polled:
		ps.Errorf(s.everyAt, "with `watch: %s` the file is not polled: leave out one of `watch` and `every`", s.watch)
	case announced && s.kind == w1:
		ps.Errorf(s.watchAt, "1-wire devices announce nothing: use `every`")
	case s.watch == byUevent && s.kind == path:
		ps.Errorf(s.watchAt, "a path has no device whose uevents could announce a change: use `every` or `watch: priority`")
	}
}

// checkName returns an error for what cannot be the name of something in sysfs.
func checkName(name string) error {
	if strings.ContainsAny(name, "/\x00") || name == "." || name == ".." {
		return errors.New("expected a name without slashes, as in /sys")
	}
	return nil
}

// Names returns the names of the sensors, sorted.
func (p *Plan) Names() []string { return slices.Sorted(maps.Keys(p.sensors)) }

// declared is what triggers and conditions look names up among.
func (p *Plan) declared() *sources.Declared[*Sensor] {
	return &sources.Declared[*Sensor]{What: "sensor", ByName: p.sensors, Example: "sensors: {%s: {thermal: cpu-thermal}}"}
}

// Find returns the names of the sensors that r means, and has them read.
func (p *Plan) Find(r []sources.Ref, ps *config.Problems) []string {
	names := p.declared().FindAll(r, ps)
	for _, name := range names {
		p.Ask(name)
	}
	return names
}

// Ask has a declared sensor read.
func (p *Plan) Ask(name string) { p.sensors[name].asked = true }

// Unit returns the unit of a sensor's values, "" if it has none or that is only
// known once the sensor is found: that of a label.
func (p *Plan) Unit(name string) string {
	s := p.sensors[name]
	if s.named {
		return s.unit
	}
	return s.expected().name
}

// AskAll has all sensors read that this machine has, by the names that List gives them,
// and returns what each is declared as. It is for monitor and learn.
func (p *Plan) AskAll(sys string) map[string]string {
	p.sensors = map[string]*Sensor{}
	declared := map[string]string{}
	for _, f := range List(sys) {
		s := &Sensor{settings: f.settings, asked: true}
		s.every = time.Second
		p.sensors[f.Name] = s
		declared[f.Name] = f.Declaration
	}
	return declared
}

// Subscribes implements sources.SubscriberPlan: devices that appear and are removed,
// and values that are announced with a uevent.
func (p *Plan) Subscribes() []string {
	for _, s := range p.sensors {
		if s.asked {
			return []string{"uevent", "loss"}
		}
	}
	return nil
}

// Namespaces implements sources.Namespaced.
func (p *Plan) Namespaces() []sources.Namespace {
	return []sources.Namespace{{
		Key: "sensor", What: "sensor", Example: "sensors: {%s: {thermal: cpu-thermal}}",
		Has:   func(name string) bool { return p.sensors[name] != nil },
		Names: p.Names,
		Asked: p.Ask,
		Value: func(name string) (sources.Value, bool) {
			n := p.node(name)
			if n == nil || !n.known {
				return sources.Value{}, false
			}
			return sources.Text(n.value.text), true
		},
	}}
}

// node returns what is known of a sensor, nil before the plan is applied.
func (p *Plan) node(name string) *node {
	if p.source == nil {
		return nil
	}
	return p.source.nodes[name]
}
