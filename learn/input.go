// SPDX-License-Identifier: MIT

// Which declaration finds an input device again, and no other.

package learn

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"reflexd/sources/input"
)

// narrowings are what a device is selected by: they are tried in turn, until one
// is a device's own. The port that it is plugged into is asked for last: it is
// another one the next time.
var narrowings = [...]string{"name", "name id", "name uniq", "name id phys", "id", "uniq", "id phys", "phys", byPath}

const byPath = "path"

// property returns what d has by the key of an input's declaration.
func property(d *input.Device, key string) string {
	switch key {
	case "name":
		return d.Name
	case "id":
		if d.ID == "0000:0000" { // of what is no USB and no Bluetooth device
			return ""
		}
		return d.ID
	case "phys":
		return d.Phys
	case "uniq":
		return d.Uniq
	}
	return d.Path
}

// selectors returns the ways to declare d, the narrowest sensible first.
func selectors(d *input.Device, all []input.Device) string {
	best := byPath
	for _, keys := range narrowings {
		if selects(d, keys) != "" && alone(d, all, keys) {
			best = keys
			break
		}
	}
	narrowest := selects(d, best)
	choices := narrowest
	if best == byPath {
		choices += "\tnothing else identifies it; the number can change at the next boot"
	}
	for _, wider := range [...]string{"name\tany of this name", "id\tany of this model", "phys\tany device in that port"} {
		key, why, _ := strings.Cut(wider, "\t")
		if yaml := selects(d, key); yaml != "" && yaml != narrowest {
			choices += "\n" + yaml + "\t" + why
		}
	}
	return choices
}

// alone reports whether no other device has what d is selected by.
func alone(d *input.Device, all []input.Device, keys string) bool {
	selected := selects(d, keys)
	for i := range all {
		if other := &all[i]; other.Path != d.Path && selects(other, keys) == selected {
			return false
		}
	}
	return true
}

// selects returns the declaration of d by the keys, "" if it has not all of
// them.
func selects(d *input.Device, keys string) string {
	yaml := ""
	for _, key := range strings.Fields(keys) {
		value := property(d, key)
		if value == "" {
			return ""
		}
		yaml += ", " + key + ": " + Pattern(value)
	}
	return "{" + yaml[2:] + "}"
}

// nameOf returns what people know d by.
func nameOf(d *input.Device) string {
	return called(cmp.Or(d.Name, d.Path))
}

// input declares d, and returns what it is called then. more are more ways to
// declare it.
func (f *fragment) input(w *World, d *input.Device, more string) (name string) {
	name = inputName(d)
	f.section("inputs", name, selectors(d, w.Inputs)+more)
	return name
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

// WriteInputs writes the section `inputs` with the devices, each declared so
// that it is distinct from all that there are.
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
