// SPDX-License-Identifier: MIT

// Group: who is left of a process group. The kernel has no call that tells.

package spawn

import (
	"bytes"
	"os"
	"strconv"
)

// groupHasMore reports whether a process group has living members besides its
// leader. It reads all of /proc and may block. If it cannot tell, it says yes.
func groupHasMore(leader int) bool {
	proc, err := os.Open("/proc")
	if err != nil {
		return true
	}
	defer proc.Close()
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return true
	}
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil || pid == leader {
			continue
		}
		stat, err := os.ReadFile("/proc/" + name + "/stat")
		if err == nil && groupOfLiving(stat) == leader {
			return true
		}
	}
	return false
}

// groupOfLiving returns the process group in a text of /proc/PID/stat; -1 if
// the process is dead or the text is not in the form of proc_pid_stat(5). The
// name, in parentheses, may itself hold anything.
func groupOfLiving(stat []byte) int {
	name := bytes.LastIndexByte(stat, ')')
	f := bytes.Fields(stat[name+1:]) // state, parent, group
	if name < 0 || len(f) < 3 || bytes.ContainsAny(f[0], "ZXx") {
		return -1
	}
	group, err := strconv.Atoi(string(f[2]))
	if err != nil {
		return -1
	}
	return group
}
