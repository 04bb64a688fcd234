// SPDX-License-Identifier: MIT

// What the board calls its lines.

package gpio

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"reflexd/board"
	"reflexd/config"
)

// Resolve finds the line that spec means, in the words of a configuration,
// among the chips of a board; b is nil if it is not known which board it is.
func Resolve(chips []Chip, b *board.Board, spec string) (chip, offset int, err error) {
	s := surveyOf(chips, b)
	found, offset, err := s.resolve(spec)
	for i, c := range s.chips {
		if c == found {
			return i, offset, err
		}
	}
	return 0, 0, err
}

// surveyOf is what was seen of chips before.
func surveyOf(chips []Chip, b *board.Board) *survey {
	s := &survey{dev: "/dev", board: func() *board.Board { return b }}
	for _, c := range chips {
		s.chips = append(s.chips, &openChip{Chip: c, fd: -1, count: len(c.Lines), nodes: []string{c.Name}})
	}
	return s
}

// Suggest asks whether another word was meant, where no chip and no line is
// called word: "; did you mean …?", or "" if none is near.
func Suggest(chips []Chip, b *board.Board, word string) string {
	s := surveyOf(chips, b)
	return s.suggest(word, s.chipNames()...)
}

// suggest is Suggest for the names of lines and further ones.
func (s *survey) suggest(word string, more ...string) string {
	names := append(s.names(), more...)
	if pin, ok := strings.CutPrefix(strings.ToLower(word), "pin"); ok && s.board() != nil {
		pin = "pin " + strings.TrimLeft(pin, " -_#") // pin11, PIN_11
		if _, err := s.board().Find(pin); err == nil {
			word, names = pin, []string{pin}
		}
	}
	return config.Suggest(word, names)
}

// Names returns what can be written for the line of one of the chips: its name
// in the kernel, what b calls it, and the chip's label, or its device, with the
// offset. Only what leads to this line and no other is among them, the names of
// people first; b is nil if it is not known which board it is.
func Names(chips []Chip, b *board.Board, chip, offset int) []string {
	c := &chips[chip]
	name, _, _ := strings.Cut(c.Lines[offset].Name, " ")
	words := []string{name}
	if b != nil {
		words = append(words, b.NamesOf(c.Label, c.Device, offset, c.Lines[offset].Name)...)
	}
	words = append(words, fmt.Sprintf("%s:%d", c.Label, offset), fmt.Sprintf("%s:%d", c.Name, offset))
	var names []string
	for _, w := range words {
		if _, err := parseSpec(w); err != nil || slices.Contains(names, w) {
			continue
		}
		if found, at, err := Resolve(chips, b, w); err == nil && found == chip && at == offset {
			names = append(names, w)
		}
	}
	return names
}

// onBoard returns the lines that the board calls spec. There is none without
// an error if the board does not know the name.
func (s *survey) onBoard(spec string) ([]place, error) {
	b := s.board()
	if b == nil {
		return nil, unknownBoard(spec)
	}
	l, err := b.Find(spec)
	switch {
	case errors.Is(err, board.ErrUnknown):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("%s: %w", spec, err)
	}
	var found []place
	for _, c := range s.chips {
		for _, line := range s.lines(c) {
			if l.Is(c.Label, c.Device, line.Offset, line.Name) {
				found = append(found, place{c, line.Offset})
			}
		}
	}
	if len(found) > 0 {
		return found, nil
	}
	if l.Chip == nil {
		return nil, s.notFound(fmt.Sprintf("%s is the line %s of the %s, and no chip has it", spec, l.Name, b.Title), "")
	}
	return nil, s.notFound(fmt.Sprintf("%s is line %d of the %s's chip %s, which is missing", spec, l.Offset, b.Title, strings.Join(l.Chip.Known, " or ")), "")
}

