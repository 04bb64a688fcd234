// SPDX-License-Identifier: MIT

// Adding to a file, as to a log.

package regular

import (
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Append adds text to the end of the regular file at path, in one write(2): what
// several programs add is not mixed up. If there is no file, it is created with
// the permissions perm, less the umask; its folder must be there. A symbolic link
// at path is refused, like everything else that is no regular file: whoever may
// write the folder could have it lead to any file of the system. The kernel
// writes the text to the disk when it likes.
//
// An error is an *fs.PathError.
func Append(path, text string, perm os.FileMode) error {
	fail := func(err error) error { return &fs.PathError{Op: "append to", Path: path, Err: err} }
	fd, err := openToAppend(path, uint32(perm.Perm()))
	if err != nil {
		return fail(err)
	}
	f := os.NewFile(uintptr(fd), path)
	_, err = f.WriteString(text)
	if closing := f.Close(); err == nil {
		err = closing
	}
	if inner, ok := err.(*fs.PathError); ok {
		return fail(inner.Err)
	}
	return nil
}

func openToAppend(path string, perm uint32) (int, error) {
	const how = unix.O_WRONLY | unix.O_APPEND | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC | unix.O_NOFOLLOW
	for tries := 0; ; tries++ {
		fd, err := reopen(path, how, false)
		if err != unix.ENOENT {
			return fd, err
		}
		fd, err = ignoringEINTR(func() (int, error) { return unix.Open(path, how|unix.O_CREAT|unix.O_EXCL, perm) })
		if err != unix.EEXIST || tries == 10 { // it was made or removed in between
			return fd, err
		}
	}
}

// kindError says what was found in place of a regular file.
func kindError(mode uint32) error {
	if mode&unix.S_IFMT == unix.S_IFLNK {
		return fmt.Errorf("%w, found a symbolic link", ErrIrregular)
	}
	return ErrIrregular
}
