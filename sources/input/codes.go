// SPDX-License-Identifier: MIT

// Sets of event codes, in the layout of the kernel's bitmaps.

package input

import (
	"iter"
	"math/bits"
)

// The event types that rules can ask for, and what else of
// linux/input-event-codes.h the reader must know.
const (
	evSyn = 0x00
	evKey = 0x01
	evRel = 0x02
	evAbs = 0x03
	evMsc = 0x04
	evSw  = 0x05

	synReport  = 0
	synDropped = 3

	keyCount = 0x300 // KEY_CNT
	absCount = 0x40  // ABS_CNT

	// From here to ABS_MT_TOOL_Y an axis has a value for each contact of a
	// multi-touch device, so that the device has none.
	absMTSlot      = 0x2f
	absMTToolYNext = 0x3e
)

// The sizes in bytes of the bitmaps: a multiple of 8, since EVIOCSMASK wants
// whole longs. The smaller one, for EV_REL, EV_ABS, EV_SW and the types
// themselves, has room for codes that kernels to come may add.
const (
	keyBytes   = keyCount / 8
	smallBytes = absCount / 8
)

// codes is a set of codes of the types EV_KEY, EV_REL, EV_ABS and EV_SW, and
// whether scancodes are among them. Bit
// n of byte m is code 8m+n, as the kernel has it on little-endian machines.
type codes struct {
	keys                 [keyBytes]byte
	rels, axes, switches [smallBytes]byte
	scans                bool // MSC_SCAN
}

// everyCode is the set of all codes: what a descriptor without a mask receives.
var everyCode = func() (c codes) {
	for _, typ := range []uint16{evKey, evRel, evAbs, evSw} {
		b := c.of(typ)
		for i := range b {
			b[i] = 0xff
		}
	}
	c.scans = true
	return c
}()

// of returns the bitmap of a type; nil for types that no rule can ask for.
func (c *codes) of(typ uint16) []byte {
	switch typ {
	case evKey:
		return c.keys[:]
	case evRel:
		return c.rels[:]
	case evAbs:
		return c.axes[:]
	case evSw:
		return c.switches[:]
	}
	return nil
}

func (c *codes) has(typ, code uint16) bool { return hasBit(c.of(typ), code) }

// add adds a code that exists.
func (c *codes) add(typ, code uint16) { setBit(c.of(typ), code, true) }

// union adds all codes of other.
func (c *codes) union(other *codes) {
	for i, b := range other.keys {
		c.keys[i] |= b
	}
	for i := range smallBytes {
		c.rels[i] |= other.rels[i]
		c.axes[i] |= other.axes[i]
		c.switches[i] |= other.switches[i]
	}
	c.scans = c.scans || other.scans
}

// without returns the codes of c that other lacks.
func (c codes) without(other *codes) codes {
	for i, b := range other.keys {
		c.keys[i] &^= b
	}
	for i := range smallBytes {
		c.rels[i] &^= other.rels[i]
		c.axes[i] &^= other.axes[i]
		c.switches[i] &^= other.switches[i]
	}
	c.scans = c.scans && !other.scans
	return c
}

// meets reports whether c and other have a code in common.
func (c *codes) meets(other *codes) bool {
	return c.without(other) != *c
}

func (c *codes) empty() bool { return *c == codes{} }

func hasBit(b []byte, n uint16) bool {
	i := int(n >> 3)
	return i < len(b) && b[i]&(1<<(n&7)) != 0
}

func setBit(b []byte, n uint16, on bool) {
	if on {
		b[n>>3] |= 1 << (n & 7)
	} else {
		b[n>>3] &^= 1 << (n & 7)
	}
}

// eachBit yields the numbers of the bits that are set in b.
func eachBit(b []byte) iter.Seq[uint16] {
	return func(yield func(uint16) bool) {
		for i, octet := range b {
			for ; octet != 0; octet &= octet - 1 {
				if !yield(uint16(i*8 + bits.TrailingZeros8(octet))) {
					return
				}
			}
		}
	}
}

// levels is the state of a device as far as it has one.
type levels struct {
	keys     [keyBytes]byte // set: down
	switches [smallBytes]byte
	axes     [absCount]int32
}
