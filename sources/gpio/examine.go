// SPDX-License-Identifier: MIT

// What the verb doctor says of chips and lines. No line is requested: the
// kernel reports who uses one without that.

package gpio

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"reflexd/board"
	"reflexd/sources"
)

// Examine implements sources.Examiner.
func (p *Plan) Examine(x *sources.Report) { Open(x.Host()).examine(p, x) }

func (s *Source) examine(p *Plan, x *sources.Report) {
	s.named = p.board
	chips := s.survey()
	defer chips.close()
	if len(chips.chips) > 0 {
		s.reportBoard(x)
	}
	all := p.all()
	chips.report(x, len(all) > 0)
	names := map[string]string{}
	for _, d := range all {
		chips.examine(d, names, x)
	}
	if len(all) > 0 {
		pigpio.Examine(x, &all[0].common().At)
	}
}

// reportBoard adds which board it is taken for.
func (s *Source) reportBoard(x *sources.Report) {
	const subject = "board"
	if b := s.thisBoard(); b != nil {
		x.Good(nil, subject, fmt.Sprintf("%s [%s]", b.Title, b.Name))
		return
	}
	model := board.Read(s.host.Proc, s.host.Sys).Model
	if model == "" {
		model = "not detected"
	}
	x.Note(nil, subject, model+", not in the board tables: name its lines as the kernel does, or by CHIP:OFFSET",
		"set `board: NAME` if `reflexd board --list` has it")
}

// pigpio works past the kernel, which neither knows what it does to a line nor
// keeps it from doing so.
var pigpio = sources.Conflict{Comm: "pigpiod", What: "changes lines without the kernel, even if another program has requested them", Advice: "make it use other lines only"}

// report adds the chips as such.
func (s *survey) report(x *sources.Report, needed bool) {
	const subject = "GPIO"
	for _, c := range s.chips {
		x.Good(nil, subject, fmt.Sprintf("%s [%s], %d lines", c.Name, c.Label, c.count))
	}
	for _, err := range s.failed {
		if needed || !x.Configured {
			x.Bad(nil, subject, err.Error(), "")
		} else {
			x.Note(nil, subject, err.Error(), "")
		}
	}
	if len(s.chips)+len(s.failed) == 0 && !x.Configured {
		x.Note(nil, subject, "this machine has no GPIO chip (/dev/gpiochip*)", "")
	}
}

// examine adds where the lines of d are and whether they can be had. names has
// those that were examined, by their places.
func (s *survey) examine(d declared, names map[string]string, x *sources.Report) {
	at, subject := &d.common().At, subjectOf(d)
	chip, offsets, err := s.locate(d.specs())
	if errors.As(err, new(absent)) {
		x.Bad(at, subject, err.Error(), "`reflexd lines` lists the lines; `run` waits for it")
		return
	}
	if err != nil {
		x.Bad(at, subject, err.Error(), "")
		return
	}
	var places []string
	for _, offset := range offsets {
		place := fmt.Sprintf("%s:%d", chip.Name, offset)
		if other, again := names[place]; again {
			x.Bad(at, subject, openAlready(chip, offset, other).Error(), "declare it once: rules may share it")
			return
		}
		names[place] = d.common().Name
		use, err := s.use(chip, offset, x)
		if err != nil {
			x.Bad(at, subject, fmt.Sprintf("%s: %v", place, err), "")
			return
		}
		places = append(places, fmt.Sprintf("%s [%s], %s", place, chip.Label, use))
	}
	x.Good(at, subject, strings.Join(places, "; "))
}

// subjectOf is what the configuration calls d.
func subjectOf(d declared) string {
	kind := "line "
	if _, ok := d.(*Encoder); ok {
		kind = "encoder "
	}
	name, spec := d.common().Name, d.specs()[0]
	if name == spec {
		return kind + name
	}
	return kind + name + " (" + spec + ")"
}

// use says how the chip's line is used, or why it cannot be had.
func (s *survey) use(chip *openChip, offset int, x *sources.Report) (string, error) {
	lines := s.lines(chip)
	if offset >= len(lines) {
		return "", chip.unread
	}
	info := &lines[offset]
	ours := func(s sources.State) bool {
		return slices.ContainsFunc(s.Lines, func(h sources.HeldLine) bool { return h.Chip == chip.Name && h.Offset == offset })
	}
	switch {
	case !info.Used:
		return "free", nil
	case info.Consumer == consumerName && x.Held("gpio", ours):
		return "held by the running agent", nil
	}
	return "", s.explain(chip, offset, unix.EBUSY)
}
