// SPDX-License-Identifier: MIT

// Which declaration finds an input device again, and no other.

package learn

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"reflexd/sources/input"
)

// selector is one property that a device can be found by.
type selector struct {
	key string
	of  func(d *input.Device) string
}

var (
	byName = selector{"name", func(d *input.Device) string { return d.Name }}
	byPhys = selector{"phys", func(d *input.Device) string { return d.Phys }}
	byUniq = selector{"uniq", func(d *input.Device) string { return d.Uniq }}
	byPath = selector{"path", func(d *input.Device) string { return d.Path }}
	byID   = selector{"id", func(d *input.Device) string {
		if d.ID == "0000:0000" { // of what is no USB and no Bluetooth device
			return ""
		}
		return d.ID
	}}
)

// narrowings are tried in turn, until one is a device's own. The port that it
// is plugged into is asked for last: it is another one the next time.
var narrowings = [][]selector{
	{byName}, {byName, byID}, {byName, byUniq}, {byName, byID, byPhys}, {byID}, {byUniq}, {byID, byPhys}, {byPhys}, {byPath},
}

// selectors returns the ways to declare d, the narrowest sensible first.
func selectors(d *input.Device, all []input.Device) string {
	best := narrowings[len(narrowings)-1]
	for _, n := range narrowings {
		if has(d, n) && alone(d, all, n) {
			best = n
			break
		}
	}
	narrowest := selects(d, best)
	choices := narrowest
	if best[0].key == byPath.key {
		choices += "\tnothing else tells it from others; the number may be another after the next boot"
	}
	for i, why := range []string{"any of this name", "any of this make", "whatever is plugged in there"} {
		wider := []selector{byName, byID, byPhys}[i : i+1]
		if yaml := selects(d, wider); has(d, wider) && yaml != narrowest {
			choices += "\n" + yaml + "\t" + why
		}
	}
	return choices
}

func has(d *input.Device, selectors []selector) bool {
	return !slices.ContainsFunc(selectors, func(s selector) bool { return s.of(d) == "" })
}

// alone reports whether no other device has what d is selected by.
func alone(d *input.Device, all []input.Device, selectors []selector) bool {
	for i := range all {
		other := &all[i]
		differs := func(s selector) bool { return s.of(d) != s.of(other) }
		if other.Path != d.Path && !slices.ContainsFunc(selectors, differs) {
			return false
		}
	}
	return true
}

func selects(d *input.Device, selectors []selector) string {
	var parts []string
	for _, s := range selectors {
		parts = append(parts, s.key+": "+Pattern(s.of(d)))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// inputName returns what to call d in the configuration.
func inputName(d *input.Device) string {
	all := func(list []string, words ...string) bool {
		return !slices.ContainsFunc(words, func(w string) bool { return !slices.Contains(list, w) })
	}
	switch {
	case all(d.Keys, "KEY_A", "KEY_Z", "KEY_ENTER"):
		return "keyboard"
	case all(d.Keys, "BTN_LEFT") && slices.Contains(d.Types, "wheel"):
		return "mouse"
	case all(d.Keys, "BTN_SOUTH"):
		return "gamepad"
	}
	return slug(d.Name, "input")
}

// nameOf returns what people know d by.
func nameOf(d *input.Device) string {
	if d.Name == "" {
		return called(d.Path)
	}
	return called(d.Name)
}

// input declares d, and returns what it is called then. more are more ways to
// declare it.
func (f *fragment) input(w *World, d *input.Device, more string) (name string) {
	name = inputName(d)
	f.section("inputs", name, selectors(d, w.Inputs)+more)
	return name
}

// WriteInputs writes the section `inputs` with the devices, each declared so
// that it is told from all that there are.
func WriteInputs(out io.Writer, devices, all []input.Device) {
	used := map[string]bool{}
	var b strings.Builder
	for i := range devices {
		d := &devices[i]
		if d.Error != "" {
			fmt.Fprintf(&b, "  # %s: %s\n", d.Path, Printable(d.Error))
			continue
		}
		fmt.Fprintf(&b, "  # %s: %s\n", d.Path, Printable(d.Name))
		writeChoices(&b, "  ", "  # ", distinct(inputName(d), used)+": %", selectors(d, all))
	}
	head := "inputs:\n"
	if len(used) == 0 {
		head = "inputs: {}\n"
	}
	_, _ = io.WriteString(out, head+b.String())
}