// unknownBoard complains of what only a board's table can tell.
func unknownBoard(spec string) error {
	header, _, ok := strings.Cut(spec, " ")
	if ok && strings.EqualFold(header, "pin") || strings.HasPrefix(spec, "wpi:") {
		return fmt.Errorf("%s: the pins of this board's header are not known; write a line's name or CHIP:OFFSET (`reflexd lines` lists them), or set `board:` in the configuration", spec)
	}
	return nil
}

// checkPins complains where the board that the plan names has something else
// than a line where d is to be.
func (p *Plan) checkPins(d declared, ps *config.Problems) {
	if p.board == nil {
		return
	}
	for _, spec := range d.specs() {
		if _, err := p.board.Find(spec); err != nil && !errors.Is(err, board.ErrUnknown) {
			ps.Errorf(d.common().At, "%s: %v", spec, err)
		}
	}
}

// key returns what all LINEs of one line have in common, as far as b knows; b is
// nil if it is not known which board it is. What nobody knows is its own key.
func key(b *board.Board, spec string) string {
	if b != nil {
		if l, err := b.Find(spec); err == nil {
			if l.Chip == nil {
				return l.Name
			}
			return fmt.Sprintf("%s:%d", l.Chip.Known[0], l.Offset)
		}
	}
	if chip, offset, err := cutOffset(spec); err == nil {
		for i := 0; b != nil && i < len(b.Chips); i++ {
			if c := &b.Chips[i]; c.Is(chip, chip) {
				chip = c.Known[0]
				break
			}
		}
		return fmt.Sprintf("%s:%d", chip, offset)
	}
	if word, number, ok := strings.Cut(spec, " "); ok && strings.EqualFold(word, "pin") {
		if n, err := strconv.ParseUint(number, 10, 16); err == nil {
			return fmt.Sprintf("pin %d", n)
		}
	}
	return spec
}

// alias says that spec and what first declares are the same line, if they are
// written in two ways.
func (p *Plan) alias(spec string, first declared) string {
	specs := first.specs()
	if slices.Contains(specs, spec) {
		return ""
	}
	i := slices.IndexFunc(specs, func(other string) bool { return key(p.board, other) == key(p.board, spec) })
	if i < 0 {
		return ""
	}
	return fmt.Sprintf(": %s and %s are the same line", specs[i], spec)
}

// Board returns the board that the configuration says this is, nil if it does not say.
func (p *Plan) Board() *board.Board { return p.board }

// Lint warns of declarations that are the same line on the board b, that this
// is detected as, where the configuration does not say for which one it is.
func (p *Plan) Lint(b *board.Board, ps *config.Problems) {
	p.detected, p.detect = b, true
	if p.board != nil || b == nil {
		return
	}
	first := map[string]declared{}
	for _, d := range p.all() {
		for _, spec := range d.specs() {
			k := key(b, spec)
			if other := first[k]; other != nil && other != d {
				ps.WarnOfMachinef(d.common().At, "%s is the line that %s has, declared at %s: on this board (%s), only one of them can be opened",
					spec, other.common().Name, other.common().At, b.Title)
			} else {
				first[k] = d
			}
		}
	}
}

// boardsKnow reports whether some board has a line of that name.
func boardsKnow(spec string) bool {
	for _, b := range board.All() {
		if _, err := b.Find(spec); err == nil {
			return true
		}
	}
	return false
}

// boardField declares the key by which a configuration says which board it is
// for.
func (p *Plan) boardField() config.Field {
	return config.Field{
		Name: "board", Doc: "which board this is, by a name of `reflexd board --list`, if it is not detected",
		Value: config.Parsed(&p.board, "a board's name", NamedBoard),
	}
}

// NamedBoard returns the board that the tables call name. Its error says which
// one may have been meant.
func NamedBoard(name string) (*board.Board, error) {
	b, err := board.Named(name)
	if err == nil {
		return b, nil
	}
	var names []string
	for _, b := range board.All() {
		names = append(names, b.Names()...)
	}
	return nil, fmt.Errorf("%w%s (`reflexd board --list` lists them)", err, config.Suggest(name, names))
}
