// SPDX-License-Identifier: MIT

// What is mounted: /proc/self/mountinfo, as proc(5) describes it.

package mount

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// entry is one line of mountinfo.
type entry struct {
	number string // MAJOR:MINOR of the filesystem's device; btrfs has one of its own
	root   string // what of the filesystem is mounted
	point  string
	fstype string
	source string // mostly the device's name
	// readOnly is set if either the mount or the filesystem is.
	readOnly bool
}

// parseMountinfo reads the text of mountinfo. What is no line of it is passed
// over.
func parseMountinfo(text string) []entry {
	var all []entry
	for line := range strings.Lines(text) {
		left, right, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " - ")
		before, after := strings.Split(left, " "), strings.Split(right, " ")
		if !ok || len(before) < 6 || len(after) < 3 {
			continue
		}
		all = append(all, entry{
			number: before[2], root: unescape(before[3]), point: unescape(before[4]),
			fstype: after[0], source: unescape(after[1]),
			readOnly: hasWord(before[5], "ro") || hasWord(after[2], "ro"),
		})
	}
	return all
}

func hasWord(list, word string) bool { return slices.Contains(strings.Split(list, ","), word) }

// unescape undoes the kernel's mangle_path: a backslash and three octal
// digits stand for a byte.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if value, ok := octal(s[i:]); ok {
			b.WriteByte(value)
			i += 3
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func octal(s string) (value byte, ok bool) {
	if len(s) < 4 || s[0] != '\\' || s[1] > '3' {
		return 0, false
	}
	for _, digit := range []byte(s[1:4]) {
		if digit < '0' || digit > '7' {
			return 0, false
		}
		value = value<<3 | (digit - '0')
	}
	return value, true
}

// mountinfo is the folder /proc, which has the table of what is mounted in our
// mount namespace.
type mountinfo string

func (proc mountinfo) file() string { return filepath.Join(string(proc), "self/mountinfo") }

// read returns what is mounted.
func (proc mountinfo) read() ([]entry, error) {
	text, err := os.ReadFile(proc.file())
	if err != nil {
		return nil, fmt.Errorf("read what is mounted: %w", err)
	}
	return parseMountinfo(string(text)), nil
}

// of reports whether the entry is a mount of the device.
func (e *entry) of(name, number string) bool { return e.number == number || e.source == name }

// at returns the mount of the device at the mount point, or nil.
func at(mounts []entry, point, name, number string) *entry {
	for i := range slices.Backward(mounts) { // the last one lies on top
		if m := &mounts[i]; m.point == point && m.of(name, number) {
			return m
		}
	}
	return nil
}

// isMountPoint reports whether anything is mounted there, as far as is known.
func (proc mountinfo) isMountPoint(point string) bool {
	mounts, err := proc.read()
	return err != nil || slices.ContainsFunc(mounts, func(e entry) bool { return e.point == point })
}

// has reports whether the device is at the mount point.
func (proc mountinfo) has(point string, id *identity) bool {
	mounts, err := proc.read()
	return err != nil || at(mounts, point, id.name, id.number) != nil
}
