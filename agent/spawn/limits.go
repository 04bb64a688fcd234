// SPDX-License-Identifier: MIT

// Limits: what a program may have of the machine.

package spawn

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Limits are what a program may have of the machine, and how it begins. The
// zero value changes nothing.
type Limits struct {
	// Memory is how many bytes it may have, with all that it starts, where it
	// has a cgroup of its own; else each of its processes (RLIMIT_DATA). 0 for
	// no limit.
	Memory int64
	// Processes is how many processes and threads there may be of it. It wants
	// a cgroup: what ulimit counts are all processes of a user. 0 for no limit.
	Processes int
	Nice      *int // nil for the agent's
	Umask     *int // nil for the agent's
	// NoNewPrivs keeps it from gaining rights by execve: sudo, ping.
	NoNewPrivs bool
}

// limitCell sets the limits that are a cgroup's.
func (p *program) limitCell() error {
	l := &p.spec.Limits
	if p.memoryIsCells() {
		if err := p.cell.limit("memory.max", strconv.FormatInt(l.Memory, 10)); err != nil {
			return fmt.Errorf("start %s: limit its memory: %w", p.spec.Argv[0], err)
		}
	}
	if l.Processes == 0 {
		return nil
	}
	err := errors.New("it does not have its own cgroup with the controller pids (see `reflexd doctor`)")
	if p.cellControls("pids") {
		err = p.cell.limit("pids.max", strconv.Itoa(l.Processes))
	}
	if err != nil {
		return fmt.Errorf("start %s: limit its processes: %w", p.spec.Argv[0], err)
	}
	return nil
}

func (p *program) memoryIsCells() bool { return p.spec.Limits.Memory > 0 && p.cellControls("memory") }

func (p *program) cellControls(controller string) bool {
	return p.cell != nil && slices.Contains(p.setting.cells.controls, controller)
}

// addLimits adds the calls that set limits, as long as the child has our rights.
func (p *program) addLimits(t *table) {
	l := &p.spec.Limits
	if l.Memory > 0 && !p.memoryIsCells() {
		limit := &unix.Rlimit{Cur: uint64(l.Memory), Max: uint64(l.Memory)}
		t.must(": limit its memory", unix.SYS_PRLIMIT64, 0, unix.RLIMIT_DATA, t.at(unsafe.Pointer(limit)), 0)
	}
	if l.Umask != nil {
		t.try(unix.SYS_UMASK, uintptr(*l.Umask))
	}
	if l.Nice != nil {
		t.must(": nice "+strconv.Itoa(*l.Nice), unix.SYS_SETPRIORITY, unix.PRIO_PROCESS, 0, uintptr(*l.Nice))
	}
	if l.NoNewPrivs {
		t.must(": no_new_privs", unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	}
}

// addAutogroup makes the nice value count against other sessions too, where the
// kernel shares the processors among sessions first (CONFIG_SCHED_AUTOGROUP).
// It is for after close_range, the call at index closed: if that has done its
// work, what is opened is descriptor 3.
func (p *program) addAutogroup(t *table, closed int) {
	if p.spec.Limits.Nice == nil {
		return
	}
	const opened = 3
	cwd := unix.AT_FDCWD
	path, _ := unix.BytePtrFromString("/proc/self/autogroup")
	text := []byte(strconv.Itoa(*p.spec.Limits.Nice))
	open := len(t.calls)
	t.try(unix.SYS_OPENAT, uintptr(cwd), t.at(unsafe.Pointer(path)), unix.O_WRONLY)
	t.try(unix.SYS_WRITE, opened, t.at(unsafe.Pointer(&text[0])), uintptr(len(text)))
	t.try(unix.SYS_CLOSE, opened)
	t.jumps = append(t.jumps, [2]int{closed, len(t.calls)}, [2]int{open, len(t.calls)})
}
