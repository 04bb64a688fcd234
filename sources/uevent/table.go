// SPDX-License-Identifier: MIT

// The table of the devices that there are, from what the kernel announced and
// from what was found in sysfs.

package uevent

import (
	"slices"
	"strings"

	"reflexd/sources"
)

// The two ways in which the table learns of devices overlap: while sysfs is
// being walked through, which takes its time, devices come and go, and what the
// kernel announces of it is read before, during or after. These rules keep the
// table right, and what is emitted of each device too:
//
//   - Each message has a number, its stamp. What a message said of a device
//     since the walk began counts, and what the walk found of it does not: if
//     the walk saw it later than the message was sent, a further message is
//     still to come. So no removal is undone, and no addition reported twice.
//   - A device that no message was read of since the walk began is as the walk
//     found it. Its announcement may still lie in the socket, or not be sent
//     yet: a disk is in sysfs while its partitions are being looked for, and
//     announced after that. The device remembers that it was announced; then the
//     belated add is kept from those who know. In the same way gone remembers
//     whose removal was emitted before its announcement was read.
//   - A change of a device that is not known, read while a walk is under way,
//     is left to the walk: that the device was added is yet to be emitted.
//   - Messages can only be missed silently from when the socket overflows until
//     it was found empty, so the walk that repairs it begins after that, and one
//     during which it overflowed is thrown away.
//   - A device that was renamed takes those below it along, without a word of
//     them. A walk during which that happened is thrown away.

// device is one device of the table.
type device struct {
	path      string // DEVPATH
	subsystem string
	fields    []sources.Field // DEVPATH, SUBSYSTEM and its properties
	text      []byte          // the strings that messages brought
	id        *identity       // what it is, if somebody asked
	stamp     uint64          // of the last message of it; 0 if found by a walk
	added     uint64          // when an add was last emitted
	knownBy   knowledge
}

// knowledge is how rules came to know of a device that the kernel has yet to
// announce.
type knowledge uint8

const (
	unknown knowledge = iota // not at all, or by the kernel
	byColdplug
	byRescan
)

type table struct {
	devices map[string]*device // by DEVPATH
	stamp   uint64             // of the last message
	removed map[string]bool    // since the walk began; nil while there is none
	gone    map[string]bool    // reported as removed by a rescan
}

func newTable(stamp uint64) table {
	return table{devices: map[string]*device{}, gone: map[string]bool{}, stamp: stamp}
}

// observe takes down what m says of a device: d, or nil if the table does not have it
// yet. It returns the device as the table has it now, how rules already know what m
// says, and the device, if any, that had the path before and whose removal was missed.
func (t *table) observe(m *message, d *device) (now *device, before knowledge, missed *device) {
	t.stamp++
	switch {
	case m.action == "remove":
		before = t.remove(m)
		return t.devices[m.devpath], before, nil
	case d == nil && t.removed != nil && m.action != "add" && m.action != "move":
		return nil, unknown, nil
	case d == nil:
		d = t.add(m)
	case m.action == "add" && !m.synthetic && !d.is(m.subsystem, m.fields):
		missed = d
		d = t.add(m)
	}
	d.learn(m)
	d.stamp = t.stamp
	if m.action != "add" {
		return d, unknown, nil
	}
	d.added = t.stamp
	delete(t.gone, m.devpath)
	if !m.synthetic {
		before, d.knownBy = d.knownBy, unknown
	}
	return d, before, missed
}

// add puts a device into the table, about which nothing is known yet.
func (t *table) add(m *message) *device {
	d := &device{path: strings.Clone(m.devpath)}
	t.devices[d.path] = d
	return d
}

func (t *table) remove(m *message) (before knowledge) {
	if m.synthetic {
		return unknown // it is still there
	}
	if t.removed != nil {
		t.removed[strings.Clone(m.devpath)] = true
	}
	if t.gone[m.devpath] {
		before = byRescan
	}
	delete(t.gone, m.devpath)
	delete(t.devices, m.devpath)
	return before
}

