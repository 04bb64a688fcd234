// SPDX-License-Identifier: MIT

package fault

import "iter"

// callers returns where the thread that is stopped in a system call is, and where its callers are, but for the first of
// them: the function that makes the call has no part of the stack, and its return address is in a register. Each other
// leaves its caller's frame pointer below its return address.
func (c *code) callers(tid int) iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		pc, sp, err := registers(tid)
		if err != nil {
			return
		}
		const word = 8
		stack := stack{tid: tid, base: sp - word}
		for frame := stack.base; yield(pc) && frame >= stack.base; {
			at := frame - stack.base
			frame = stack.word(at)
			pc = stack.word(at+word) - 1 // the call before it
		}
	}
}
