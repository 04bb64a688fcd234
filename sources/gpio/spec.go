// SPDX-License-Identifier: MIT

// LINE: the words by which a configuration calls a line of a chip, and how
// they are found among the chips that are there.

package gpio

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"reflexd/config"
)

// parseSpec checks the form of a LINE: a line's name, a name that boards have
// for it, or CHIP:OFFSET with the label or the device name of a chip. Whether
// there is such a line is found out when it is opened: the board may be another
// one than this.
func parseSpec(s string) (string, error) {
	if s == "" || strings.TrimSpace(s) != s {
		return "", notASpec(strconv.Quote(s))
	}
	if _, err := strconv.Atoi(s); err == nil {
		return "", fmt.Errorf("%q is ambiguous: write GPIO%s for the processor's number, pin %s for the header's, or CHIP:%s", s, s, s, s)
	}
	if strings.EqualFold(s, "pin") {
		return "", fmt.Errorf("%q: its number on the header is missing; in a shell, quote both: 'pin 11'", s)
	}
	if word, number, ok := strings.Cut(s, " "); ok && strings.EqualFold(word, "pin") {
		if _, err := strconv.ParseUint(number, 10, 16); err != nil {
			return "", fmt.Errorf("%q: after pin, write its number on the header, such as pin 11", s)
		}
	}
	if !strings.Contains(s, ":") {
		return s, nil
	}
	_, _, err := cutOffset(s)
	if err != nil && boardsKnow(s) {
		err = nil
	}
	return s, err
}

func notASpec(found string) error {
	return fmt.Errorf("expected a line such as GPIO17, pin 11 or gpiochip0:17, found %s", found)
}

// cutOffset splits CHIP:OFFSET at the last colon; labels such as INT34C5:00
// have more.
func cutOffset(s string) (chip string, offset int, err error) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return "", 0, fmt.Errorf("%q has no offset", s)
	}
	n, err := strconv.ParseUint(s[i+1:], 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("%q: after the colon, write the line's offset, a number", s)
	}
	if i == 0 {
		return "", 0, fmt.Errorf("%q: before the colon, write a chip's label or device name", s)
	}
	return s[:i], int(n), nil
}

// resolve finds the line that spec means: the one that bears it as its name,
// else the one that bears it as the first word of its name (BeagleBones have
// "P9_22 [spi0_sclk]"), else the one that the board's table has under it, else
// by a chip's label and an offset, else by a chip's device name and an offset. Where there is
// such a chip, no line will be called like one of its lines, and the names are not read.
func (s *survey) resolve(spec string) (*openChip, int, error) {
	if chip, _, err := cutOffset(spec); err == nil && s.has(chip) {
		return s.byOffset(spec)
	}
	named := s.named(spec)
	if len(named) == 1 {
		return named[0].chip, named[0].offset, nil
	}
	onBoard, err := s.onBoard(spec)
	switch {
	case len(onBoard) == 1:
		return onBoard[0].chip, onBoard[0].offset, nil
	case len(named) > 1:
		return nil, 0, fmt.Errorf("more than one line is called %s: write %s", spec, s.places(named))
	case len(onBoard) > 1:
		return nil, 0, fmt.Errorf("more than one chip may be that of %s: write %s", spec, s.places(onBoard))
	case err != nil:
		return nil, 0, err
	}
	return s.byOffset(spec)
}

// locate finds the lines that specs mean, which must be of one chip.
func (s *survey) locate(specs []string) (chip *openChip, offsets []int, err error) {
	for _, spec := range specs {
		c, offset, err := s.resolve(spec)
		if err != nil {
			return nil, nil, err
		}
		if chip != nil && c != chip {
			return nil, nil, fmt.Errorf("%s is a line of %s and %s one of %s: both must be on one chip",
				specs[0], chip.Label, spec, c.Label)
		}
		chip, offsets = c, append(offsets, offset)
	}
	return chip, offsets, nil
}

// lead reports whether specs lead to where r is.
func (s *survey) lead(specs []string, r *request) bool {
	chip, offsets, err := s.locate(specs)
	return err == nil && chip.Name == r.node && slices.Equal(offsets, r.offsets)
}

