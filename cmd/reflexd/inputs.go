// SPDX-License-Identifier: MIT

// The verb inputs: the input devices of this board.

package main

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"reflexd/learn"
	"reflexd/sources"
	"reflexd/sources/input"
)

func inputsVerb(c *command) func([]string) int {
	asJSON := c.flags.Bool("json", false, "print them as JSON")
	asYAML := c.flags.Bool("yaml", false, "print their declarations, to paste into a configuration")
	return func(args []string) int {
		all, err := input.List("/dev")
		devices := selectInputs(all, args)
		code := done
		switch {
		case err != nil:
			code = c.fail(err)
		case len(devices) == 0 && len(args) > 0:
			code = c.fail(fmt.Errorf("no input device is called %s", strings.Join(args, " or ")))
		}
		switch {
		case *asJSON:
			return c.printJSON(append([]input.Device{}, devices...), code)
		case *asYAML:
			learn.WriteInputs(c.stdout, devices, all)
		case code == done || len(devices) > 0:
			writeInputs(c.stdout, devices)
		}
		return code
	}
}

// selectInputs returns the devices whose name, path or id one of the globs is
// for; all without globs. "event3" is short for /dev/input/event3.
func selectInputs(devices []input.Device, globs []string) []input.Device {
	if len(globs) == 0 {
		return devices
	}
	var selected []input.Device
	for i := range devices {
		d := &devices[i]
		called := func(g string) bool {
			return sources.Glob(g, d.Name) || sources.Glob(g, d.Path) || sources.Glob(g, filepath.Base(d.Path)) || d.ID != "" && sources.Glob(g, d.ID)
		}
		if slices.ContainsFunc(globs, called) {
			selected = append(selected, *d)
		}
	}
	return selected
}

func writeInputs(w io.Writer, devices []input.Device) {
	if len(devices) == 0 {
		fmt.Fprintln(w, "no input devices (/dev/input/event*)")
	}
	const shown = 12
	for _, d := range devices {
		if d.Error != "" {
			fmt.Fprintf(w, "%s: %s\n", d.Path, oneLine(d.Error))
			continue
		}
		fmt.Fprintf(w, "%s  %s\n", d.Path, printable(d.Name))
		for _, row := range [][2]string{{"id", d.ID}, {"phys", d.Phys}, {"uniq", d.Uniq}, {"has", strings.Join(d.Types, ", ")}} {
			if row[1] != "" {
				fmt.Fprintf(w, "    %-5s %s\n", row[0], printable(row[1]))
			}
		}
		switch keys := d.Keys; {
		case len(keys) > shown:
			fmt.Fprintf(w, "    keys  %s … and %d more (--json has all)\n", strings.Join(keys[:shown], " "), len(keys)-shown)
		case len(keys) > 0:
			fmt.Fprintf(w, "    keys  %s\n", strings.Join(keys, " "))
		}
	}
}
