// SPDX-License-Identifier: MIT

// Package regular reads and replaces regular files, and says who else could
// change them. It is for files whose names, or folders, may be somebody else's
// doing: a name may lead to a pipe that nobody writes to, to a device that acts
// when it is opened, or to a file of the kernel's that never ends.
//
// A disk may hang for as long as it likes: nothing here is for the loop's
// thread.
package regular

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// ErrIrregular is the error for what is no regular file on a disk.
var ErrIrregular = errors.New("expected a regular file")

// Open opens the file that path, or the symbolic link there, names for
// reading. What is not a regular file is not opened at all: the driver of a
// device does not even notice (opening /dev/watchdog would start it). Files
// of sysfs and procfs count as regular.
//
// An error is an *fs.PathError.
func Open(path string) (*os.File, error) {
	f, err := open(path, false)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return f, nil
}

// Read returns what the regular file at path, or behind the symbolic link
// there, holds. Files that the kernel makes up as they are read, such as
// /proc/kmsg, are refused with ErrIrregular, and so are those of more than most
// bytes. An error is an *fs.PathError.
func Read(path string, most int64) ([]byte, error) {
	text, err := read(path, most)
	if err != nil && !errors.As(err, new(*fs.PathError)) {
		err = &fs.PathError{Op: "read", Path: path, Err: err}
	}
	return text, err
}

func read(path string, most int64) ([]byte, error) {
	f, err := open(path, true)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(text)) > most {
		err = fmt.Errorf("the file is larger than %d bytes", most)
	}
	return text, err
}

func open(path string, onDisk bool) (*os.File, error) {
	fd, err := reopen(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, onDisk)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

// reopen looks at the file by a descriptor that opens nothing (O_PATH), and then
// opens that very file, whatever path has come to name meanwhile. With O_NOFOLLOW a
// symbolic link at path is refused.
func reopen(path string, how int, onDisk bool) (int, error) {
	there, err := ignoringEINTR(func() (int, error) { return unix.Open(path, unix.O_PATH|unix.O_CLOEXEC|how&unix.O_NOFOLLOW, 0) })
	if err != nil {
		return -1, err
	}
	defer unix.Close(there)
	var st unix.Stat_t
	if err := unix.Fstat(there, &st); err != nil {
		return -1, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || onDisk && isMadeUp(there) {
		return -1, kindError(st.Mode)
	}
	fd, err := ignoringEINTR(func() (int, error) { return unix.Open(fmt.Sprintf("/proc/self/fd/%d", there), how&^unix.O_NOFOLLOW, 0) })
	if err == unix.ENOENT { // no /proc here
		fd, err = ignoringEINTR(func() (int, error) { return unix.Open(path, how, 0) })
	}
	return fd, err
}

func ignoringEINTR(open func() (int, error)) (int, error) {
	for {
		if fd, err := open(); err != unix.EINTR {
			return fd, err
		}
	}
}

// madeUp are the filesystems (include/uapi/linux/magic.h) whose files the
// kernel writes while they are read: some wait for something to happen, and
// some never end.
var madeUp = []int64{
	unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC, unix.DEBUGFS_MAGIC, unix.TRACEFS_MAGIC, unix.SECURITYFS_MAGIC,
	unix.CGROUP_SUPER_MAGIC, unix.CGROUP2_SUPER_MAGIC, unix.BPF_FS_MAGIC, unix.SELINUX_MAGIC, unix.SMACK_MAGIC,
	unix.BINFMTFS_MAGIC, unix.EFIVARFS_MAGIC, unix.NSFS_MAGIC,
}

func isMadeUp(fd int) bool {
	var st unix.Statfs_t
	return unix.Fstatfs(fd, &st) == nil && slices.Contains(madeUp, int64(st.Type)&0xffffffff)
}
