// SPDX-License-Identifier: MIT

// Group: how a process group is signalled, and who is left of it. The kernel
// has no call that says so.

package spawn

import (
	"bytes"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// signalGroup sends s to the process group of a program. The child makes the
// group, with its session, as its first step after the clone. We cannot do it
// for the child: a process that leads a group already can make no session. So
// before that step there is only the process itself to signal; it may make the
// group meanwhile, and that is signalled again.
func signalGroup(leader, pidfd int, s unix.Signal) error {
	err := unix.Kill(-leader, s)
	if err == unix.ESRCH && unix.PidfdSendSignal(pidfd, s, nil, 0) == nil {
		_ = unix.Kill(-leader, s)
		return nil
	}
	return err
}

// groupHasMore reports whether a process group has living members besides its
// leader. It reads all of /proc and may block. If it cannot find out, it says yes.
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
