// SPDX-License-Identifier: MIT

// The lock beside the socket: of two agents that start at once one gets it,
// and only its holder removes the socket.

package control

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// errRunning is why a second agent cannot have the socket.
var errRunning = errors.New("another reflexd is running; stop it first, or give this one another --socket")

// lock is a file that we hold by flock(2). The kernel releases it when we end,
// whatever the reason.
type lock struct {
	path string
	fd   int
}

// takeLock makes the file and locks it. It fails with errRunning if another
// process has it.
func takeLock(path string) (*lock, error) {
	for {
		fd, err := unix.Open(path, unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
		if err != nil {
			return nil, &os.PathError{Op: "open", Path: path, Err: err}
		}
		current, err := lockFile(fd, path)
		if err == nil && current {
			return &lock{path, fd}, nil
		}
		unix.Close(fd)
		if err != nil {
			return nil, err
		}
	}
}

// lockFile locks the open file. current is false if its holder removed it
// meanwhile: then it is no longer what path names.
func lockFile(fd int, path string) (current bool, err error) {
	var open, named unix.Stat_t
	if err := unix.Fstat(fd, &open); err != nil {
		return false, &os.PathError{Op: "fstat", Path: path, Err: err}
	}
	if open.Mode&unix.S_IFMT != unix.S_IFREG || open.Uid != 0 && int(open.Uid) != os.Geteuid() {
		return false, fmt.Errorf("%s belongs to user %d, not to the agent's user", path, open.Uid)
	}
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err == unix.EWOULDBLOCK {
		return false, errRunning
	} else if err != nil {
		return false, &os.PathError{Op: "flock", Path: path, Err: err}
	}
	switch err := unix.Lstat(path, &named); err {
	case nil:
		return named.Dev == open.Dev && named.Ino == open.Ino, nil
	case unix.ENOENT:
		return false, nil
	default:
		return false, &os.PathError{Op: "lstat", Path: path, Err: err}
	}
}

// release removes the file and the lock.
func (l *lock) release() {
	_ = os.Remove(l.path)
	unix.Close(l.fd)
}
