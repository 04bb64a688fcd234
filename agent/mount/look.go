// SPDX-License-Identifier: MIT

// Looking at a device: what it is, what it holds, and whether somebody claims
// it. It may take as long as the device takes to answer.

package mount

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"reflexd/blkid"
	"reflexd/sources"
	"reflexd/sources/uevent"
)

// machine is where the files of this machine are.
type paths struct {
	dev, sys, proc string
	fstab          string
	records        string // the folder of what we remember of our mounts
}

// identity is what tells one device from another that has the same name
// later.
type identity struct {
	name   string // DEVNAME
	path   string // DEVPATH
	number string // MAJOR:MINOR
	seq    string // DISKSEQ of the disk, "" before Linux 5.15
}

// facts are what is known of a device.
type facts struct {
	identity
	fields    []sources.Field // of deviceFields
	folder    string          // its folder in sysfs
	whole     string          // the folder of the disk that it is, or is a part of
	part      int             // the number of the partition, 0 for a whole disk
	size      int64           // bytes
	removable bool            // a stick, or a card in a reader
	protected bool            // the drive refuses writes
	content   blkid.Content
	twin      bool   // a btrfs of its UUID is mounted
	swapped   bool   // what is mounted of it was on another medium, and the kernel does not know
	claim     string // why it cannot be mounted now: who has it, in words, or ""
	reserved  string // why it is not mounted unless a rule says so, or ""
	err       error  // it could not be read
}

// set adds a field, or changes it.
func (f *facts) set(name string, v sources.Value) {
	for i := range f.fields {
		if f.fields[i].Name == name {
			f.fields[i].Value = v
			return
		}
	}
	f.fields = append(f.fields, sources.Field{Name: name, Value: v})
}

// text returns the text of a field, "" where there is none.
func (f *facts) text(name string) string { return textOf(f.fields, name) }

func textOf(fields []sources.Field, name string) string {
	e := sources.Event{Fields: fields}
	v, _ := e.Lookup(name)
	if v == (sources.Value{}) {
		return ""
	}
	return v.String()
}

// look finds out about the device id. interesting is asked, when the hardware
// is known, whether the device is to be read at all.
func (m *paths) look(id identity, interesting func(*facts) bool) *facts {
	f := m.hardware(id)
	switch {
	case !interesting(f):
		f.claim = "no policy matches"
	case f.size == 0:
		f.claim = "no medium in it"
	case f.part == 0 && hasPartitions(f.folder):
		f.claim = "it has partitions"
	default:
		f.claim, f.reserved = m.inUse(f)
	}
	if f.claim != "" {
		return f
	}
	if f.content, f.err = probe(id.name, f.size); f.err != nil {
		return f
	}
	f.describeContent()
	f.twin = m.hasTwin(&f.content)
	if f.reserved == "" {
		f.reserved = m.inFstab(f)
	}
	return f
}

// describeContent adds the fields of what is on the device.
func (f *facts) describeContent() {
	f.set("FSTYPE", sources.Text(f.content.Type))
	text := f.content.Label
	if f.content.Type == "vfat" {
		text = blkid.Readable(text)
	}
	f.set("LABEL", sources.Text(text))
	f.set("UUID", sources.Text(f.content.UUID))
}

// sector is the unit of sysfs in bytes, whatever the drive's is.
const sector = 512

// hardware reads what sysfs has.
func (m *paths) hardware(id identity) *facts {
	f := &facts{identity: id, folder: filepath.Join(m.sys, id.path)}
	f.set("DEVNAME", sources.Text(id.name))
	f.set("DEVPATH", sources.Text(id.path))
	for line := range strings.Lines(readText(f.folder, "uevent")) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if key != "DEVNAME" && sources.ValidField(key) {
			f.set(key, sources.Text(value))
		}
	}
	f.whole = f.folder
	if f.part = int(readNumber(f.folder, "partition")); f.part != 0 {
		f.whole = filepath.Dir(f.folder)
	}
	f.size = readNumber(f.folder, "size") * sector
	f.set("SIZE", sources.Int(f.size))
	f.protected = readNumber(f.folder, "ro") != 0
	for _, field := range uevent.Identify(m.sys, id.path) {
		f.set(field.Name, field.Value)
	}
	card := readText(f.whole, "device/type") == "SD" // mmc's word for what is no soldered chip
	bus := f.text("ID_BUS")
	f.removable = bus == "usb" || bus == "memstick" || bus == "mmc" && card
	if f.removable || readNumber(f.whole, "removable") != 0 {
		f.set("REMOVABLE", sources.Int(1))
	}
	return f
}

// readText returns an attribute of sysfs without its newline, or nothing.
func readText(folder, name string) string {
	text, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		return ""
	}
	return strings.TrimRight(string(text), "\n")
}

func readNumber(folder, name string) int64 {
	n, _ := strconv.ParseInt(readText(folder, name), 10, 64)
	return n
}

// hasPartitions reports whether the kernel found partitions on a disk.
func hasPartitions(folder string) bool {
	found, _ := filepath.Glob(filepath.Join(folder, "*", "partition"))
	return len(found) > 0
}

// probe reads what is on the device.
func probe(name string, size int64) (blkid.Content, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return blkid.Content{}, fmt.Errorf("probe it: %w", err)
	}
	defer f.Close()
	content, err := blkid.Probe(f, size)
	if err != nil {
		return content, fmt.Errorf("probe %s: %w", name, err)
	}
	return content, nil
}
