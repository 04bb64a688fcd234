// SPDX-License-Identifier: MIT

package sources

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Read is read(2) of a descriptor whose read never waits, however long it takes whoever is at its
// other end: a request of GPIO lines, an input device, a signalfd or an inotify queue, set to
// O_NONBLOCK. Go's runtime is not prepared for a call that takes its time, as it is by unix.Read.
func Read(fd int, b []byte) (n int, err error) {
	r, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	if errno != 0 {
		return -1, errno
	}
	return int(r), nil
}
