// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// awaitFile returns the text of a file as soon as it holds what is wanted. The file
// may come into being meanwhile.
func awaitFile(path string, wanted func(text []byte) bool) ([]byte, error) {
	const patience = 30 * time.Second
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	if _, err := unix.InotifyAddWatch(fd, filepath.Dir(path), unix.IN_CREATE|unix.IN_MODIFY|unix.IN_MOVED_TO); err != nil {
		return nil, err
	}
	var changes [4096]byte
	for end := time.Now().Add(patience); ; {
		text, err := os.ReadFile(path)
		if err == nil && wanted(text) {
			return text, nil
		}
		left := time.Until(end).Milliseconds()
		if left <= 0 {
			return text, fmt.Errorf("not within %v: %s:\n%s", patience, path, text)
		}
		_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(left)) // EINTR is a look too many
		_, _ = unix.Read(fd, changes[:])
	}
}
