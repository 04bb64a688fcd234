// SPDX-License-Identifier: MIT

// Package board knows boards: which one this is, and what people call its GPIO
// lines: by the pins of its headers, by the names of its processor's manual and
// by those that others have made customary. It touches no device; the facts
// are text in tables/, a file for each family, in the format that parse.go
// describes.
package board

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Board is what the tables have about one model.
type Board struct {
	Name    string // by which a configuration may name it: "rpi-4b"
	Title   string // "Raspberry Pi 4 Model B"
	Family  string // "raspberry-pi": the file of tables/ that it is from
	Note    string // what its user ought to know before wiring something; may be ""
	Chips   []Chip
	Headers []Header

	compatible []string // device tree: any of them, whole
	types      []uint32 // the board's type in a Raspberry Pi's revision code
	codes      []uint32 // whole revision codes, of the time before they had a type
	runs       []run
	aliases    []alias
	pwms       []PWM
}

// Chip is a GPIO chip of a board. Its number (gpiochip0) is not among the
// facts: it depends on what was found first.
type Chip struct {
	Name string // in the tables: "main"
	// Known are the words by which the kernel may know it: its driver's label
	// or the name of its device in sysfs, whichever identifies it.
	Known []string
}

// Is reports whether a chip with this label, and this device as the last part
// of its path in sysfs, is c.
func (c *Chip) Is(label, device string) bool {
	return slices.Contains(c.Known, label) || slices.Contains(c.Known, device)
}

// Header is a row of pins to which things are wired.
type Header struct {
	Name    string // as it is printed on the board: "J8"
	Columns int    // 1 or 2
	Pins    []Pin  // as they lie: from left to right, from top to bottom
}

// Pin is one pin of a header.
type Pin struct {
	Number int
	// Name is the first of the names of its line, or what else the pin is:
	// "3V3", "GND".
	Name string
	// Others are the other names of its line.
	Others []string
	Wired  bool // to a line
}

// Function returns what the pin is for beside being a line, "" for nothing.
func (p *Pin) Function() string {
	if len(p.Others) == 0 || strings.Contains(p.Others[0], ":") {
		return ""
	}
	return p.Others[0]
}

// Line is where a name leads: to a chip and an offset, or, where the board's
// device tree gives the line a name, to that.
type Line struct {
	Chip   *Chip // nil: go by Name
	Offset int
	Name   string // the line's name in the kernel
}

// run is a row of lines of one chip that are numbered through.
type run struct {
	chip        int // in Board.Chips
	first, last int // offsets
	patterns    []string
}

// alias is one more name for a line.
type alias struct{ name, line string }

// Find returns the line that people call name. Letters may be large or small.
// It fails with ErrUnknown if the board has none of that name, and otherwise
// if the name means something else than a line.
func (b *Board) Find(name string) (Line, error) {
	if b.isAlias(name) {
		return b.named(name), nil
	}
	if p, err := b.pin(name); err != nil {
		return Line{}, err
	} else if p != nil {
		return b.named(p.Name), nil
	}
	for _, h := range b.Headers {
		for _, p := range h.Pins {
			if p.Wired && (fold(p.Name, name) || slices.ContainsFunc(p.Others, func(o string) bool { return fold(o, name) })) {
				return b.named(p.Name), nil
			}
		}
	}
	if l := b.named(name); l.Chip != nil {
		return l, nil
	}
	return Line{}, ErrUnknown
}

// ErrUnknown says that a board has no line of a name.
var ErrUnknown = fmt.Errorf("the board has no such line")

func fold(a, b string) bool { return strings.EqualFold(a, b) }

// pin finds what is named by its place: "pin 11" of the largest header, "J8:11"
// or "P8_11" of any. It returns nil if name is no such thing.
func (b *Board) pin(name string) (*Pin, error) {
	i := strings.IndexAny(name, " :_")
	if i <= 0 {
		return nil, nil
	}
	header, number := name[:i], name[i+1:]
	switch {
	case name[i] != ' ':
	case fold(header, "pin"):
		header = ""
	default:
		return nil, nil
	}
	return b.pinOf(header, number)
}

// pinOf finds the pin with that number of the header with that name. Without a
// name the largest header is meant, if there is one.
func (b *Board) pinOf(header, number string) (*Pin, error) {
	h := b.header(header)
	switch {
	case h == nil && header != "":
		return nil, nil
	case h == nil && len(b.Headers) > 1:
		return nil, fmt.Errorf("the %s has several headers: write %s", b.Title, b.headersWith(number))
	case h == nil:
		return nil, fmt.Errorf("no header of the %s is known", b.Title)
	}
	n, err := strconv.Atoi(number)
	i := slices.IndexFunc(h.Pins, func(p Pin) bool { return p.Number == n })
	switch {
	case err != nil || i < 0:
		return nil, fmt.Errorf("header %s of the %s has no pin %s", h.Name, b.Title, number)
	case !h.Pins[i].Wired:
		return nil, fmt.Errorf("pin %d of %s is %s, not a GPIO line", n, h.Name, h.Pins[i].Name)
	}
	return &h.Pins[i], nil
}

