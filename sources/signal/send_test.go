// SPDX-License-Identifier: MIT

// Sending signals with values, as sigqueue(3) does.

package signal

import (
	"encoding/binary"
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// siginfo returns the siginfo_t of a queued signal: three ints, and a union
// that holds pointers and so is aligned like one.
func siginfo(n, value int) *[128]byte {
	info := new([128]byte)
	put := func(offset, v int) { binary.NativeEndian.PutUint32(info[offset:], uint32(v)) }
	union := 12
	if unsafe.Sizeof(uintptr(0)) == 8 {
		union = 16
	}
	put(0, n)
	put(8, -1) // SI_QUEUE
	put(union, os.Getpid())
	put(union+4, os.Getuid())
	put(union+8, value)
	return info
}

// queue sends a signal with a value to the process.
func queue(t *testing.T, pid, n, value int) {
	t.Helper()
	info := siginfo(n, value)
	_, _, errno := unix.Syscall(unix.SYS_RT_SIGQUEUEINFO, uintptr(pid), uintptr(n), uintptr(unsafe.Pointer(info)))
	if errno != 0 {
		t.Fatalf("queue signal %d to process %d: %v", n, pid, errno)
	}
}

// queueThread sends a signal with a value to the main thread of the process.
func queueThread(t *testing.T, pid, n, value int) {
	t.Helper()
	info := siginfo(n, value)
	_, _, errno := unix.Syscall6(unix.SYS_RT_TGSIGQUEUEINFO, uintptr(pid), uintptr(pid), uintptr(n), uintptr(unsafe.Pointer(info)), 0, 0)
	if errno != 0 {
		t.Fatalf("queue signal %d to thread %d: %v", n, pid, errno)
	}
}

// setOwner is fcntl F_SETOWN_EX with a struct f_owner_ex.
func setOwner(fd int, owner *struct{ kind, tid int32 }) error {
	_, _, errno := unix.Syscall(unix.SYS_FCNTL, uintptr(fd), unix.F_SETOWN_EX, uintptr(unsafe.Pointer(owner)))
	if errno != 0 {
		return errno
	}
	return nil
}

func fcntl(fd, cmd, arg int) error {
	_, err := unix.FcntlInt(uintptr(fd), cmd, arg)
	return err
}
