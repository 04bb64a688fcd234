// SPDX-License-Identifier: MIT

// Simulated GPIO chips: to programs they are like any other; we hold the other end of their lines.

package lab

import (
	"context"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"reflexd/lab/wire"
)

// A ChipSpec describes a chip. Label and line names can be those of a real board, to act its header.
type ChipSpec struct {
	Name  string   // of its folder in configfs, unique on the board
	Label string   // what programs see; Name where empty
	Lines []string // their names; "" is a nameless line
}

// Header is the spec of a Raspberry Pi's header: 54 lines of which 2 to 27 bear the names that people know.
func Header(label string) ChipSpec {
	spec := ChipSpec{Name: "header", Label: label, Lines: make([]string, 54)}
	for line := 2; line <= 27; line++ {
		spec.Lines[line] = fmt.Sprintf("GPIO%d", line)
	}
	return spec
}

// A Chip is a simulated GPIO chip. Remove, Restore and Close must not be called beside its other methods.
type Chip struct {
	Spec   ChipSpec
	Device string // its device node, which may be another after each Restore; "" while it is removed

	board *Board
	sysfs string // the folder with a folder a line, our end of it
}

// Chip makes a simulated chip; all its lines are pulled down.
func (b *Board) Chip(ctx context.Context, spec ChipSpec) (*Chip, error) {
	c := &Chip{Spec: spec, board: b}
	if err := b.take(ctx, c.definition()...); err != nil {
		return nil, fmt.Errorf("make chip %s: %w", spec.Name, err)
	}
	return c, c.Restore(ctx)
}

// config is the chip's folder in configfs; bank, the one of its lines.
func (c *Chip) config() string { return path.Join("/sys/kernel/config/gpio-sim", c.Spec.Name) }
func (c *Chip) bank() string   { return path.Join(c.config(), "bank0") }

// namedLine is the folder in configfs that gives a line its name.
func (c *Chip) namedLine(offset int) string {
	return path.Join(c.bank(), fmt.Sprintf("line%d", offset))
}

// definition is what must be written to configfs before the chip can go live.
func (c *Chip) definition() []wire.Step {
	label := c.Spec.Label
	if label == "" {
		label = c.Spec.Name
	}
	steps := []wire.Step{
		{Mkdir: c.bank()},
		write(path.Join(c.bank(), "num_lines"), strconv.Itoa(len(c.Spec.Lines))),
		write(path.Join(c.bank(), "label"), label),
	}
	for offset, name := range c.Spec.Lines {
		if name != "" {
			folder := c.namedLine(offset)
			steps = append(steps, wire.Step{Mkdir: folder}, write(path.Join(folder, "name"), name))
		}
	}
	return steps
}

// write is the step of writing a short text.
func write(path, text string) wire.Step {
	return wire.Step{Write: &wire.Write{Path: path, Data: []byte(text)}}
}

// Remove makes the chip go away, as a driver's being unbound does. What a program holds of it is dead from then on; but
// up to Linux 6.1 the chip cannot go, and Remove does not return, while a program sleeps in read(2) of a line of it.
func (c *Chip) Remove(ctx context.Context) error {
	if c.Device == "" {
		return nil
	}
	if err := c.board.take(ctx, write(path.Join(c.config(), "live"), "0")); err != nil {
		return fmt.Errorf("remove chip %s: %w", c.Spec.Name, err)
	}
	c.Device, c.sysfs = "", ""
	return nil
}

// Restore makes a chip that was removed come back, perhaps as another device; all its lines are pulled down.
func (c *Chip) Restore(ctx context.Context) error {
	if err := c.board.take(ctx, write(path.Join(c.config(), "live"), "1")); err != nil {
		return fmt.Errorf("make chip %s live: %w", c.Spec.Name, err)
	}
	device, err := c.attribute(ctx, path.Join(c.config(), "dev_name"))
	if err != nil {
		return err
	}
	chip, err := c.attribute(ctx, path.Join(c.bank(), "chip_name"))
	if err != nil {
		return err
	}
	c.Device = "/dev/" + chip
	c.sysfs = path.Join("/sys/devices/platform", device, chip)
	return c.board.AwaitFile(ctx, c.Device)
}

// Close removes the chip and its definition: another of the same name can be made.
func (c *Chip) Close(ctx context.Context) error {
	if err := c.Remove(ctx); err != nil {
		return err
	}
	var steps []wire.Step
	for offset, name := range c.Spec.Lines {
		if name != "" {
			steps = append(steps, wire.Step{Remove: c.namedLine(offset)})
		}
	}
	steps = append(steps, wire.Step{Remove: c.bank()}, wire.Step{Remove: c.config()})
	if err := c.board.take(ctx, steps...); err != nil {
		return fmt.Errorf("close chip %s: %w", c.Spec.Name, err)
	}
	return nil
}

// Pull pulls a line up or down from outside. An input reads it; an output does not care.
func (c *Chip) Pull(ctx context.Context, offset int, up bool) error {
	return c.Play(ctx, Pull{Offset: offset, Up: up})
}

// A Pull is a change of a line from outside, a while after the one before it.
type Pull struct {
	After  time.Duration // by the guest's clock
	Offset int
	Up     bool
}

// Play pulls lines in order: bounce, clicks, an encoder's turn. The time between pulls passes in the guest, where no
// line to the host makes it longer.
func (c *Chip) Play(ctx context.Context, pulls ...Pull) error {
	var steps []wire.Step
	for _, p := range pulls {
		if p.After > 0 {
			steps = append(steps, wire.Step{Pause: p.After})
		}
		level := "pull-down"
		if p.Up {
			level = "pull-up"
		}
		steps = append(steps, write(c.line(p.Offset, "pull"), level))
	}
	if err := c.board.take(ctx, steps...); err != nil {
		return fmt.Errorf("pull lines of chip %s: %w", c.Spec.Name, err)
	}
	return nil
}

// ValueFile is the path of the file that Value reads.
func (c *Chip) ValueFile(offset int) string { return c.line(offset, "value") }

// Value reads a line from outside: what an output drives, or what an input is pulled to.
func (c *Chip) Value(ctx context.Context, offset int) (bool, error) {
	text, err := c.attribute(ctx, c.ValueFile(offset))
	return text == "1", err
}

// AwaitValue waits until a line has the given value.
func (c *Chip) AwaitValue(ctx context.Context, offset int, high bool) error {
	want := "0"
	if high {
		want = "1"
	}
	return c.board.AwaitText(ctx, c.ValueFile(offset), want)
}

// line is the path of an attribute of our end of a line.
func (c *Chip) line(offset int, attribute string) string {
	return path.Join(c.sysfs, fmt.Sprintf("sim_gpio%d", offset), attribute)
}

func (c *Chip) attribute(ctx context.Context, path string) (string, error) {
	text, err := c.board.ReadFile(ctx, path)
	return strings.TrimSpace(string(text)), err
}
