// SPDX-License-Identifier: MIT

// The verb sensors: the sensors of this board.

package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"reflexd/sources"
	"reflexd/sources/sensor"
)

func sensorsVerb(c *command) func([]string) int {
	asJSON := c.flags.Bool("json", false, "print them as JSON")
	asYAML := c.flags.Bool("yaml", false, "print their declarations, to paste into a configuration")
	return func(args []string) int {
		all := slices.DeleteFunc(sensor.List("/sys"), func(s sensor.Listed) bool {
			return len(args) > 0 && !slices.ContainsFunc(args, func(a string) bool { return sources.Glob(a, s.Name) || strings.Contains(s.Declaration, a) })
		})
		code := done
		if len(all) == 0 && len(args) > 0 {
			code = c.fail(fmt.Errorf("no sensor is called %s", strings.Join(args, " or ")))
		}
		switch {
		case *asJSON:
			return c.printJSON(append([]sensor.Listed{}, all...), code)
		case *asYAML:
			fmt.Fprintln(c.stdout, "sensors:")
			for _, s := range all {
				fmt.Fprintf(c.stdout, "  %s: %s\n", s.Name, s.Declaration)
			}
		case code == done:
			writeSensors(c.stdout, all)
		}
		return code
	}
}

func writeSensors(w io.Writer, all []sensor.Listed) {
	if len(all) == 0 {
		fmt.Fprintln(w, "no sensors (/sys/class/thermal, /sys/class/hwmon, /sys/bus/iio, /sys/bus/w1, /sys/class/power_supply)")
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range all {
		value := strings.TrimSpace(s.Value + " " + s.Unit)
		if s.Error != "" {
			value = s.Error
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", printable(s.Name), printable(s.Declaration), printable(value))
	}
	_ = table.Flush()
}