// rename moves the device with the path old and all below it.
func (t *table) rename(old, path string) {
	if old == "" {
		return
	}
	var moved []*device
	for p, d := range t.devices {
		if p == old || strings.HasPrefix(p, old+"/") {
			moved = append(moved, d)
			delete(t.devices, p)
		}
	}
	path = strings.Clone(path)
	for _, d := range moved {
		d.path = path + strings.TrimPrefix(d.path, old)
		i := slices.IndexFunc(d.fields, func(f sources.Field) bool { return f.Name == "DEVPATH" })
		d.fields[i].Value = sources.Text(d.path)
		t.devices[d.path] = d
	}
}

// begin prepares for a walk.
func (t *table) begin(w *walk) {
	t.removed = map[string]bool{}
	w.since = t.stamp
	for path := range t.devices {
		w.known = append(w.known, path)
	}
}

// drop forgets that a walk was begun.
func (t *table) drop() { t.removed = nil }

// merge takes down what w found and is in the scope. It returns what is not
// there any more, children first, and what is new, parents first.
func (t *table) merge(w *walk, sc scope) (gone, fresh []*device) {
	for _, path := range w.missing {
		if d, ok := t.devices[path]; ok && d.stamp <= w.since {
			delete(t.devices, path)
			gone = append(gone, d)
		}
	}
	for _, d := range w.found {
		old, known := t.devices[d.path]
		switch {
		case !sc.has(d.subsystem), known && old.stamp > w.since, !known && t.removed[d.path]:
			continue
		case known && d.sameAs(old):
			old.fields = d.fields
			if old.id == nil || !old.id.done {
				old.id = d.id
			}
			continue
		case known:
			gone = append(gone, old)
		}
		t.devices[d.path] = d
		fresh = append(fresh, d)
	}
	t.drop()
	slices.SortFunc(gone, func(a, b *device) int { return strings.Compare(b.path, a.path) })
	slices.SortFunc(fresh, byPath)
	return gone, fresh
}

// byPath puts parents before their children, whose paths begin with theirs.
func byPath(a, b *device) int { return strings.Compare(a.path, b.path) }

// sorted returns all devices, parents first.
func (t *table) sorted() []*device {
	all := make([]*device, 0, len(t.devices))
	for _, d := range t.devices {
		all = append(all, d)
	}
	slices.SortFunc(all, byPath)
	return all
}

// forget makes all that the kernel announces from now on news: after a loss
// an add may be that of another device.
func (t *table) forget() {
	clear(t.gone)
	for _, d := range t.devices {
		d.knownBy = unknown
	}
}

// restrict drops the devices outside of sc.
func (t *table) restrict(sc scope) {
	for path, d := range t.devices {
		if !sc.has(d.subsystem) {
			delete(t.devices, path)
		}
	}
}

// lasting are the properties that stay what they are as long as a device is
// there, and mostly differ in another one that gets its place.
var lasting = []string{"DEVNAME", "MAJOR", "MINOR", "DISKSEQ", "IFINDEX", "BUSNUM", "DEVNUM", "PRODUCT"}

// sameAs reports whether d and other, which have the same path, can be the
// same device.
func (d *device) sameAs(other *device) bool { return d.is(other.subsystem, other.fields) }

// is reports whether d can be the device of the subsystem with the fields.
func (d *device) is(subsystem string, fields []sources.Field) bool {
	other := sources.Event{Fields: fields}
	for _, name := range lasting {
		a, inA := d.lookup(name)
		b, inB := other.Lookup(name)
		if inA && inB && a != b {
			return false
		}
	}
	return d.subsystem == subsystem
}

// known returns all fields of d. The result is not to be changed.
func (d *device) known() []sources.Field {
	if d.id == nil {
		return d.fields
	}
	return append(slices.Clip(d.fields), d.id.fields...)
}

func (d *device) lookup(name string) (sources.Value, bool) {
	e := sources.Event{Fields: d.fields}
	return e.Lookup(name)
}

// learn copies what m says of the device rather than of the event into memory
// of d's own; m's words need no copy.
func (d *device) learn(m *message) {
	d.fields = slices.Grow(d.fields[:0], len(m.fields))
	for _, f := range m.fields {
		switch f.Name {
		case "ACTION", "SEQNUM", "DEVPATH_OLD":
			continue
		}
		if !strings.HasPrefix(f.Name, "SYNTH_") {
			d.fields = append(d.fields, f)
		}
	}
	d.text = sources.CopyValues(d.fields, d.text[:0])
	d.subsystem = m.subsystem
}
