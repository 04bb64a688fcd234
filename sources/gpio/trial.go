// SPDX-License-Identifier: MIT

// One line, held to try it: outside any loop, by a person's order.

package gpio

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/board"
)

// Trial is one line that is held to try it, as an input or as an output. Its
// methods may block.
type Trial struct {
	Chip, Label string // "gpiochip0", "pinctrl-bcm2711"
	Offset      int
	fd          int
}

// OpenTrial requests the line that spec names, in the words of a configuration,
// as Input with a bias ("" leaves it as it is), or as Output, which is low. b is
// the board, nil if it is not known. The error says who holds a line that cannot be
// had, and what to do; it wraps unix.EOPNOTSUPP or unix.EINVAL if the chip does not
// support the bias.
func OpenTrial(dev, sys string, b *board.Board, spec, direction, bias string) (*Trial, error) {
	s := cdev.survey(dev, sys)
	defer s.close()
	s.board = func() *board.Board { return b }
	chip, offset, err := s.parse(spec)
	if err != nil {
		return nil, err
	}
	r := lineRequest([]int{offset}, settings{output: direction == Output, bias: bias}, false)
	if err := cdev.request(chip.fd, r); err != nil {
		return nil, fmt.Errorf("request %s (%s:%d): %w", spec, chip.Name, offset, s.explain(chip, offset, err))
	}
	return &Trial{chip.Name, chip.Label, offset, int(r.Fd)}, nil
}

// High reads the level.
func (l *Trial) High() (bool, error) {
	now, err := cdev.get(l.fd, 1)
	if err != nil {
		return false, fmt.Errorf("read the level of %s:%d: %w", l.Chip, l.Offset, err)
	}
	return now[0], nil
}

// Set sets the level of an output.
func (l *Trial) Set(high bool) error {
	if err := cdev.set(l.fd, high); err != nil {
		return fmt.Errorf("set %s:%d: %w", l.Chip, l.Offset, err)
	}
	return nil
}

// Drive has an output change its level n times, to high first, with a pause before
// each change. It waits without sleeping, since a sleep takes longer than short
// pauses, and does not make up for lost time: no pause is shorter. It returns the
// longest time between two changes.
func (l *Trial) Drive(n int, pause time.Duration) (longest time.Duration, err error) {
	last := time.Now()
	for i := range n {
		for due := last.Add(pause); time.Now().Before(due); {
		}
		if err := l.Set(i%2 == 0); err != nil {
			return longest, err
		}
		now := time.Now()
		longest = max(longest, now.Sub(last))
		last = now
	}
	return longest, nil
}

// Close releases the line.
func (l *Trial) Close() { unix.Close(l.fd) }
