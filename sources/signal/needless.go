// SPDX-License-Identifier: MIT

// Needless: signals that only interrupt.

package signal

import "golang.org/x/sys/unix"

// needless are the signals for which the runtime has a handler though nobody has
// to be told: its own, with which it preempts goroutines, and that of a program
// that has ended, which the loop learns from a descriptor.
var needless = [...]int{int(unix.SIGURG), int(unix.SIGCHLD)}

// DropNeedless has the kernel drop needless when they are sent, as is their default.
// A handler, even one that does nothing, interrupts what its thread waits for in
// the kernel, and some drivers then give up: a thermometer on 1-wire seemed to be
// gone, since w1_therm hands out an empty file. A goroutine is still preempted
// where it calls a function. See docs/decisions/051-needless-signals.md.
func DropNeedless() {
	for _, n := range needless {
		_, _ = sigaction(n, &action{})
	}
}
