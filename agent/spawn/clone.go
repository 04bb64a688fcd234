// SPDX-License-Identifier: MIT

// Clone: how the kernel is asked for a child.

package spawn

import (
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// cloneFlags make a child in the memory of its parent, so that no page table
// is copied. There is no CLONE_VFORK: the parent need not wait, since nothing
// that it does disturbs the child (see cloneAndCall), and an execve from a
// slow card takes its time.
const cloneFlags = unix.CLONE_VM | unix.CLONE_PIDFD

// cloneArgs is struct clone_args of Linux 5.7: include/uapi/linux/sched.h.
type cloneArgs struct {
	flags, pidfd, childTID, parentTID, exitSignal, stack, stackSize, tls uint64
	setTID, setTIDSize, cgroup                                           uint64
}

// addClone3 asks by clone3 for a child without any of our signal handlers
// (Linux 5.5), in the cgroup if there is one.
func (t *table) addClone3(in *cell) {
	t.clone = cloneArgs{
		flags:      cloneFlags | unix.CLONE_CLEAR_SIGHAND,
		pidfd:      uint64(t.at(unsafe.Pointer(&t.pidfd))),
		exitSignal: uint64(unix.SIGCHLD),
	}
	if in != nil {
		t.clone.flags |= unix.CLONE_INTO_CGROUP
		t.clone.cgroup = uint64(in.fd)
	}
	t.try(unix.SYS_CLONE3, t.at(unsafe.Pointer(&t.clone)), unsafe.Sizeof(t.clone))
}

// addClone asks by clone, for where a seccomp filter does not know clone3. The
// handlers are left to be reset one by one. The flags, the stack and where the
// pidfd goes are its first arguments on all of our architectures.
func (t *table) addClone() {
	t.try(unix.SYS_CLONE, cloneFlags|uintptr(unix.SIGCHLD), 0, t.at(unsafe.Pointer(&t.pidfd)))
}

// refused reports whether err means that the filter does not know clone3.
func refused(err error) bool { return err == unix.ENOSYS || err == unix.EPERM }

// ignoredSignals lists the signals that this process ignores, and those that
// it may come to ignore. Ignored ones stay so over clone3 and execve.
func ignoredSignals() []uintptr {
	ignored := []uintptr{uintptr(unix.SIGHUP), uintptr(unix.SIGINT), uintptr(unix.SIGPIPE)}
	for signal := range resettable {
		if !slices.Contains(ignored, signal) && isIgnored(signal) {
			ignored = append(ignored, signal)
		}
	}
	return ignored
}

func isIgnored(signal uintptr) bool {
	var action [4]uint64 // struct sigaction, whose first word is the handler
	unix.RawSyscall6(unix.SYS_RT_SIGACTION, signal, 0, uintptr(unsafe.Pointer(&action)), sigsetSize, 0, 0)
	const sigIgn = 1
	return *(*uintptr)(unsafe.Pointer(&action)) == sigIgn
}

// resettable yields all signals that can have a handler.
func resettable(yield func(signal uintptr) bool) {
	for signal := uintptr(1); signal <= lastSignal; signal++ {
		if signal != uintptr(unix.SIGKILL) && signal != uintptr(unix.SIGSTOP) && !yield(signal) {
			return
		}
	}
}
