// SPDX-License-Identifier: MIT

// Package machine looks at the machine for who writes its first configuration:
// which board it is, and what its GPIO lines are called. It requests no line
// and changes nothing.
package machine

import (
	"reflexd/board"
	"reflexd/sources"
	"reflexd/sources/gpio"
)

// Lines are the GPIO lines of a machine.
type Lines struct {
	Model string       // as the machine calls itself, "" if it does not
	Board *board.Board // nil if the tables do not have it
	Chips []gpio.Chip
}

// Look returns the lines of m. It may block. The lines hold what could be
// seen, even if there is an error.
func Look(m sources.Machine) (*Lines, error) {
	h := m.Host()
	machine := board.Read(h.Proc, h.Sys)
	chips, err := gpio.List(h.Dev, h.Sys)
	return &Lines{Model: machine.Model, Board: machine.Board(), Chips: chips}, err
}

// Resolve finds the line that spec means in a configuration: the index of its
// chip, and its offset.
func (l *Lines) Resolve(spec string) (chip, offset int, err error) {
	return gpio.Resolve(l.Chips, l.Board, spec)
}

// Names returns what a configuration can write for a line of one of the chips,
// the names of people first.
func (l *Lines) Names(chip, offset int) []string { return gpio.Names(l.Chips, l.Board, chip, offset) }

// NamesOfBoard returns what the board calls a line of one of the chips.
func (l *Lines) NamesOfBoard(c *gpio.Chip, line *gpio.LineInfo) []string {
	if l.Board == nil {
		return nil
	}
	return l.Board.NamesOf(c.Label, c.Device, line.Offset, line.Name)
}

// Suggest asks whether another name was meant, where word is none: "; did you
// mean …?", or "" if none is near.
func (l *Lines) Suggest(word string) string { return gpio.Suggest(l.Chips, l.Board, word) }
