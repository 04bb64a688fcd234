// SPDX-License-Identifier: MIT

// Package pwm serves outputs of PWM chips through sysfs
// (Documentation/driver-api/pwm.rst, ABI/testing/sysfs-class-pwm): fans, lamps,
// motors. A channel is exported when its chip is there, and keeps its level over
// reloads. There is no PWM by software: a Linux process is too unpunctual for it,
// and a wake-up for each edge would cost more than the fan.
//
// Writing to a channel may sleep, as a chip behind I²C does: it is done in the
// background, one write at a time; of levels that could not be written in time only
// the last one is.
package pwm

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"reflexd/board"
	"reflexd/config"
	"reflexd/sources"
)

// Kind is the source in the agent's list.
var Kind = sources.Kind{
	Name: "pwm",
	Plan: func() sources.Plan { return &Plan{} },
	Open: func(h sources.Host) (sources.Source, error) { return Open(h), nil },

	Simulates: true,
}

// keep is the on_exit that leaves an output as it is.
const keep = -1

// settings are which channel is meant, and how it works.
type settings struct {
	place
	period   time.Duration
	polarity string
}

// place is which channel is meant.
type place struct {
	pin     string // the line that it drives; "" for what chip and channel say
	chip    string // what the chip's device is called, or a pattern; "" for what this board has at the pin
	channel int
}

// Output is one declared output.
type Output struct {
	settings
	initial, onExit   int
	at, chipAt, pinAt config.Pos
}

// Plan is what a configuration asks of PWM outputs.
type Plan struct {
	outputs map[string]*Output
	source  *Source // that serves it, once it is applied
}

// Sections implements sources.Plan.
func (p *Plan) Sections() []config.Field {
	return []config.Field{{
		Name: "pwm", Doc: "outputs of PWM chips, by the names that actions use",
		Value: config.MapOf(&p.outputs, func(o *Output) *config.Pos { return &o.at }, func(_ string, o *Output) config.Value { return o.value() }),
	}}
}

// kinds are the ways to say which channel is meant.
var kinds = []config.Variant{
	{Key: "pwm", Doc: "the channel of a pin of the board", Fields: func() []config.Field { return new(Output).fields("pwm") }},
	{Key: "chip", Doc: "a channel of a PWM chip", Fields: func() []config.Field { return new(Output).fields("chip") }},
}

func (o *Output) value() config.Value {
	return config.Choice("PWM output", kinds, nil, func(kind string, _ config.Pos) []config.Field {
		o.period, o.polarity, o.onExit = time.Millisecond, "normal", keep
		return o.fields(kind)
	})
}

func (o *Output) fields(kind string) []config.Field {
	fields := []config.Field{
		{Name: "frequency", Doc: "such as 25kHz for a fan; 1Hz to 100MHz", Default: "1kHz", Value: config.Parsed(&o.period, "a frequency", parseFrequency)},
		{Name: "polarity", Doc: "`inversed`: low means on", Default: "normal", Value: config.OneOf(&o.polarity, "normal", "inversed")},
		{Name: "initial", Doc: "its level when it is first opened; a reload does not change it", Default: "0%",
			Value: config.Parsed(&o.initial, "on, off or a percentage", parseLevel)},
		{Name: "on_exit", Doc: "its level when reflexd ends: keep, off, on or a percentage", Default: "keep",
			Value: config.Parsed(&o.onExit, "keep, off, on or a percentage", parseExit)},
	}
	if kind == "pwm" {
		return append([]config.Field{{Name: "pwm", Required: true, Doc: "a line as in `lines`, such as GPIO18 or `pin 12`, whose PWM channel the board's table has",
			Value: config.At(&o.pinAt, config.Word(&o.pin, "a GPIO line"))}}, fields...)
	}
	return append([]config.Field{
		{Name: "chip", Required: true, Doc: "the name of the chip's device, or a pattern: `ls -l /sys/class/pwm/*/device` shows it",
			Value: config.At(&o.chipAt, config.Word(&o.chip, "the name of a device"))},
		{Name: "channel", Doc: "which output of the chip", Default: "0", Value: config.Int(&o.channel, 0, 1<<16)},
	}, fields...)
}

