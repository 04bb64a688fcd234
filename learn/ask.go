// SPDX-License-Identifier: MIT

// Ask: which GPIO lines to watch, by the word of whoever is there.

package learn

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"reflexd/machine"
	"reflexd/sources/gpio"
)

// Ask lists the free lines of each chip on out and reads from in, by lines, which of them to watch: those of a chip all together or one by one. No answer
// is no. It fails where there is nothing to ask for, or nobody answers.
func Ask(in io.Reader, out io.Writer, all *machine.Lines) ([]string, error) {
	a := asker{in: in, out: out}
	fmt.Fprintln(out, "Watching a line requests it, which can take the pin away from a peripheral,")
	fmt.Fprintln(out, "such as a serial port or a bus, until that is set up again. Choose lines that you wired yourself.")
	var chosen []string
	free := 0
	for i := range all.Chips {
		c := &all.Chips[i]
		specs, taken := Free(all, c)
		free += len(specs)
		if len(specs) > 0 {
			chosen = append(chosen, a.chip(c, specs, taken)...)
		}
	}
	switch {
	case a.ended:
		return nil, errors.New("no answer which lines to watch")
	case free == 0:
		return nil, errors.New("no GPIO line is free")
	}
	return chosen, nil
}

type asker struct {
	in    io.Reader
	out   io.Writer
	ended bool
}

// chip asks for the lines of one chip.
func (a *asker) chip(c *gpio.Chip, specs, taken []string) []string {
	fmt.Fprintf(a.out, "\n%s [%s] has %d free lines: %s\n", Printable(c.Name), Printable(c.Label), len(specs), Printable(strings.Join(specs, ", ")))
	if len(taken) > 0 {
		fmt.Fprintf(a.out, "left out, because their names show another use: %s\n", Printable(strings.Join(taken, ", ")))
	}
	switch a.answer("Watch them? y(es, all), s(ome of them), N(o): ") {
	case 'y':
		return specs
	case 's':
		var chosen []string
		for _, spec := range specs {
			if a.answer("  "+Printable(spec)+"? y/N: ") == 'y' {
				chosen = append(chosen, spec)
			}
		}
		return chosen
	}
	return nil
}

// answer returns the first letter of the answer, in lower case; 'n' for none.
func (a *asker) answer(question string) byte {
	if a.ended {
		return 'n'
	}
	_, _ = io.WriteString(a.out, question)
	letter := byte('n')
	var b [1]byte
	for first := true; b[0] != '\n'; {
		if _, err := a.in.Read(b[:]); err != nil {
			a.ended = true
			return 'n'
		}
		if first && b[0] > ' ' {
			letter, first = b[0]|0x20, false // in lower case
		}
	}
	return letter
}
