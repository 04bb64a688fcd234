// SPDX-License-Identifier: MIT

// The verb inputs: the input devices of this board.

package main

import (
	"fmt"
	"io"
	"strings"

	"reflexd/sources/input"
)

func inputsVerb(c *command) func([]string) int {
	asJSON := c.flags.Bool("json", false, "print them as JSON")
	return func([]string) int {
		devices, err := input.List("/dev")
		code := done
		if err != nil {
			code = c.fail(err)
		}
		if *asJSON {
			return c.printJSON(append([]input.Device{}, devices...), code)
		}
		writeInputs(c.stdout, devices)
		return code
	}
}

func writeInputs(w io.Writer, devices []input.Device) {
	if len(devices) == 0 {
		fmt.Fprintln(w, "no input devices (/dev/input/event*)")
	}
	const shown = 12
	for _, d := range devices {
		if d.Error != "" {
			fmt.Fprintf(w, "%s: %s\n", d.Path, d.Error)
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
