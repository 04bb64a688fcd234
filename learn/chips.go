// SPDX-License-Identifier: MIT

// Which words find a GPIO line again, and the section `lines` for many.

package learn

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"reflexd/machine"
	"reflexd/sources/gpio"
)

// lineSpec returns the LINE that finds l of c among all lines: the first of its
// names that a configuration may use.
func lineSpec(all *machine.Lines, c *gpio.Chip, l *gpio.LineInfo) string {
	i := slices.IndexFunc(all.Chips, func(o gpio.Chip) bool { return o.Name == c.Name })
	for _, name := range all.Names(i, l.Offset) {
		if usable(name) {
			return name
		}
	}
	return fmt.Sprintf("%s:%d", c.Name, l.Offset)
}

// usable reports whether a configuration may call a line so.
func usable(spec string) bool {
	return new(gpio.Plan).AddInput(spec) == nil && !strings.ContainsRune(spec, '\uFFFD')
}

// WriteLines writes the section `lines` with the lines of chips, those that
// are used as comments. all are all lines that there are.
func WriteLines(out io.Writer, chips []gpio.Chip, all *machine.Lines) {
	used := map[string]bool{}
	var text strings.Builder
	for i := range chips {
		c := &chips[i]
		fmt.Fprintf(&text, "  # %s [%s]\n", Printable(c.Name), Printable(c.Label))
		for j := range c.Lines {
			l := &c.Lines[j]
			spec := lineSpec(all, c, l)
			name := distinct(slug(spec, "line"), used)
			mark, reason := "", ""
			if l.Used {
				mark, reason = "# ", "   # used by "+called(l.Consumer)
			}
			fmt.Fprintf(&text, "  %s%s: {input: %s}%s\n", mark, name, Word(spec), reason)
		}
	}
	head := "lines:\n"
	if !slices.ContainsFunc(chips, anyFree) {
		head = "lines: {}\n"
	}
	_, _ = io.WriteString(out, head+text.String())
}

func anyFree(c gpio.Chip) bool {
	return slices.ContainsFunc(c.Lines, func(l gpio.LineInfo) bool { return !l.Used })
}

// Free returns the lines that nobody uses and whose names do not say that they
// are for something, as LINEs; taken are those that are free by the kernel's
// word, and left out for their names.
func Free(all *machine.Lines, c *gpio.Chip) (specs, taken []string) {
	for i := range c.Lines {
		l := &c.Lines[i]
		switch spec := lineSpec(all, c, l); {
		case l.Used:
		case hasFunction(l.Name):
			taken = append(taken, spec)
		default:
			specs = append(specs, spec)
		}
	}
	return specs, taken
}

// functions are words in the names of lines that are not for anyone to use.
var functions = []string{
	"BOOT", "BT", "CAM", "CE", "CLK", "CMD", "CS", "CTS", "DAT", "DATA", "EMMC", "ETH", "FLASH", "HDMI", "HPD", "ID",
	"LED", "MDC", "MDIO", "MISO", "MOSI", "NC", "PCM", "PWM", "RESET", "RGMII", "RTS", "RUN", "RXD", "SCL", "SCLK",
	"SD", "SDA", "SDIO", "SMPS", "SPI", "STATUS", "TXD", "UART", "USB", "WAKE", "WIFI", "WL",
}

// hasFunction reports whether a line's name says what it is for: SDA0,
// ID_SDA, "P9_22 [spi0_sclk]".
func hasFunction(name string) bool {
	words := strings.FieldsFunc(strings.ToUpper(name), func(r rune) bool { return r < 'A' || r > 'Z' })
	return slices.ContainsFunc(words, func(w string) bool { return slices.Contains(functions, w) })
}