// byOffset finds the line that spec means as CHIP:OFFSET.
func (s *survey) byOffset(spec string) (*openChip, int, error) {
	chip, offset, err := cutOffset(spec)
	if err != nil {
		return nil, 0, s.notFound("no line is called "+spec, s.suggest(spec))
	}
	c, err := s.chip(chip, offset)
	if err != nil {
		return nil, 0, err
	}
	if offset >= c.count {
		return nil, 0, fmt.Errorf("%s (%s) has %d lines, counted from 0: there is no %d", c.Name, c.Label, c.count, offset)
	}
	return c, offset, nil
}

// place is a line of a chip.
type place struct {
	chip   *openChip
	offset int
}

// places returns the places in the way that specs may name them: by the
// chip's label, or by its device name where the label does not tell.
func (s *survey) places(places []place) string {
	var words []string
	for _, p := range places {
		chip := p.chip.Name
		if len(s.labelled(p.chip.Label)) == 1 {
			chip = p.chip.Label
		}
		words = append(words, fmt.Sprintf("%s:%d", chip, p.offset))
	}
	return strings.Join(words, " or ")
}

// named returns the lines that have the name, or else those whose name's first word
// it is.
func (s *survey) named(name string) (found []place) {
	var byFirst []place
	for _, c := range s.chips {
		lines := s.lines(c)
		for i := range lines {
			l := &lines[i]
			if l.Name == "" || !strings.HasPrefix(l.Name, name) {
				continue
			}
			if l.Name == name {
				found = append(found, place{c, l.Offset})
			} else if first, _, _ := strings.Cut(l.Name, " "); first == name {
				byFirst = append(byFirst, place{c, l.Offset})
			}
		}
	}
	if len(found) > 0 {
		return found
	}
	return byFirst
}

// names returns all names that lines have, by the kernel and by the board.
func (s *survey) names() []string {
	var names []string
	if b := s.board(); b != nil {
		names = b.LineNames()
	}
	for _, c := range s.chips {
		for _, l := range s.lines(c) {
			if l.Name != "" {
				names = append(names, l.Name)
			}
		}
	}
	return names
}

// chip finds a chip by its label or device name.
func (s *survey) chip(name string, offset int) (*openChip, error) {
	switch labelled := s.labelled(name); len(labelled) {
	case 0:
	case 1:
		return labelled[0], nil
	default:
		var places []place
		for _, c := range labelled {
			places = append(places, place{c, offset})
		}
		return nil, fmt.Errorf("more than one chip is labelled %s: write %s, or the line's name", name, s.places(places))
	}
	for _, c := range s.chips {
		if c.isCalled(name) {
			return c, nil
		}
	}
	return nil, s.notFound("no chip is called "+name, config.Suggest(name, s.chipNames()))
}

// has reports whether there is a chip with the label or device name.
func (s *survey) has(chip string) bool {
	return slices.ContainsFunc(s.chips, func(c *openChip) bool { return chip != "" && c.Label == chip || c.isCalled(chip) })
}

// isCalled reports whether name is one of the chip's device names.
func (c *openChip) isCalled(name string) bool {
	return c.Name == name || slices.Contains(c.nodes, name)
}

// labelled returns the chips that bear the label.
func (s *survey) labelled(label string) []*openChip {
	var found []*openChip
	for _, c := range s.chips {
		if c.Label == label && label != "" {
			found = append(found, c)
		}
	}
	return found
}

func (s *survey) chipNames() []string {
	var names []string
	for _, c := range s.chips {
		names = append(names, c.Label, c.Name)
	}
	return names
}

// absent says that no chip has the line, and none was left out of the search.
// suggestion is what may have been meant, "" if nothing is near.
type absent struct{ what, suggestion string }

func (a absent) Error() string { return a.what + a.suggestion }

// MayCome reports whether the line that Resolve did not find may come with a
// chip that is not there yet: if another is so near that it will have been
// meant, waiting would be for ever.
func MayCome(err error) bool {
	a, ok := err.(absent)
	return ok && a.suggestion == ""
}

// notFound returns the error for what was not found. It owns up to the chips
// that could not be looked at.
func (s *survey) notFound(what, suggestion string) error {
	switch {
	case len(s.failed) > 0:
		return fmt.Errorf("%s on the chips that can be opened: %w", what+suggestion, errors.Join(s.failed...))
	case len(s.chips) == 0:
		return absent{"no GPIO chip in " + s.dev + " yet", ""}
	}
	return absent{what, suggestion}
}
