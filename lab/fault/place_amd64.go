// SPDX-License-Identifier: MIT

package fault

import (
	"debug/gosym"
	"encoding/binary"
	"iter"
)

// callers returns where the thread that is stopped in a system call is, and where its callers are. The tables say how
// large each function's part of the stack is.
func (c *code) callers(tid int) iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		pc, sp, err := registers(tid)
		if err != nil {
			return
		}
		stack := stack{tid: tid, base: sp}
		for up := uint64(0); yield(pc); up += 8 {
			f := c.at(pc)
			if f.function == nil {
				return
			}
			grown, ok := c.grown(f.function, pc)
			if !ok {
				return
			}
			up += grown
			pc = stack.word(up) - 1 // the call before it
		}
	}
}

// grown looks up how far the function has the stack grown at an instruction (runtime/symtab.go, pcvalue).
func (c *code) grown(fn *gosym.Func, pc uint64) (uint64, bool) {
	const header, pctab, functab = 8, 6, 7
	word := func(i int) uint64 { return binary.LittleEndian.Uint64(c.raw[header+8*i:]) }
	lo, hi := uint32(0), binary.LittleEndian.Uint32(c.raw[8:])
	entry := uint32(fn.Entry - c.text)
	at := func(i uint32) (start, offset uint32) {
		b := c.raw[word(functab)+uint64(i)*8:]
		return binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
	}
	for lo+1 < hi {
		if mid := (lo + hi) / 2; func() bool { s, _ := at(mid); return s <= entry }() {
			lo = mid
		} else {
			hi = mid
		}
	}
	_, offset := at(lo)
	const pcsp = 16 // in struct _func
	p := c.raw[word(pctab)+uint64(binary.LittleEndian.Uint32(c.raw[word(functab)+uint64(offset)+pcsp:])):]
	value, at2 := int64(-1), fn.Entry
	for first := true; ; first = false {
		delta, n := binary.Uvarint(p)
		if n <= 0 || delta == 0 && !first {
			return 0, false
		}
		p = p[n:]
		value += int64(delta>>1) ^ -int64(delta&1)
		step, n := binary.Uvarint(p)
		if n <= 0 {
			return 0, false
		}
		p = p[n:]
		if at2 += step * uint64(c.raw[6]); pc < at2 {
			return uint64(value), value >= 0
		}
	}
}
