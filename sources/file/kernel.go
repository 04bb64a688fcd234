// SPDX-License-Identifier: MIT

// What the kernel is asked for: fcntl(2), open(2), poll(2) and read(2).

package file

import (
	"errors"
	"fmt"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ownerEx is struct f_owner_ex of asm-generic/fcntl.h.
type ownerEx struct {
	kind int32
	id   int32
}

// ownerThread is F_OWNER_TID: the signal is for one thread. A signalfd shows
// it to that thread alone, and no other thread can take it away.
const ownerThread = 0

// errNoSignal is returned for a file whose driver has no fasync method.
var errNoSignal = errors.New("it cannot send SIGIO (its driver has no fasync)")

// announce makes the kernel send the calling thread the signal whenever the
// file's state changes, and the descriptor non-blocking. Setting O_ASYNC
// succeeds on files that cannot do it as well, and is then not there when it
// is read back.
func announce(fd, signal int) error {
	owner := ownerEx{ownerThread, int32(unix.Gettid())}
	_, _, errno := unix.Syscall(unix.SYS_FCNTL, uintptr(fd), unix.F_SETOWN_EX, uintptr(unsafe.Pointer(&owner)))
	if errno != 0 {
		return fmt.Errorf("set the owner of its signals: %w", errno)
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETSIG, signal); err != nil {
		return fmt.Errorf("set its signal: %w", err)
	}
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_SETFL, flags|unix.O_ASYNC|unix.O_NONBLOCK)
	}
	if err == nil {
		flags, err = unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	}
	switch {
	case err != nil:
		return fmt.Errorf("set O_ASYNC: %w", err)
	case flags&unix.O_ASYNC == 0:
		return errNoSignal
	}
	return nil
}

// Descriptors that announce themselves by signal have numbers from lowest to
// highest, each of which is given away again only after all others.
const (
	lowest  = 128
	highest = 900
)

// renumber moves a descriptor to the next number of its own, so that a signal
// which was sent for a closed descriptor, and is read late, never seems to be
// for another. Where the limit of descriptors is too low for that, the
// descriptor stays where it is: what a late signal then does is one look too
// many.
func (s *Source) renumber(fd int) int {
	if s.number < lowest || s.number > highest {
		s.number = lowest
	}
	moved, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, s.number)
	if err != nil {
		return fd
	}
	unix.Close(fd)
	s.number = moved + 1
	return moved
}

// poll returns which of the events the file has, and POLLHUP, POLLERR and
// POLLNVAL, without waiting. If the kernel has no memory to find out, it returns
// all that it was asked for: better look in vain than not at all.
func poll(fd int, events int16) int16 {
	fds := [1]unix.PollFd{{Fd: int32(fd), Events: events}}
	for {
		switch _, err := unix.Poll(fds[:], 0); err {
		case nil:
			return fds[0].Revents
		case unix.EINTR:
		default:
			return events
		}
	}
}

