// SPDX-License-Identifier: MIT

// Entries: the names in a folder, for those who look for few among many.

package sources

import (
	"bytes"
	"encoding/binary"
	"io/fs"

	"golang.org/x/sys/unix"
)

// Entries returns the names in a folder that begin with prefix, in no order. Of hundreds in
// /dev a few are looked for, and os.ReadDir takes memory for each.
func Entries(folder, prefix string) (names []string, err error) {
	fd, err := unix.Open(folder, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: folder, Err: err}
	}
	defer unix.Close(fd)
	buf := make([]byte, 4096)
	for {
		n, err := unix.ReadDirent(fd, buf)
		if err != nil {
			return nil, &fs.PathError{Op: "getdents", Path: folder, Err: err}
		}
		if n == 0 {
			return names, nil
		}
		for entries := buf[:n]; len(entries) > 0; {
			const length, name = 16, 19 // in struct linux_dirent64: getdents(2)
			size := binary.NativeEndian.Uint16(entries[length:])
			if bytes.HasPrefix(entries[name:], []byte(prefix)) {
				if entry := unix.ByteSliceToString(entries[name:size]); entry != "." && entry != ".." {
					names = append(names, entry)
				}
			}
			entries = entries[size:]
		}
	}
}
