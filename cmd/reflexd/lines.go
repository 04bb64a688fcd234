// SPDX-License-Identifier: MIT

// The verb lines: the GPIO lines of this board, none of them touched.

package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"reflexd/learn"
	"reflexd/machine"
	"reflexd/sources"
	"reflexd/sources/gpio"
)

func linesVerb(c *command) func([]string) int {
	asJSON := c.flags.Bool("json", false, "print them as JSON")
	asYAML := c.flags.Bool("yaml", false, "print declarations of the free lines, to paste into a configuration")
	return func(args []string) int {
		all, err := machine.Look(sources.Machine{})
		chips := selectLines(all, args)
		code := done
		switch {
		case err != nil:
			code = c.fail(err)
		case len(all.Chips) == 0:
			code = c.fail(fmt.Errorf("this machine has no GPIO chip (/dev/gpiochip*)"))
		case len(chips) == 0:
			code = c.fail(fmt.Errorf("no chip or line is called %s%s", strings.Join(args, " or "), all.Suggest(args[0])))
		}
		switch {
		case *asJSON:
			return c.printJSON(append([]gpio.Chip{}, chips...), code)
		case *asYAML:
			learn.WriteLines(c.stdout, chips, all)
		default:
			writeLines(c.stdout, chips, all)
		}
		return code
	}
}

// selectLines returns the chips and lines that one of the globs names, by a name
// of the kernel or of the board; all without globs.
func selectLines(all *machine.Lines, globs []string) []gpio.Chip {
	if len(globs) == 0 {
		return all.Chips
	}
	matches := func(name string) bool {
		return slices.ContainsFunc(globs, func(g string) bool { return name != "" && sources.Glob(g, name) })
	}
	resolved := resolveAll(all, globs)
	var selected []gpio.Chip
	for i, chip := range all.Chips {
		named := func(l gpio.LineInfo) bool {
			return matches(l.Name) || slices.ContainsFunc(all.NamesOfBoard(&chip, &l), matches) || slices.Contains(resolved, place{i, l.Offset})
		}
		if !matches(chip.Name) && !matches(chip.Label) {
			chip.Lines = slices.DeleteFunc(slices.Clone(chip.Lines), func(l gpio.LineInfo) bool { return !named(l) })
		}
		if len(chip.Lines) > 0 {
			selected = append(selected, chip)
		}
	}
	return selected
}

// place is a line of one of the chips.
type place struct{ chip, offset int }

// resolveAll returns the lines that are found by the words as a configuration
// would find them.
func resolveAll(all *machine.Lines, words []string) []place {
	var places []place
	for _, word := range words {
		if chip, offset, err := all.Resolve(word); err == nil {
			places = append(places, place{chip, offset})
		}
	}
	return places
}

func writeLines(w io.Writer, chips []gpio.Chip, all *machine.Lines) {
	for i, chip := range chips {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s [%s], %s\n", chip.Name, printable(chip.Label), counted(len(chip.Lines), "line"))
		table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, l := range chip.Lines {
			name := printable(l.Name)
			if name == "" {
				name = "-"
			}
			fmt.Fprintf(table, "  %d\t%s\t%s\t%s\t%s\n", l.Offset, name, strings.Join(all.NamesOfBoard(&chip, &l), " "), l.Direction, lineUse(l))
		}
		table.Flush()
	}
}

// lineUse says who has a line and how.
func lineUse(l gpio.LineInfo) string {
	var words []string
	if l.Used {
		words = append(words, fmt.Sprintf("used by %q", l.Consumer))
	}
	if l.ActiveLow {
		words = append(words, "active low")
	}
	words = append(words, l.Bias)
	if l.Drive != "push-pull" {
		words = append(words, l.Drive)
	}
	if l.Edges != "" {
		words = append(words, "edges "+l.Edges)
	}
	if l.Debounce > 0 {
		words = append(words, fmt.Sprintf("debounce %v", l.Debounce))
	}
	return strings.Join(slices.DeleteFunc(words, func(s string) bool { return s == "" }), ", ")
}