// header returns the header of that name, or the largest without a name; nil
// if there is none.
func (b *Board) header(name string) *Header {
	var found *Header
	for i := range b.Headers {
		h := &b.Headers[i]
		switch {
		case fold(h.Name, name):
			return h
		case name != "":
		case found == nil || len(h.Pins) > len(found.Pins):
			found = h
		case len(h.Pins) == len(found.Pins):
			return nil
		}
	}
	return found
}

// headersWith returns the ways to name the pin of that number.
func (b *Board) headersWith(number string) string {
	var ways []string
	for _, h := range b.Headers {
		ways = append(ways, h.Name+":"+number)
	}
	return strings.Join(ways, " or ")
}

// named returns where a line's name leads: by an alias and by the numbered
// runs, or else to the line that the kernel calls so.
func (b *Board) named(name string) Line {
	for _, a := range b.aliases {
		if fold(a.name, name) {
			name = a.line
			break
		}
	}
	for _, r := range b.runs {
		for _, pattern := range r.patterns {
			if n, ok := numberIn(pattern, name); ok && n <= r.last-r.first {
				return Line{Chip: &b.Chips[r.chip], Offset: r.first + n}
			}
		}
	}
	return Line{Name: name}
}

func (b *Board) isAlias(name string) bool {
	return slices.ContainsFunc(b.aliases, func(a alias) bool { return fold(a.name, name) })
}

// numberIn returns the number that stands in name where # stands in the
// pattern; ## stands for two digits or more.
func numberIn(pattern, name string) (int, bool) {
	head, tail, _ := strings.Cut(pattern, "#")
	digits := 1
	if strings.HasPrefix(tail, "#") {
		digits, tail = 2, tail[1:]
	}
	middle := len(name) - len(head) - len(tail)
	if middle < digits || !fold(name[:len(head)], head) || !fold(name[len(head)+middle:], tail) {
		return 0, false
	}
	number := name[len(head) : len(head)+middle]
	n, err := strconv.ParseUint(number, 10, 16)
	return int(n), err == nil && fmt.Sprintf("%0*d", digits, n) == number
}

// filled is the reverse of numberIn.
func filled(pattern string, n int) string {
	head, tail, _ := strings.Cut(pattern, "#")
	digits := 1
	if strings.HasPrefix(tail, "#") {
		digits, tail = 2, tail[1:]
	}
	return fmt.Sprintf("%s%0*d%s", head, digits, n, tail)
}

// Is reports whether l is the line with that offset and that name in the
// kernel of a chip with this label and device.
func (l Line) Is(label, device string, offset int, name string) bool {
	if l.Chip == nil {
		first, _, _ := strings.Cut(name, " ")
		return name != "" && (l.Name == name || l.Name == first)
	}
	return l.Offset == offset && l.Chip.Is(label, device)
}

// NamesOf returns all that people call the line with that offset and that name
// in the kernel of a chip with this label and device, the pins of headers
// first. Find leads from each of them to this line.
func (b *Board) NamesOf(label, device string, offset int, name string) []string {
	var names []string
	for _, h := range b.Headers {
		for _, p := range h.Pins {
			if p.Wired && b.named(p.Name).Is(label, device, offset, name) {
				names = append(append(names, fmt.Sprintf("%s:%d", h.Name, p.Number), p.Name), p.Others...)
			}
		}
	}
	for _, r := range b.runs {
		if r.first <= offset && offset <= r.last && b.Chips[r.chip].Is(label, device) {
			for _, pattern := range r.patterns {
				names = append(names, filled(pattern, offset-r.first))
			}
		}
	}
	for _, a := range b.aliases {
		if b.named(a.line).Is(label, device, offset, name) {
			names = append(names, a.name)
		}
	}
	return unique(names)
}

// unique drops what occurred before. The order stays.
func unique(words []string) []string {
	var kept []string
	for _, w := range words {
		if !slices.Contains(kept, w) {
			kept = append(kept, w)
		}
	}
	return kept
}

// LineNames returns all names that Find knows, but for "pin N" and J8:N.
func (b *Board) LineNames() []string {
	var names []string
	for _, h := range b.Headers {
		for _, p := range h.Pins {
			if p.Wired {
				names = append(append(names, p.Name), p.Others...)
			}
		}
	}
	for _, r := range b.runs {
		for _, pattern := range r.patterns {
			for n := range r.last - r.first + 1 {
				names = append(names, filled(pattern, n))
			}
		}
	}
	for _, a := range b.aliases {
		names = append(names, a.name)
	}
	return unique(names)
}
