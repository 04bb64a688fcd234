// SPDX-License-Identifier: MIT

// PWM: which channels of PWM chips the lines of a board can have.

package board

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// PWM is a channel of a PWM chip. Which of the lines that it can drive it does
// drive is the device tree's choice.
type PWM struct {
	Chip    string // the name of its device in sysfs
	Channel int
	lines   []string
}

// addPWM reads the arguments of `pwm`.
func (b *Board) addPWM(args []string) error {
	if len(args) < 3 {
		return fmt.Errorf("pwm: expected a device, a channel and lines")
	}
	channel, err := strconv.ParseUint(args[1], 10, 8)
	if err != nil {
		return fmt.Errorf("pwm: %w", err)
	}
	b.pwms = append(b.pwms, PWM{args[0], int(channel), args[2:]})
	return nil
}

// FindPWM returns the channel that can drive the line that people call name. Its error
// says which pins have one.
func (b *Board) FindPWM(name string) (PWM, error) {
	line, err := b.Find(name)
	if err != nil {
		return PWM{}, fmt.Errorf("%s: %w", name, err)
	}
	for _, p := range b.pwms {
		if p.drives(b, line) {
			return p, nil
		}
	}
	if len(b.pwms) == 0 {
		return PWM{}, fmt.Errorf("%s: which PWM channels the %s has is not in the board tables: use `chip` and `channel`", name, b.Title)
	}
	return PWM{}, fmt.Errorf("%s has no PWM: on the %s, %s have", name, b.Title, strings.Join(b.pwmPins(), ", "))
}

func (p *PWM) drives(b *Board, line Line) bool {
	return slices.ContainsFunc(p.lines, func(name string) bool { return b.named(name) == line })
}

// pwmPins returns the pins of headers with a PWM channel, "pin 12 (GPIO18)", or the
// lines if no pin has.
func (b *Board) pwmPins() []string {
	var pins, lines []string
	for _, p := range b.pwms {
		lines = append(lines, p.lines...)
	}
	for _, h := range b.Headers {
		for _, pin := range h.Pins {
			if pin.Wired && slices.ContainsFunc(b.pwms, func(p PWM) bool { return p.drives(b, b.named(pin.Name)) }) {
				way := fmt.Sprintf("pin %d", pin.Number)
				if len(b.Headers) > 1 {
					way = fmt.Sprintf("%s:%d", h.Name, pin.Number)
				}
				pins = append(pins, fmt.Sprintf("%s (%s)", way, pin.Name))
			}
		}
	}
	if len(pins) > 0 {
		return pins
	}
	return lines
}
