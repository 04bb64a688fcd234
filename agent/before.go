// SPDX-License-Identifier: MIT

// What the agent was started with and then changes for itself.

package agent

import (
	"golang.org/x/sys/unix"

	"reflexd/agent/spawn"
)

// LimitsBefore returns the limits that signal.Inherit is about to raise.
func LimitsBefore() (before spawn.Before) {
	if attr, err := unix.SchedGetAttr(0, 0); err == nil {
		before.Priority = attr
	}
	var pending unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_SIGPENDING, &pending) == nil {
		before.Pending = &pending
	}
	return before
}
