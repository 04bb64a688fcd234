// SPDX-License-Identifier: MIT

// The states of lines over reloads, and without their chips.

package gpio

import (
	"testing"

	"golang.org/x/sys/unix"
)

// stands fails the test unless the table has these states of lines; "" for one
// that is not known.
func (b *bench) stands(when string, want map[string]string) {
	b.Helper()
	b.Do(func() {
		for name, state := range want {
			if got, _ := b.table.State("line", name); got != state {
				b.Errorf("%s: %s is %q, want %q", when, name, got, state)
			}
		}
	})
}

func TestStatesOverAReload(t *testing.T) {
	b := newBench(t)
	c := b.plug("gpiochip0", "main", "A", "B", "C")
	b.apply(plan(t, `lines: {a: {contact: A}, b: {contact: B}, c: {contact: C}}`))
	b.write(b.line(c, 0), edge{high: true})
	b.Await("an edge", func() bool { on, _ := b.Level("a"); return on })
	b.stands("at first", map[string]string{"a": "on", "b": "off", "c": "off"})
	b.apply(plan(t, `lines: {b: {contact: A}, a: {contact: B}}`))
	b.stands("with changed names, and c dropped", map[string]string{"a": "off", "b": "on", "c": ""})
	b.apply(plan(t, `lines: {new: {contact: A, debounce: 1ms}, a: {contact: B}}`))
	b.stands("with another name and debounce", map[string]string{"a": "off", "b": "", "new": "off"}) // the new request of a fake is low
	b.write(b.line(c, 0), edge{high: true})
	b.Await("an edge", func() bool { on, _ := b.Level("new"); return on })
	b.apply(plan(t, `lines: {new: {input: A, edges: rising, debounce: 1ms}, a: {contact: B}}`))
	b.stands("with one edge", map[string]string{"new": ""})
}

// A line that is requested again, and busy then, has no state; what was pressed
// is released.
func TestStateOfALineThatAReloadLoses(t *testing.T) {
	b := newBench(t)
	c := b.plug("gpiochip0", "main", "A", "B")
	b.apply(plan(t, `lines: {a: {contact: A}, b: {button: B}}`))
	b.expect("a  StartsUp", "b  StartsUp")
	b.write(b.line(c, 0), edge{high: true})
	b.expect("a rising Down")
	b.write(b.line(c, 1), edge{high: false})
	b.expect("b falling Down")
	b.Do(func() { c.refusal = unix.EBUSY })
	b.apply(plan(t, `lines: {a: {contact: A, debounce: 1ms}, b: {button: B, debounce: 1ms}}`))
	b.expect("a  Ended S", "b  Ended S")
	b.stands("busy", map[string]string{"a": "", "b": ""})
}

// An output has its state again when its chip is back, and one whose chip
// comes late has it then.
func TestStateOfAnOutputWhoseChipComesLate(t *testing.T) {
	b := newBench(t)
	p := plan(t, `{lines: {lamp: {output: A, initial: on}}, when: [{line: lamp, is: on, at_start: true}]}`)
	b.apply(p)
	b.stands("without a chip", map[string]string{"lamp": ""})
	c := b.plug("gpiochip0", "main", "A")
	b.Await("the line", func() bool { _, ok := b.Level("lamp"); return ok })
	b.stands("with it", map[string]string{"lamp": "on"})
	b.unplug(c)
	b.Await("the loss", func() bool { _, ok := b.Level("lamp"); return !ok })
	b.stands("without it", map[string]string{"lamp": ""})
	b.plug("gpiochip0", "main", "A")
	b.Await("the line", func() bool { _, ok := b.Level("lamp"); return ok })
	b.stands("with it again", map[string]string{"lamp": "on"})
}
