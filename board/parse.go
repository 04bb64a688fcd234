// SPDX-License-Identifier: MIT

// Reading the tables.
//
// A table is made of lines of words. A line that begins with # is a comment;
// how far a line is indented means nothing. What boards share is a part:
//
//	part NAME                        what follows, until the next part or board
//	chip NAME WORD...                a chip; WORDs are labels of its driver or names of its device in sysfs
//	lines CHIP FIRST-LAST PATTERN... the chip's lines of these offsets; # in a PATTERN counts them
//	                                 from 0, ## with two digits at least
//	header NAME COLUMNS              a header; its pins follow, a row a line:
//	  1 (3V3)  |  2 (5V)             number and what the pin is, in brackets where that is no line
//	  3 GPIO2 SDA1 wpi:8  |  4 (5V)  number, name of the line, other names; the first of these that has no
//	                                 colon is what the pin is drawn with
//	alias NAME LINE                  one more name for a line
//	pwm DEVICE CHANNEL LINE...       a channel of a PWM chip, whose device has this name in sysfs, and lines that it can drive
//
// A board has all that too, and says by what it is known:
//
//	board NAME TITLE...
//	compatible WORD...               entries of the device tree's root
//	type HEX...                      the type in a Raspberry Pi's revision code
//	code HEX...                      whole revision codes
//	note TEXT...
//	has PART...
//
// A line's name that no `lines` counts is the name that the kernel has for it,
// or the first word of that.

package board

