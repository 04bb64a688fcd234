// SPDX-License-Identifier: MIT

// Reading levels of lines for someone who asks, outside any loop.

package gpio

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"reflexd/board"
	"reflexd/sources"
)

// Probe holds lines, to read their levels. It leaves them as they are: neither
// direction nor bias is touched. But a request as such can take a pin away
// from a peripheral, so only lines that a person named are to be held.
type Probe struct {
	held []probed
}

type probed struct {
	chip   string
	offset int
	fd     int
}

// OpenProbe requests the lines that specs name, in the words of a
// configuration. b is the board, nil if it is not known. It fails if one of
// them cannot be had.
func OpenProbe(dev, sys string, b *board.Board, specs []string) (*Probe, error) {
	s := cdev.survey(dev, sys)
	defer s.close()
	s.board = func() *board.Board { return b }
	p := &Probe{}
	for _, spec := range specs {
		chip, offset, err := s.parse(spec)
		if err != nil {
			p.Close()
			return nil, err
		}
		if p.holds(chip.Name, offset) {
			continue // one line by two names
		}
		r := bareRequest(offset)
		if err := cdev.request(chip.fd, r); err != nil {
			p.Close()
			return nil, fmt.Errorf("request %s (%s:%d): %w", spec, chip.Name, offset, s.explain(chip, offset, err))
		}
		p.held = append(p.held, probed{chip.Name, offset, int(r.Fd)})
	}
	return p, nil
}

// parse finds the line of a spec that nobody has looked at.
func (s *survey) parse(spec string) (*openChip, int, error) {
	if _, err := parseSpec(spec); err != nil {
		return nil, 0, err
	}
	return s.resolve(spec)
}

func (p *Probe) holds(chip string, offset int) bool {
	return slices.ContainsFunc(p.held, func(h probed) bool { return h.chip == chip && h.offset == offset })
}

// Levels reads the levels of all lines.
func (p *Probe) Levels() ([]sources.HeldLine, error) {
	var lines []sources.HeldLine
	for _, h := range p.held {
		now, err := cdev.get(h.fd, 1)
		if err != nil {
			return nil, fmt.Errorf("read the level of %s:%d: %w", h.chip, h.offset, err)
		}
		lines = append(lines, sources.HeldLine{Chip: h.chip, Offset: h.offset, Level: level(now[0])})
	}
	return lines, nil
}

// Close lets go of the lines.
func (p *Probe) Close() {
	for _, h := range p.held {
		unix.Close(h.fd)
	}
	p.held = nil
}
