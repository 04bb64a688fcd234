// SPDX-License-Identifier: MIT

// What the verb doctor says of chips and lines. No line is requested: the
// kernel tells who uses one without that.

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
func (p *Plan) Examine(x *sources.Exam) { Open(x.Host()).examine(p, x) }

func (s *Source) examine(p *Plan, x *sources.Exam) {
	chips := s.kernel.survey(s.host.Dev, s.host.Sys)
	defer chips.close()
	s.named, chips.board = p.board, s.thisBoard
	if len(chips.chips) > 0 {
		s.tellBoard(x)
	}
	lines := p.Lines()
	chips.tell(x, len(lines) > 0)
	names := map[string]string{}
	for _, decl := range lines {
		newLine(s, decl).examine(chips, names, x)
	}
	if len(lines) > 0 {
		pigpio.Examine(x, &lines[0].At)
	}
}

// tellBoard adds which board it is taken for.
func (s *Source) tellBoard(x *sources.Exam) {
	const subject = "board"
	if b := s.thisBoard(); b != nil {
		x.Good(nil, subject, fmt.Sprintf("%s [%s]", b.Title, b.Name))
		return
	}
	model := board.Read(s.host.Proc, s.host.Sys).Model
	if model == "" {
		model = "one that does not say what it is"
	}
	x.Note(nil, subject, model+", not in the tables: its lines go by the kernel's names and CHIP:OFFSET",
		"`board: NAME` if it is one of `reflexd board --list`")
}

// pigpio works past the kernel, which neither knows what it does to a line nor
// keeps it from doing so.
var pigpio = sources.Rival{Comm: "pigpiod", What: "changes lines past the kernel, whoever has requested them", Advice: "see that it is told of other lines only"}

// tell adds the chips as such.
func (s *survey) tell(x *sources.Exam, needed bool) {
	const subject = "GPIO"
	for _, c := range s.chips {
		x.Good(nil, subject, fmt.Sprintf("%s [%s], %d lines", c.Name, c.Label, len(c.Lines)))
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

// examine adds where the line is and whether it can be had. names has the lines
// that were examined, by their places.
func (l *line) examine(s *survey, names map[string]string, x *sources.Exam) {
	subject := l.subject()
	chip, offset, err := l.locate(s)
	if errors.As(err, new(absent)) {
		x.Bad(&l.decl.At, subject, err.Error(), "`reflexd lines` lists those that are there; run waits until it comes")
		return
	}
	if err != nil {
		x.Bad(&l.decl.At, subject, err.Error(), "")
		return
	}
	offsets := []int{offset}
	if l.knob != nil {
		offsets = append(offsets, l.knob.offset)
	}
	var places []string
	for _, n := range offsets {
		at := fmt.Sprintf("%s:%d", chip.Name, n)
		if other, again := names[at]; again {
			x.Bad(&l.decl.At, subject, openAlready(chip, n, other).Error(), "declare it once: rules may share it")
			return
		}
		names[at] = l.decl.Name
		use, err := l.use(chip, n, x)
		if err != nil {
			x.Bad(&l.decl.At, subject, fmt.Sprintf("%s: %v", at, err), "")
			return
		}
		places = append(places, fmt.Sprintf("%s [%s], %s", at, chip.Label, use))
	}
	x.Good(&l.decl.At, subject, strings.Join(places, "; "))
}

// subject is what the configuration calls the line.
func (l *line) subject() string {
	kind := "line "
	if l.knob != nil {
		kind = "encoder "
	}
	if l.decl.Name == l.decl.Spec {
		return kind + l.decl.Name
	}
	return kind + l.decl.Name + " (" + l.decl.Spec + ")"
}

// use says how the chip's line is used, or why it cannot be had.
func (l *line) use(chip *openChip, offset int, x *sources.Exam) (string, error) {
	info := &chip.Lines[offset]
	ours := func(s sources.State) bool {
		return slices.ContainsFunc(s.Lines, func(h sources.HeldLine) bool { return h.Chip == chip.Name && h.Offset == offset })
	}
	switch {
	case !info.Used:
		return "free", nil
	case info.Consumer == consumerName && x.Held("gpio", ours):
		return "held by the running agent", nil
	}
	return "", l.source.explain(chip, offset, unix.EBUSY)
}