// parseFrequency reads "25kHz" and returns the period.
func parseFrequency(s string) (time.Duration, error) {
	bad := fmt.Errorf("expected a frequency such as 25kHz, 50Hz, from 1Hz to 100MHz, found %q", s)
	number, ok := strings.CutSuffix(s, "Hz")
	factor := 1.0
	if rest, kilo := strings.CutSuffix(number, "k"); kilo {
		number, factor = rest, 1e3
	} else if rest, mega := strings.CutSuffix(number, "M"); mega {
		number, factor = rest, 1e6
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || !ok || !(f*factor >= 1 && f*factor <= 1e8) {
		return time.Millisecond, bad
	}
	return time.Duration(float64(time.Second)/(f*factor) + 0.5), nil
}

// parseLevel reads "40%", on or off.
func parseLevel(s string) (int, error) {
	if strings.HasSuffix(s, "%") {
		return sources.ParsePercent(s)
	}
	on, err := config.ParseBool(s)
	switch {
	case err != nil:
		return 0, fmt.Errorf("expected on, off or a percentage such as 40%%, found %q", s)
	case on:
		return sources.Full, nil
	}
	return 0, nil
}

func parseExit(s string) (int, error) {
	if s == "keep" {
		return keep, nil
	}
	return parseLevel(s)
}

// Extras implements sources.Plan.
func (p *Plan) Extras() sources.Extras {
	return sources.Extras{Namespaced: p, Subscriber: p, Examiner: p}
}

// Resolve implements sources.Plan.
func (p *Plan) Resolve(ps *config.Problems) {
	for _, name := range p.Names() {
		o := p.outputs[name]
		if sources.IsPattern(name) {
			ps.Errorf(o.at, "pwm %q: a name with *, ? or [ looks like a pattern", name)
		}
		if strings.ContainsAny(o.chip, "/\x00") {
			ps.Errorf(o.chipAt, "expected a name without slashes, found %q", o.chip)
		}
	}
}

// Check finds the channels of pins on the board that the configuration names, nil if
// it names none, and complains of channels that are declared twice.
func (p *Plan) Check(b *board.Board, ps *config.Problems) {
	for _, name := range p.Names() {
		o := p.outputs[name]
		if b == nil || o.pin == "" {
			continue
		}
		found, err := b.FindPWM(o.pin)
		if err != nil {
			ps.Errorf(o.pinAt, "%v", err)
			continue
		}
		o.chip, o.channel = found.Chip, found.Channel
	}
	p.twice(func(o *Output) (string, int) { return o.chip, o.channel }, ps.Errorf)
}

// Lint warns of what Check complains of, for the board that this one is detected as,
// nil for none, where the configuration does not say for which one it is.
func (p *Plan) Lint(b *board.Board, ps *config.Problems) {
	if b == nil || !slices.ContainsFunc(p.Names(), func(name string) bool { return p.outputs[name].onThisBoard() }) {
		return
	}
	p.twice(func(o *Output) (string, int) {
		if !o.onThisBoard() {
			return o.chip, o.channel
		}
		found, err := b.FindPWM(o.pin)
		if err != nil {
			ps.WarnOfMachinef(o.pinAt, "%v", err)
		}
		return found.Chip, found.Channel
	}, ps.WarnOfMachinef)
}

// onThisBoard reports whether only the board on which the agent runs says which
// channel is meant.
func (st *settings) onThisBoard() bool { return st.pin != "" && st.chip == "" }

// twice has complain told of channels that are declared twice. of returns which one an
// output is, and no chip if that is not known.
func (p *Plan) twice(of func(*Output) (chip string, channel int), complain func(config.Pos, string, ...any)) {
	type channel struct {
		chip string
		n    int
	}
	first := map[channel]string{}
	for _, name := range p.Names() {
		o := p.outputs[name]
		var c channel
		if c.chip, c.n = of(o); c.chip == "" {
			continue
		}
		if other, taken := first[c]; taken {
			complain(o.at, "channel %d of %s is already declared as %s", c.n, c.chip, other)
		}
		first[c] = name
	}
}

// Triggers implements sources.Plan: there is none.
func (p *Plan) Triggers() []sources.TriggerKind { return nil }

// Subscribes implements sources.SubscriberPlan: chips that appear, and losses, which
// may have been of those.
func (p *Plan) Subscribes() []string {
	if len(p.outputs) == 0 {
		return nil
	}
	return []string{"uevent", "loss"}
}

// Names returns the names of the outputs, sorted.
func (p *Plan) Names() []string { return slices.Sorted(maps.Keys(p.outputs)) }

// Same reports whether both plans mean the same by a name.
func (p *Plan) Same(other *Plan, name string) bool {
	a, b := p.outputs[name], other.outputs[name]
	return a != nil && b != nil && a.settings == b.settings
}

// Namespaces implements sources.Namespaced.
func (p *Plan) Namespaces() []sources.Namespace {
	return []sources.Namespace{{
		Key: "pwm", What: "pwm output", Example: "pwm: {%s: {chip: …}}",
		Has:   func(name string) bool { return p.outputs[name] != nil },
		Names: p.Names,
		Value: func(name string) (sources.Value, bool) {
			if p.source == nil {
				return sources.Value{}, false
			}
			level, ok := p.source.Level(name)
			return sources.Text(sources.Percent(level)), ok
		},
	}}
}
