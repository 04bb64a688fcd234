// SPDX-License-Identifier: MIT

// Reading in sysfs which devices there are.

package uevent

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

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

// run reads the links to devices in sys/class and sys/bus, one for each device
// of a subsystem, as udev does: to walk through the tree sys/devices would be to read
// twenty folders for each device. The kernel makes the links before it announces
// the device, and removes them before it announces that it is gone.
func (w *walk) run() {
	folders, err := w.folders()
	if err != nil {
		w.err = fmt.Errorf("list devices: %w", err)
		return
	}
	seen := map[string]bool{}
	for _, f := range folders {
		w.list(f, seen)
	}
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

// A folder has links to the devices of a subsystem.
type folder struct{ path, subsystem string }

// folders returns those of the subsystems in the scope.
func (w *walk) folders() (all []folder, err error) {
	for _, kind := range []struct{ path, below string }{{"class", ""}, {"bus", "devices"}} {
		kind.path = filepath.Join(w.sys, kind.path)
		names := slices.Sorted(maps.Keys(w.scope.names))
		if w.scope.all {
			if names, err = sources.Entries(kind.path, ""); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
		}
		for _, name := range names {
			all = append(all, folder{filepath.Join(kind.path, name, kind.below), name})
		}
	}
	if _, err := os.Stat(filepath.Join(w.sys, "devices")); err != nil {
		return nil, err // sysfs is not mounted
	}
	return all, nil
}

// list reads the devices to which f has links. What cannot be read is gone by
// now; there need not be a folder.
func (w *walk) list(f folder, seen map[string]bool) {
	fd, err := unix.Open(f.path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		w.fail(err)
		return
	}
	defer unix.Close(fd)
	var names []string
	for {
		n, err := unix.ReadDirent(fd, w.buf[:])
		if err != nil || n <= 0 {
			w.fail(err)
			break
		}
		_, _, names = unix.ParseDirent(w.buf[:n], -1, names)
	}
	for _, name := range names {
		path, ok := w.target(fd, name)
		if !ok || seen[path] {
			continue
		}
		if d := w.read(fd, name, path, f.subsystem); d != nil {
			seen[path] = true
			w.found = append(w.found, d)
		}
	}
}

// fail ends in an error what the kernel had not the means for: it says nothing of
// whether something is there. What a driver answers is not of that kind.
func (w *walk) fail(err error) {
	if sources.Passing(err) {
		w.err = fmt.Errorf("list devices: %w", err)
	}
}

// target returns the devpath to which the link name in the folder fd leads.
func (w *walk) target(fd int, name string) (devpath string, ok bool) {
	n, err := unix.Readlinkat(fd, name, w.buf[:])
	if err != nil {
		return "", false // a file beside the links
	}
	path := strings.TrimLeft(sources.Borrow(w.buf[:n]), "./") // ../../devices/…
	return "/" + path, strings.HasPrefix(path, "devices/")
}

// read returns the device behind the link name in the folder fd, or nil if it
// is of another subsystem, as some links in classes are, or is gone.
func (w *walk) read(fd int, name, path, subsystem string) *device {
	n, err := unix.Readlinkat(fd, name+"/subsystem", w.buf[:])
	if err != nil || filepath.Base(string(w.buf[:n])) != subsystem {
		return nil
	}
	text, err := w.text(fd, name+"/uevent")
	if err != nil {
		return nil
	}
	d := &device{path: path, subsystem: subsystem}
	d.fields = make([]sources.Field, 0, 2+strings.Count(text, "\n"))
	d.fields = append(d.fields,
		sources.Field{Name: "DEVPATH", Value: sources.Text(d.path)},
		sources.Field{Name: "SUBSYSTEM", Value: sources.Text(d.subsystem)})
	for line := range strings.Lines(text) {
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
func (w *walk) text(fd int, path string) (string, error) {
	file, err := unix.Openat(fd, path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		w.fail(err)
		return "", err
	}
	defer unix.Close(file)
	n, err := unix.Read(file, w.buf[:])
	if err != nil {
		return "", err
	}
	return string(w.buf[:n]), nil
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
