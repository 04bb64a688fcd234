// SPDX-License-Identifier: MIT

// Package input reads the event devices of the kernel's input subsystem,
// /dev/input/event*: keys, buttons, switches, axes and wheels. It follows
// Documentation/input/event-codes.rst and drivers/input/evdev.c.
//
// Each device that some rule may match is open once, non-blocking and
// read-only, stamps its events by CLOCK_MONOTONIC, and has an event mask, so
// that what no rule asks for wakes nobody. Devices come and go by inotify:
// which shows too when one that may not be read yet becomes readable, which
// uevents do not.
package input

import (
	"maps"
	"slices"
	"time"

	"reflexd/config"
	"reflexd/sources"
)

// Kind is this source.
var Kind = sources.Kind{
	Name: "input",
	Plan: func() sources.Plan { return &Plan{} },
	Open: func(host sources.Host) (sources.Source, error) {
		if host.Simulated {
			return openWithoutKernel(host), nil
		}
		return open(host, driver), nil
	},

	Simulates: true,
}

// Plan is what one configuration asks of the input devices. The zero value
// asks for nothing.
type Plan struct {
	// Inputs are the declared devices, by name.
	Inputs map[string]*Input
	// Everything opens every device, without event mask or grab, and emits
	// all that they send.
	Everything bool
	// Virtual are the keys of each virtual device that actions press, by its
	// name.
	Virtual map[string][]uint16

	// wants are the codes that triggers ask for, by the name in `from`; ""
	// holds those for any device.
	wants map[string]*codes
	// typed are the inputs whose texts rules want.
	typed map[string]bool
	// scans are the scancodes that rules ask for, with the names of their keys,
	// by the name in `from`.
	scans map[string]map[scancode]string
	// takes are the codes that rules keep from other programs where a device is
	// passed on, as wants has them.
	takes map[string]*codes
	// silences are the times after which rules want to be notified that an input is
	// idle, ascending, by its name.
	silences map[string][]time.Duration
	// asks are the keys whose state conditions ask for, as wants has them.
	asks map[string]*codes
}

// Sections implements sources.Plan.
func (p *Plan) Sections() []config.Field {
	at := func(in *Input) *config.Pos { return &in.Pos }
	elem := func(_ string, in *Input) config.Value { return config.Whole(&in.whole, config.Object(in.fields()...)) }
	return []config.Field{{
		Name: "inputs", Doc: "devices of /dev/input, by the names that rules use in `from`",
		Value: config.MapOf(&p.Inputs, at, elem),
	}}
}

// Extras implements sources.Plan.
func (p *Plan) Extras() sources.Extras { return sources.Extras{Conditional: p, Examiner: p} }

// Resolve implements sources.Plan.
func (p *Plan) Resolve(ps *config.Problems) {
	for _, name := range slices.Sorted(maps.Keys(p.Inputs)) {
		if in := p.Inputs[name]; in.whole && !in.selects() {
			ps.Errorf(in.Pos, "input %q does not select a device: add one of name, id, phys, uniq, path, has", name)
		}
		p.Inputs[name].resolveText(name, ps)
		p.Inputs[name].resolvePass(name, ps)
	}
}

// want has the codes of a type received from the device declared as from, or from
// any if that is "".
func (p *Plan) want(from string, typ uint16, list ...uint16) {
	add(&p.wants, from, typ, list...)
}

// add adds codes of a type to those of the device declared as from.
func add(all *map[string]*codes, from string, typ uint16, list ...uint16) {
	if *all == nil {
		*all = map[string]*codes{}
	}
	if (*all)[from] == nil {
		(*all)[from] = &codes{}
	}
	for _, code := range list {
		(*all)[from].add(typ, code)
	}
}

// wantKeys has all keys received from the device declared as from, or from any.
func (p *Plan) wantKeys(from string) {
	p.want(from, evKey)
	p.wants[from].keys = everyCode.keys
}

// idle reports whether p asks for nothing.
func (p *Plan) idle() bool {
	return !p.Everything && len(p.Inputs) == 0 && len(p.wants) == 0
}

// namesOf returns the names under which the device at path is declared, in
// order.
func (p *Plan) namesOf(path string, id *identity) []string {
	var names []string
	for name, in := range p.Inputs {
		if id.simulates == "" && in.matches(path, id) || id.simulates == name {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// wanted returns what rules want of a device that is declared by names.
func (p *Plan) wanted(names []string) codes {
	if p.Everything {
		return everyCode
	}
	return unionOf(p.wants, names)
}

// asked returns the keys of such a device whose state conditions ask for.
func (p *Plan) asked(names []string) codes { return unionOf(p.asks, names) }

// unionOf returns what all has for devices that are declared by names.
func unionOf(all map[string]*codes, names []string) codes {
	var union codes
	for _, from := range append([]string{""}, names...) {
		if c := all[from]; c != nil {
			union.union(c)
		}
	}
	return union
}

// grabOf returns how a device that is declared by names is to be grabbed: the
// strongest of what they ask for.
func (p *Plan) grabOf(names []string) Grab {
	mode := GrabOff
	for _, name := range names {
		if !p.Everything {
			mode = max(mode, p.Inputs[name].Grab)
		}
	}
	return mode
}