// open is open(2), without waiting for anybody.
func open(path string, access int) (fd int, err error) {
	for {
		fd, err = unix.Open(path, access|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// read is read(2), from offset at unless that is negative.
func read(fd int, b []byte, at int64) (n int, err error) {
	for {
		if at < 0 {
			n, err = unix.Read(fd, b)
		} else {
			n, err = unix.Pread(fd, b, at)
		}
		if err != unix.EINTR {
			return max(0, n), err
		}
	}
}

// readWhole fills b from the beginning of the file, as far as that goes.
func readWhole(fd int, b []byte) (int, error) {
	total := 0
	for total < len(b) {
		n, err := read(fd, b[total:], int64(total))
		if err != nil {
			return 0, err
		}
		if n == 0 {
			break
		}
		total += n
	}
	return total, nil
}

// isAt reports whether path still leads to the open file.
func isAt(fd int, path string) bool {
	var open, there unix.Stat_t
	return unix.Fstat(fd, &open) == nil && unix.Stat(path, &there) == nil &&
		open.Dev == there.Dev && open.Ino == there.Ino
}

// opened is a file that was opened.
type opened struct {
	fd     int
	mode   uint32 // its type, S_IF…
	target string // where its path led
}

// openFile opens a file as st says. It may take its time: a driver's open may,
// and may load a module.
func openFile(st *settings) (*opened, error) {
	access := unix.O_RDONLY
	if st.writes() {
		access = unix.O_RDWR
	}
	fd, err := open(st.path, access)
	if err != nil {
		return nil, explainOpen(st.path, err)
	}
	o := &opened{fd: fd, target: target(fd)}
	var stat unix.Stat_t
	if err = unix.Fstat(fd, &stat); err == nil {
		o.mode = stat.Mode & unix.S_IFMT
		err = st.prepare(o)
	}
	if err != nil {
		unix.Close(fd)
		return nil, explainOpen(st.path, err)
	}
	return o, nil
}

// writes reports whether the file must be open for writing too.
func (st *settings) writes() bool { return st.arm != "" || st.writable || st.serial != (serial{}) }

// target returns the path that a descriptor was opened by, links resolved.
func target(fd int) string {
	var buf [unix.PathMax]byte
	n, err := unix.Readlink("/proc/self/fd/"+strconv.Itoa(fd), buf[:])
	if err != nil {
		return ""
	}
	return string(buf[:n])
}

// prepare does what must be done before the file can be watched.
func (st *settings) prepare(o *opened) error {
	err := st.unfit(o.mode)
	if err == nil && st.serial != (serial{}) {
		err = st.serial.apply(o.fd)
	}
	if err == nil && st.watch == urgently {
		if st.arm != "" {
			err = armWith(o.fd, st.arm)
		}
		if err == nil {
			err = quieten(o.fd)
		}
	}
	if err != nil {
		return hopeless{err}
	}
	return nil
}

// unfit says why a file of that type cannot be watched as st says, nil if it
// may.
func (st *settings) unfit(mode uint32) error {
	switch {
	case mode == unix.S_IFDIR:
		return errors.New("it is a folder: use `watch: changes`")
	case st.serial != (serial{}) && mode != unix.S_IFCHR:
		return errNotSerial
	case mode == unix.S_IFIFO && st.read == readAll:
		return errors.New("a FIFO cannot be read from its beginning: use `read: record` or `read: line`")
	}
	return nil
}

// armWith writes the text that a file wants in order to know what to wait for. The
// kernel drops the last byte of it, which is meant to be a NUL or the end of
// the line (psi_write in kernel/sched/psi.c).
func armWith(fd int, text string) error {
	_, err := unix.Write(fd, append([]byte(text), '\n'))
	switch {
	case errors.Is(err, unix.EOPNOTSUPP):
		return fmt.Errorf("arm it with %q: %w: the kernel has no such figures; it may need psi=1 on its command line", text, err)
	case errors.Is(err, unix.EINVAL):
		return fmt.Errorf("arm it with %q: %w: a pressure file needs `some` or `full`, the stall and the window in microseconds (500000 to 10000000; without CAP_SYS_RESOURCE a multiple of 2000000)", text, err)
	case err != nil:
		return fmt.Errorf("arm it with %q: %w", text, err)
	}
	return nil
}

// quieten reads and polls a file until it waits to become urgent: what was
// before it was opened is no news. It fails for one that is urgent without
// end, as a pressure file is that was not armed, or one of a cgroup that is
// gone.
func quieten(fd int) error {
	const tries = 4
	var b [512]byte
	for range tries {
		if _, err := read(fd, b[:], 0); err != nil && err != unix.EAGAIN {
			return fmt.Errorf("read it: %w", err)
		}
		if poll(fd, unix.POLLPRI) == 0 {
			return nil
		}
	}
	return errors.New("it is always urgent (POLLPRI); a pressure file needs `arm:`")
}
