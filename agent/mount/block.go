// SPDX-License-Identifier: MIT

// Block devices, as sysfs and /dev show them.

package mount

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"reflexd/blkid"
	"reflexd/sources"
	"reflexd/sources/uevent"
)

// blocks finds block devices and what is known of their hardware.
type blocks struct{ dev, sys string }

// identity is what distinguishes a device from another that has the same name
// later.
type identity struct {
	name   string // DEVNAME
	path   string // DEVPATH
	number string // MAJOR:MINOR
	seq    string // DISKSEQ of the disk, "" before Linux 5.15
}

// identify returns what device e is about, in memory of its own.
func identify(e *sources.Event) (identity, bool) {
	text := func(name string) string {
		v, ok := e.Lookup(name)
		if !ok {
			return ""
		}
		return strings.Clone(v.String()) // e may be borrowed
	}
	id := identity{name: text("DEVNAME"), path: text("DEVPATH"), number: text("MAJOR") + ":" + text("MINOR"), seq: text("DISKSEQ")}
	return id, id.name != "" && id.path != "" && id.number != ":"
}

// list reads what block devices there are.
func (b *blocks) list() ([]identity, error) {
	class := filepath.Join(b.sys, "class/block")
	entries, err := os.ReadDir(class)
	if err != nil {
		return nil, fmt.Errorf("list block devices: %w", err)
	}
	var all []identity
	for _, e := range entries {
		switch id, ok, err := b.identify(filepath.Join(class, e.Name())); {
		case sources.Passing(err): // a device that is not in the list is gone
			return nil, fmt.Errorf("list block devices: %w", err)
		case ok:
			all = append(all, id)
		}
	}
	return all, nil
}

// identify reads what device a folder in sysfs is about. The error says why nothing is
// known.
func (b *blocks) identify(folder string) (identity, bool, error) {
	real, err := filepath.EvalSymlinks(folder)
	sys, other := filepath.EvalSymlinks(b.sys)
	if err != nil || other != nil {
		return identity{}, false, cmp.Or(err, other)
	}
	text, err := sources.ReadAttribute(filepath.Join(real, "uevent"), largestAttribute)
	if err != nil {
		return identity{}, false, err
	}
	e := &sources.Event{Fields: []sources.Field{{Name: "DEVPATH", Value: sources.Text(strings.TrimPrefix(real, sys))}}}
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if key == "DEVNAME" {
			value = filepath.Join(b.dev, value)
		}
		e.Fields = append(e.Fields, sources.Field{Name: key, Value: sources.Text(value)})
	}
	id, ok := identify(e)
	return id, ok, nil
}

// errNoDevice says that a name is of no block device, as far as the kernel tells.
var errNoDevice = errors.New("no such block device")

// find returns the block device with that name, or that a link leads to.
func (b *blocks) find(name string) (identity, error) {
	real, err := filepath.EvalSymlinks(name)
	switch {
	case err == nil:
		name = real
	case sources.Passing(err):
		return identity{}, err
	}
	base, err := filepath.Rel(b.dev, name)
	if err != nil {
		return identity{}, errNoDevice
	}
	id, ok, err := b.identify(filepath.Join(b.sys, "class/block", strings.ReplaceAll(base, "/", "!")))
	switch {
	case sources.Passing(err):
		return identity{}, err
	case !ok || id.name != name:
		return identity{}, errNoDevice
	}
	return id, nil
}

// isThere reports whether the device is, and is no other one. If the kernel had not
// the means to find that out, it is.
func (b *blocks) isThere(id identity) bool {
	now, ok, err := b.identify(b.sys + id.path)
	d := device{identity: id}
	return sources.Passing(err) || ok && d.same(now) && now.name == id.name
}

// disk returns the folder in sysfs of the whole disk that the block device
// number is of, or "".
func (b *blocks) disk(number string) string {
	folder, err := filepath.EvalSymlinks(filepath.Join(b.sys, "dev/block", number))
	if err != nil {
		return ""
	}
	return wholeOf(folder)
}

// wholeOf returns the folder in sysfs of the disk that a block device with that folder is, or is a part of.
func wholeOf(folder string) string {
	if _, err := os.Stat(filepath.Join(folder, "partition")); err == nil {
		return filepath.Dir(folder)
	}
	return folder
}

// sector is the unit of sysfs in bytes, whatever the drive's is.
const sector = 512

// hardware reads what sysfs has.
func (b *blocks) hardware(id identity) *facts {
	f := &facts{identity: id, folder: filepath.Join(b.sys, id.path)}
	f.set("DEVNAME", sources.Text(id.name))
	f.set("DEVPATH", sources.Text(id.path))
	for line := range strings.Lines(f.attribute(f.folder, "uevent")) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if key != "DEVNAME" && sources.ValidField(key) {
			f.set(key, sources.Text(value))
		}
	}
	f.whole = f.folder
	if f.part = int(f.integer(f.folder, "partition")); f.part != 0 {
		f.whole = filepath.Dir(f.folder)
	}
	f.size = f.integer(f.folder, "size") * sector
	f.set("SIZE", sources.Int(f.size))
	f.protected = f.integer(f.folder, "ro") != 0
	fields, err := uevent.IdentifyWell(b.sys, id.path)
	f.doubt(err)
	for _, field := range fields {
		f.set(field.Name, field.Value)
	}
	card := f.attribute(f.whole, "device/type") == "SD" // mmc's word for what is no soldered chip
	bus := f.text("ID_BUS")
	f.removable = bus == "usb" || bus == "memstick" || bus == "mmc" && card
	if f.removable || f.integer(f.whole, "removable") != 0 {
		f.set("REMOVABLE", sources.Int(1))
	}
	return f
}

// readText returns an attribute of sysfs without its newline, or nothing.
func readText(folder, name string) string {
	text, _ := sources.ReadAttribute(filepath.Join(folder, name), largestAttribute)
	return strings.TrimRight(text, "\n")
}

// largestAttribute is the size in bytes of the longest attribute that is read.
const largestAttribute = 4096

func readNumber(folder, name string) int64 {
	n, _ := strconv.ParseInt(readText(folder, name), 10, 64)
	return n
}

// hasPartitions reports whether the kernel found partitions on a disk.
func hasPartitions(folder string) (bool, error) {
	entries, err := os.ReadDir(folder)
	for _, e := range entries {
		if _, err := os.Stat(filepath.Join(folder, e.Name(), "partition")); err == nil {
			return true, nil
		}
	}
	return false, err
}

// probe reads what is on the device.
func probe(name string, size int64) (blkid.Content, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return blkid.Content{}, fmt.Errorf("probe it: %w", err)
	}
	defer f.Close()
	content, err := blkid.Probe(f, size)
	// Of a device that is removed nothing can be read, which is no error: it has no size any more.
	if end, atEnd := f.Seek(0, io.SeekEnd); err == nil && atEnd == nil && end < size {
		content, err = blkid.Content{}, unix.ENODEV
	}
	if err != nil {
		return content, fmt.Errorf("probe %s: %w", name, err)
	}
	return content, nil
}
