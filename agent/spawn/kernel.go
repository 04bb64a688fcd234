// SPDX-License-Identifier: MIT

// Kernel: structures and constants that golang.org/x/sys/unix does not have
// in the form needed here.

package spawn

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// lastSignal is the highest signal number; sigsetSize is what rt_sigaction and
// rt_sigprocmask want as the size of a set of them, on 32 bits too.
const (
	lastSignal = 64
	sigsetSize = lastSignal / 8
)

var everySignal = func() (set unix.Sigset_t) {
	for i := range set.Val {
		set.Val[i]--
	}
	return set
}()

// zeros is, read by the kernel, an empty signal set or a struct sigaction with
// SIG_DFL and no flags. The largest one, with handler, flags, restorer and
// mask, has 32 bytes.
var zeros [4]uint64

// childInfo is the siginfo_t of waitid(2): include/uapi/asm-generic/siginfo.h.
// Its union is aligned like a pointer.
type childInfo struct {
	signo, errno, code int32
	_                  [0]uintptr
	pid                int32
	uid                uint32
	status             int32
	_                  [104]byte
}

// The values of childInfo.code: how a child ended.
const (
	cldExited = 1
	cldKilled = 2
	cldDumped = 3
)

// waitid reads the status of the ended child behind pidfd; ECHILD is an error,
// a child that lives gives pid 0. Without WNOWAIT in options it is reaped.
func waitid(pidfd int, options int) (info childInfo, err error) {
	err = unix.Waitid(unix.P_PIDFD, pidfd, (*unix.Siginfo)(unsafe.Pointer(&info)), unix.WEXITED|options, nil)
	return info, err
}
