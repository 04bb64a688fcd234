// SPDX-License-Identifier: MIT

// Attributes: files of sysfs, and what is read and written like them. Package os
// would hand each to the Go runtime's poller, since sysfs can be polled: where a driver
// answers EAGAIN (sun8i_ths, rockchip_thermal), or a FIFO is empty or full, it
// would wait for word that there is something now, for ever.

package sources

import (
	"io/fs"
	"slices"

	"golang.org/x/sys/unix"
)

// ReadAttribute returns the first bytes of the file at path, up to most. It does
// not wait for a FIFO, but for as long as a driver takes. An error is an *fs.PathError.
func ReadAttribute(path string, most int) (string, error) {
	fd, err := openAttribute(path, unix.O_RDONLY)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	const page = 4096 // or more is what the kernel hands out at a time
	var buf []byte
	for whole := false; !whole && len(buf) < most; {
		buf = slices.Grow(buf, min(page, most-len(buf)))
		room := buf[len(buf):min(cap(buf), most)]
		n, err := ignoringEINTR(func() (int, error) { return unix.Read(fd, room) })
		if err != nil {
			return "", &fs.PathError{Op: "read", Path: path, Err: err}
		}
		buf, whole = buf[:len(buf)+n], n < min(page, len(room))
	}
	return string(buf), nil
}

// WriteAttribute makes text the content of a file that exists, with one write(2)
// if the kernel takes all of it. What cannot take it now is an error. An error is an
// *fs.PathError.
func WriteAttribute(path, text string) error {
	fd, err := openAttribute(path, unix.O_WRONLY|unix.O_TRUNC)
	if err != nil {
		return err
	}
	for rest := []byte(text); err == nil && len(rest) > 0; {
		var n int
		n, err = ignoringEINTR(func() (int, error) { return unix.Write(fd, rest) })
		rest = rest[max(0, n):]
	}
	if closing := unix.Close(fd); err == nil {
		err = closing
	}
	if err != nil {
		return &fs.PathError{Op: "write", Path: path, Err: err}
	}
	return nil
}

func openAttribute(path string, how int) (int, error) {
	fd, err := ignoringEINTR(func() (int, error) { return unix.Open(path, how|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0) })
	if err != nil {
		return -1, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return fd, nil
}

func ignoringEINTR(call func() (int, error)) (int, error) {
	for {
		if n, err := call(); err != unix.EINTR {
			return n, err
		}
	}
}
