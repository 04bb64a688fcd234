// SPDX-License-Identifier: MIT

// Reading in sysfs which devices there are.

package uevent

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"reflexd/sources"
)

// walk is one reading of sysfs. What it is to look for is set before run is
// called, on a goroutine of its own since reading a device's file may block,
// and what it found is looked at after run has returned.
type walk struct {
	sys, dev string
	scope    scope
	ids      scope    // the subsystems whose devices are asked what they are
	hung     int      // how many of these did not say
	known    []string // devpaths of which to find out whether they are still there
	since    uint64   // the table's stamp when it began
	upsets   int      // the source's count when it began

	found   []*device
	missing []string // of known
	err     error    // what is there is unknown

	buf [4096]byte // for reading; the kernel's UEVENT_BUFFER_SIZE is half of it
}

// run walks through sys/devices. It follows no links, so there are no loops:
// each device has one folder, and all other ways to it are links. A device is
// a folder with a file uevent and a link subsystem; those are there before
// the kernel announces the device, and gone before it announces that it is.
func (w *walk) run() {
	root := filepath.Join(w.sys, "devices")
	if _, err := os.ReadDir(root); err != nil {
		w.err = fmt.Errorf("list devices: %w", err)
		return
	}
	seen := map[string]bool{}
	// What cannot be read is gone by now; the walk goes on beside it.
	_ = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.Name() != "uevent" || !e.Type().IsRegular() {
			return nil
		}
		if d := w.read(filepath.Dir(path)); d != nil {
			seen[d.path] = true
			w.found = append(w.found, d)
		}
		return nil
	})
	for _, path := range w.known {
		if !seen[path] && !exists(filepath.Join(w.sys, path)) {
			w.missing = append(w.missing, path)
		}
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// read returns the device with the folder dir, or nil if it is none, is none
// of those asked for, or is gone.
func (w *walk) read(dir string) *device {
	link, err := os.Readlink(filepath.Join(dir, "subsystem"))
	if err != nil || !w.scope.has(filepath.Base(link)) {
		return nil
	}
	text, err := w.text(filepath.Join(dir, "uevent"))
	if err != nil {
		return nil
	}
	d := &device{path: strings.TrimPrefix(dir, w.sys), subsystem: filepath.Base(link)}
	d.fields = []sources.Field{
		{Name: "DEVPATH", Value: sources.Text(d.path)},
		{Name: "SUBSYSTEM", Value: sources.Text(d.subsystem)},
	}
	for line := range strings.Lines(string(text)) {
		key, value, ok := property(strings.TrimSuffix(line, "\n"))
		if key == "DEVNAME" && isRelative(value) {
			value = w.dev + "/" + value
		}
		if ok {
			d.fields = append(d.fields, sources.Field{Name: key, Value: sources.Text(value)})
		}
	}
	if w.ids.has(d.subsystem) {
		d.id = w.identify(d.path)
	}
	return d
}

// text reads a file uevent, all of which comes by one read. os.ReadFile would
// take a page of memory for each of a thousand devices.
func (w *walk) text(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	n, err := f.Read(w.buf[:])
	if err == io.EOF {
		err = nil
	}
	return w.buf[:n], err
}

// mostHung is how many devices that do not answer a walk waits for.
const mostHung = 3

func (w *walk) identify(path string) *identity {
	if w.hung == mostHung {
		return nil
	}
	fields, ok := identifyWithin(lookupPatience, w.sys, path)
	if !ok {
		w.hung++
		return nil
	}
	return &identity{devpath: path, fields: fields, asked: true, begun: true, done: true}
}
