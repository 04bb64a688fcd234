// SPDX-License-Identifier: MIT

// Looking at a device: what it is, what it holds, and whether somebody claims
// it. It may take as long as the device takes to answer.

package mount

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"reflexd/blkid"
	"reflexd/sources"
)

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
	unsure    error  // the kernel had not the means, just now, to tell what is above
}

// doubt takes note that the kernel had not the means to tell something.
func (f *facts) doubt(err error) {
	if f.unsure == nil && sources.Passing(err) {
		f.unsure = err
	}
}

// read returns what is in a file, nothing if it cannot be read.
func (f *facts) read(path string) string {
	text, err := os.ReadFile(path)
	f.doubt(err)
	if err != nil {
		return ""
	}
	return string(text)
}

// attribute returns an attribute of sysfs without its newline, or nothing.
func (f *facts) attribute(folder, name string) string {
	text, err := sources.ReadAttribute(filepath.Join(folder, name), largestAttribute)
	f.doubt(err)
	return strings.TrimRight(text, "\n")
}

func (f *facts) integer(folder, name string) int64 {
	n, _ := strconv.ParseInt(f.attribute(folder, name), 10, 64)
	return n
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
// is known, whether the device is to be read at all; nil for an explicit order,
// which no rule of thumb binds: a disk may hold a filesystem beside partitions.
func (c *claims) look(id identity, interesting func(*facts) bool) *facts {
	f := c.hardware(id)
	defer func() {
		if interesting == nil && f.err == nil {
			f.err = f.unsure // whoever ordered it decides whether to try again
		}
	}()
	if f.unsure != nil && interesting != nil {
		return f
	}
	if interesting != nil && !interesting(f) {
		f.claim = "no policy matches"
		return f
	}
	if hasNoMedium(id.name) {
		f.size = 0 // of an empty optical drive the kernel says 1 GiB
	}
	partitions := false
	if interesting != nil && f.part == 0 {
		var err error
		partitions, err = hasPartitions(f.folder)
		f.doubt(err)
	}
	switch {
	case f.size == 0:
		f.claim = "no medium in it"
	case partitions:
		f.claim = "it has partitions"
	default:
		f.claim, f.reserved = c.inUse(f)
	}
	if f.claim != "" {
		return f
	}
	if f.content, f.err = probe(id.name, f.size); f.err != nil {
		f.doubt(f.err)
		return f
	}
	f.describeContent()
	f.twin = c.hasTwin(&f.content)
	if f.reserved == "" {
		f.reserved = c.inFstab(f)
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
