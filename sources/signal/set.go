// SPDX-License-Identifier: MIT

// The set of signals that a process can both block in all of its threads and
// read from a signalfd, and its mask.

package signal

import (
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The real-time signals, as the kernel counts them. glibc keeps the first two
// for itself and calls 34 SIGRTMIN.
const (
	rtFirst = 32
	rtMin   = 34
	rtMax   = 64
)

// takenFrom is the first real-time signal that the Go runtime lets a program
// block in all threads: it unblocks 32 to 34 in each thread that it starts.
const takenFrom = rtMin + 1

// taken are the standard signals that rules can have. Of the others the Go
// runtime either needs the signal itself (URG, CHLD, PROF, the faults) or
// unblocks it in each new thread, so that a signalfd would miss most of them.
var taken = []int{
	int(unix.SIGUSR1), int(unix.SIGUSR2), int(unix.SIGALRM),
	int(unix.SIGWINCH), int(unix.SIGIO), int(unix.SIGPWR),
}

// isTaken reports whether rules can have signal n.
func isTaken(n int) bool {
	return takenFrom <= n && n <= rtMax || slices.Contains(taken, n)
}

// takenSet returns the mask of all signals that rules can have.
func takenSet() unix.Sigset_t {
	var set unix.Sigset_t
	for n := 1; n <= rtMax; n++ {
		if isTaken(n) {
			add(&set, n)
		}
	}
	return set
}

// wordBits is the size of one word of a mask: 64, or 32 on a 32-bit machine.
const wordBits = int(unsafe.Sizeof(unix.Sigset_t{}.Val[0])) * 8

func add(set *unix.Sigset_t, n int) {
	set.Val[(n-1)/wordBits] |= 1 << ((n - 1) % wordBits)
}

// holds reports whether all signals of part are in set.
func holds(set, part *unix.Sigset_t) bool {
	for i := range part.Val {
		if part.Val[i]&^set.Val[i] != 0 {
			return false
		}
	}
	return true
}
