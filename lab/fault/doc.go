// SPDX-License-Identifier: MIT

// Package fault makes system calls of a program fail, from outside and one at a time: it is a filter of seccomp(2) whose
// listener decides over each call, knows where in the program it is made, and can have it fail, or do less than it was
// asked to. The program is the one that is installed, and has no code for this.
package fault

// What the environment of this package's tests has when lab/trial runs them on an emulated board.
const (
	OnBoard   = "REFLEXD_FAULT_PROGRAM" // the path of the agent there
	BurstSize = "REFLEXD_FAULT_BURST"   // how many events a burst has
)
