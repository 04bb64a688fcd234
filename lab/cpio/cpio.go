// SPDX-License-Identifier: MIT

// Package cpio writes archives in the "newc" format, the one that Linux unpacks as its initial file system.
// Archives can be laid one behind another: the kernel unpacks them in turn, and a later file replaces an earlier one.
package cpio

import (
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// File types, as they stand in the upper bits of an entry's mode.
const (
	typeDir     = 0o040000
	typeRegular = 0o100000
	typeSymlink = 0o120000
	typeChar    = 0o020000
)

// trailer is the name of the entry that ends an archive.
const trailer = "TRAILER!!!"

// A Writer writes one archive. It makes the folders above an entry by itself, once each.
// The first error sticks: later calls do nothing, and Close returns it.
type Writer struct {
	w       io.Writer
	written int64
	inode   uint32
	folders map[string]bool
	err     error
}

// NewWriter returns a Writer on w.
func NewWriter(w io.Writer) *Writer {
	return &Writer{w: w, folders: map[string]bool{".": true}}
}

// File adds a regular file with the given permissions.
func (w *Writer) File(name string, perm uint32, data []byte) {
	name = w.enter(name)
	w.entry(header{name: name, mode: typeRegular | perm&0o7777, size: len(data)}, data)
}

// Symlink adds a symbolic link that points to target.
func (w *Writer) Symlink(name, target string) {
	name = w.enter(name)
	w.entry(header{name: name, mode: typeSymlink | 0o777, size: len(target)}, []byte(target))
}

// Device adds a character device.
func (w *Writer) Device(name string, perm, major, minor uint32) {
	name = w.enter(name)
	w.entry(header{name: name, mode: typeChar | perm&0o7777, major: major, minor: minor}, nil)
}

// Dir adds a folder with the given permissions, unless it is there.
func (w *Writer) Dir(name string, perm uint32) {
	name = clean(name)
	if w.folders[name] {
		return
	}
	w.Dir(path.Dir(name), 0o755)
	w.folders[name] = true
	w.entry(header{name: name, mode: typeDir | perm&0o7777}, nil)
}

// Close ends the archive, padded to 512 bytes as other tools do. It does not close the underlying writer.
func (w *Writer) Close() error {
	w.entry(header{name: trailer}, nil)
	w.pad(512)
	if w.err == nil {
		w.err = errClosed
		return nil
	}
	return w.err
}

var errClosed = errors.New("cpio: the archive is closed")

// enter cleans an entry's name and adds the folders above it.
func (w *Writer) enter(name string) string {
	name = clean(name)
	w.Dir(path.Dir(name), 0o755)
	return name
}

// clean makes a name relative to the archive's root, which no ".." can leave.
func clean(name string) string {
	if name = strings.TrimPrefix(path.Clean("/"+name), "/"); name == "" {
		return "."
	}
	return name
}

// A header is what an entry says of itself; owner and time are always zero, so that archives can be compared.
type header struct {
	name         string
	mode         uint32
	size         int
	major, minor uint32
}

// entry writes a header and its data, each padded to four bytes.
func (w *Writer) entry(h header, data []byte) {
	w.inode++
	if h.name == trailer {
		w.inode = 0
	}
	if int64(h.size) > 1<<32-1 {
		w.fail(fmt.Errorf("cpio: %s: %d bytes are more than the format can hold", h.name, h.size))
		return
	}
	links := 1
	if h.mode&typeDir != 0 && h.mode&typeRegular != typeRegular {
		links = 2
	}
	w.write(fmt.Appendf(nil, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s\x00",
		w.inode, h.mode, 0, 0, links, 0, h.size, 0, 0, h.major, h.minor, len(h.name)+1, 0, h.name))
	w.pad(4)
	w.write(data)
	w.pad(4)
}

func (w *Writer) write(data []byte) {
	if w.err != nil {
		return
	}
	n, err := w.w.Write(data)
	w.written += int64(n)
	if err != nil {
		w.fail(fmt.Errorf("cpio: write archive: %w", err))
	}
}

// pad writes zeroes up to the next multiple of size.
func (w *Writer) pad(size int64) {
	if rest := w.written % size; rest != 0 {
		w.write(make([]byte, size-rest))
	}
}

func (w *Writer) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}
