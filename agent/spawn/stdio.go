// SPDX-License-Identifier: MIT

// Stdio: the descriptors that become a program's 0, 1 and 2.

package spawn

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"reflexd/agent/account"
)

// stdio holds what a start opens. All are above 2, so that no dup3 onto 0, 1
// or 2 meets one of them.
type stdio struct {
	in, out int   // for the child
	read    int   // our end of the output; -1 without one
	opened  []int // to be closed after the start; read not among them
}

func (s *Starter) openStdio(spec *Spec, who *account.Account) (io stdio, err error) {
	io = stdio{in: s.null, out: s.null, read: -1}
	if spec.Stdin != nil {
		if io.in, err = textFile(*spec.Stdin); err != nil {
			return io, fmt.Errorf("stdin: %w", err)
		}
		io.opened = append(io.opened, io.in)
		own(who, io.in)
	}
	if spec.Output != nil {
		if io.read, io.out, err = pipe(); err != nil {
			io.close()
			return io, fmt.Errorf("create pipe for output: %w", err)
		}
		io.opened = append(io.opened, io.out)
		own(who, io.out)
	}
	return io, nil
}

// close closes the child's ends.
func (io *stdio) close() {
	for _, fd := range io.opened {
		unix.Close(fd)
	}
}

// textFile returns a file in memory that holds text and is read from its
// start. Unlike a pipe it takes any amount at once and needs no one to feed
// it.
func textFile(text string) (fd int, err error) {
	fd, err = above2(unix.MemfdCreate("stdin", unix.MFD_CLOEXEC))
	if err != nil {
		return -1, os.NewSyscallError("memfd_create", err)
	}
	for at := 0; at < len(text); {
		n, err := unix.Pwrite(fd, []byte(text[at:]), int64(at))
		if err != nil {
			unix.Close(fd)
			return -1, os.NewSyscallError("write", err)
		}
		at += n
	}
	return fd, nil
}

// pipe returns a pipe of which only the reading end does not block.
func pipe() (read, write int, err error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return -1, -1, err
	}
	if err = unix.SetNonblock(p[0], true); err == nil {
		write, err = above2(p[1], nil)
	}
	if err != nil {
		unix.Close(p[0])
		return -1, -1, err
	}
	return p[0], write, nil
}

// above2 moves a fresh descriptor out of the way of the standard ones. The
// runtime sees to it that those are open at start, so there is hardly ever
// something to move.
func above2(fd int, err error) (int, error) {
	if err != nil || fd > 2 {
		return fd, err
	}
	moved, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	unix.Close(fd)
	return moved, err
}

// own makes fd the account's, so that its program may open it again through
// /dev/stderr and the like.
func own(a *account.Account, fd int) {
	if a.SetUser {
		_ = unix.Fchown(fd, int(a.Uid), -1)
	}
}
