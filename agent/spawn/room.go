// SPDX-License-Identifier: MIT

// Room: how many processes and threads there may be.

package spawn

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// Room returns how many processes or threads more there can be at once, as far
// as n: so many are made, and end at once. The limits of cgroups (TasksMax= of
// systemd) and of users (ulimit -u) count threads and processes alike, and a process
// that has ended until it is waited for.
func Room(n int) int {
	t := newTable(2)
	// Without a signal at their end, they are nobody's business but ours. What is shared need not be copied.
	t.try(unix.SYS_CLONE, unix.CLONE_VM|unix.CLONE_FILES|unix.CLONE_FS|unix.CLONE_SIGHAND)
	t.finish()
	pids := make([]int, 0, n)
	for len(pids) < n {
		pid, err := t.run()
		if err != nil {
			break
		}
		pids = append(pids, pid)
	}
	for _, pid := range pids {
		for {
			if _, err := unix.Wait4(pid, nil, unix.WALL, nil); err != unix.EINTR {
				break
			}
		}
	}
	runtime.KeepAlive(t)
	return len(pids)
}