import (
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The texts of tables/. As strings they are looked through where they are.
var (
	//go:embed tables/allwinner.txt
	allwinnerTable string
	//go:embed tables/amlogic.txt
	amlogicTable string
	//go:embed tables/raspberry-pi.txt
	raspberryPiTable string
	//go:embed tables/rockchip.txt
	rockchipTable string
	//go:embed tables/tegra.txt
	tegraTable string
	//go:embed tables/ti.txt
	tiTable string
)

// families are the files of tables/, without .txt.
var families = []struct {
	name string
	text *string
}{
	{"allwinner", &allwinnerTable},
	{"amlogic", &amlogicTable},
	{"raspberry-pi", &raspberryPiTable},
	{"rockchip", &rockchipTable},
	{"tegra", &tegraTable},
	{"ti", &tiTable},
}

// load returns the boards of a family. The tables are part of the program: a
// test reads them all, so that they hold no mistake here.
func load(family, text string) []*Board {
	boards, err := parse(family, text)
	if err != nil {
		panic(err)
	}
	return boards
}

// parser is the state of reading one table.
type parser struct {
	parts  map[string]*Board
	boards []*Board
	into   *Board // the part or board that is being read
	header *Header
}

// parse reads one table.
func parse(family, text string) ([]*Board, error) {
	p := parser{parts: map[string]*Board{}}
	number := 0
	for line := range strings.Lines(text) {
		number++
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		if err := p.statement(words); err != nil {
			return nil, fmt.Errorf("%s.txt:%d: %w", family, number, err)
		}
	}
	for _, b := range p.boards {
		b.Family = family
		if err := b.check(); err != nil {
			return nil, fmt.Errorf("%s.txt: board %s: %w", family, b.Name, err)
		}
	}
	return p.boards, nil
}

// statement reads one line.
func (p *parser) statement(words []string) error {
	if words[0][0] >= '0' && words[0][0] <= '9' {
		return p.row(words)
	}
	p.header = nil
	keyword, args := words[0], words[1:]
	if len(args) == 0 {
		return fmt.Errorf("%s: nothing follows", keyword)
	}
	switch keyword {
	case "part":
		p.into = &Board{Name: args[0]}
		p.parts[args[0]] = p.into
		return nil
	case "board":
		p.into = &Board{Name: args[0], Title: strings.Join(args[1:], " ")}
		p.boards = append(p.boards, p.into)
		return nil
	}
	if p.into == nil {
		return fmt.Errorf("%s: before any part or board", keyword)
	}
	return p.fact(keyword, args)
}

// fact reads what belongs to the part or board that is being read.
func (p *parser) fact(keyword string, args []string) (err error) {
	b := p.into
	switch keyword {
	case "compatible":
		b.compatible = append(b.compatible, args...)
	case "type":
		b.types, err = appendHex(b.types, args)
	case "code":
		b.codes, err = appendHex(b.codes, args)
	case "note":
		b.Note = strings.Join(args, " ")
	case "has":
		return b.include(p.parts, args)
	case "chip":
		b.Chips = append(b.Chips, Chip{args[0], args[1:]})
	case "lines":
		return b.addRun(args)
	case "alias":
		if len(args) != 2 {
			return fmt.Errorf("alias: expected a name and a line")
		}
		b.aliases = append(b.aliases, alias{args[0], args[1]})
	case "pwm":
		return b.addPWM(args)
	case "header":
		if len(args) != 2 || args[1] != "1" && args[1] != "2" {
			return fmt.Errorf("header: expected a name and 1 or 2 columns")
		}
		b.Headers = append(b.Headers, Header{Name: args[0], Columns: int(args[1][0] - '0')})
		p.header = &b.Headers[len(b.Headers)-1]
	default:
		return fmt.Errorf("unknown word %s", keyword)
	}
	return err
}

func appendHex(list []uint32, words []string) ([]uint32, error) {
	for _, w := range words {
		n, err := strconv.ParseUint(w, 16, 32)
		if err != nil {
			return nil, err
		}
		list = append(list, uint32(n))
	}
	return list, nil
}

// include gives b what the parts have.
func (b *Board) include(parts map[string]*Board, names []string) error {
	for _, name := range names {
		part := parts[name]
		if part == nil {
			return fmt.Errorf("there is no part %s", name)
		}
		for _, r := range part.runs {
			r.chip += len(b.Chips)
			b.runs = append(b.runs, r)
		}
		b.Chips = append(b.Chips, part.Chips...)
		b.Headers = append(b.Headers, part.Headers...)
		b.aliases = append(b.aliases, part.aliases...)
		b.pwms = append(b.pwms, part.pwms...)
	}
	return nil
}

// addRun reads the arguments of `lines`.
func (b *Board) addRun(args []string) error {
	if len(args) < 3 {
		return fmt.Errorf("lines: expected a chip, FIRST-LAST and patterns")
	}
	r := run{patterns: args[2:]}
	r.chip = slices.IndexFunc(b.Chips, func(c Chip) bool { return c.Name == args[0] })
	if r.chip < 0 {
		return fmt.Errorf("lines: no chip is called %s", args[0])
	}
	first, last, _ := strings.Cut(args[1], "-")
	var errFirst, errLast error
	r.first, errFirst = strconv.Atoi(first)
	r.last, errLast = strconv.Atoi(last)
	if errFirst != nil || errLast != nil || r.first > r.last || r.first < 0 {
		return fmt.Errorf("lines: %s is not FIRST-LAST", args[1])
	}
	for _, pattern := range r.patterns {
		if !strings.Contains(pattern, "#") {
			return fmt.Errorf("lines: there is no # in %s", pattern)
		}
	}
	b.runs = append(b.runs, r)
	return nil
}

// row reads a row of pins.
func (p *parser) row(words []string) error {
	if p.header == nil {
		return fmt.Errorf("pin %s is of no header", words[0])
	}
	cells := 0
	for len(words) > 0 {
		end := slices.Index(words, "|")
		if end < 0 {
			end = len(words)
		}
		if err := p.cell(words[:end]); err != nil {
			return err
		}
		cells++
		words = words[min(end+1, len(words)):]
	}
	if cells != p.header.Columns {
		return fmt.Errorf("header %s has %d columns, here are %d", p.header.Name, p.header.Columns, cells)
	}
	return nil
}

// cell reads one pin.
func (p *parser) cell(words []string) error {
	if len(words) < 2 {
		return fmt.Errorf("a pin is a number and what it is")
	}
	number, err := strconv.Atoi(words[0])
	if err != nil {
		return fmt.Errorf("a pin's number: %w", err)
	}
	pin := Pin{Number: number, Name: words[1], Others: words[2:], Wired: true}
	if inner, ok := strings.CutPrefix(words[1], "("); ok {
		pin.Name, pin.Wired = strings.TrimSuffix(inner, ")"), false
	}
	p.header.Pins = append(p.header.Pins, pin)
	return nil
}

// check finds what makes no sense in a whole board.
func (b *Board) check() error {
	if b.Title == "" || len(b.compatible)+len(b.types)+len(b.codes) == 0 {
		return fmt.Errorf("it has no title, or nothing by which it is known")
	}
	for _, c := range b.Chips {
		if len(c.Known) == 0 {
			return fmt.Errorf("chip %s: the kernel does not know it", c.Name)
		}
	}
	for _, p := range b.pwms {
		for _, line := range p.lines {
			if _, err := b.Find(line); err != nil {
				return fmt.Errorf("pwm %s %d: %s: %w", p.Chip, p.Channel, line, err)
			}
		}
	}
	for _, h := range b.Headers {
		for i, p := range h.Pins {
			if slices.ContainsFunc(h.Pins[:i], func(q Pin) bool { return p.Number == q.Number }) {
				return fmt.Errorf("header %s has two pins %d", h.Name, p.Number)
			}
		}
	}
	return nil
}
