// SPDX-License-Identifier: MIT

// The inventory: the block devices that there are, and what is mounted of them.

package mount

import (
	"maps"
	"slices"
	"strings"

	"reflexd/sources"
)

// device is one block device.
type device struct {
	identity
	seen   uint64 // the number of the last uevent of it; 0 if it was only listed
	queue  queue
	gone   bool     // unplugged
	mount  *mounted // nil while it is not mounted by us
	policy *policy  // by which it is mounted; nil for an action, or a run before this one
	fields []sources.Field
	// handled is the content that was mounted, or could not be. It is not
	// tried again as long as it is the same.
	handled string
	// ignored is what was last emitted as ignored: a reload that makes the same of it
	// emits nothing.
	ignored string
	// released is set when it was unmounted on request: it is left alone until
	// the medium changes.
	released bool
	compares int   // how often its medium could not be compared
	looks    int   // how often, one after the other, the kernel had not the means to tell what it is
	quiet    bool  // rules do not know that it was mounted
	crowded  bool  // it waits for another one to go, because of max
	problem  error // why it is not mounted
}

// inventory is what we know. It is for the loop's thread.
type inventory struct {
	devices map[string]*device // by DEVNAME
	points  map[string]*device // who is, or is about to be, at a mount point
	// letGo are partitions that were unmounted on purpose and vanished since, by
	// their paths: one that comes back on the same medium, as the kernel reads
	// its table again, stays unmounted.
	letGo map[string]identity
}

func newInventory() *inventory {
	return &inventory{devices: map[string]*device{}, points: map[string]*device{}, letGo: map[string]identity{}}
}

// known returns the device with the identity, which is added if its name is not
// there.
func (v *inventory) known(id identity) *device {
	d := v.devices[id.name]
	if d == nil {
		d = &device{identity: id}
		v.devices[id.name] = d
	}
	return d
}

// same reports whether id can be d.
func (d *device) same(id identity) bool {
	sameMedium := d.seq == "" || id.seq == "" || d.seq == id.seq
	return d.path == id.path && d.number == id.number && sameMedium
}

// inPlaceOf reports whether id is d but for the medium in it, which the kernel
// counts. It counts, too, how often a drive was reset while its medium stayed.
func (d *device) inPlaceOf(id identity) bool { return d.path == id.path && d.number == id.number }

// held is what a device held when it was mounted.
type held struct {
	path         string // DEVPATH
	fstype, uuid string
}

// inOrder returns the devices by their names: what is done to several must not
// differ from run to run.
func (v *inventory) inOrder() []*device {
	var all []*device
	for _, name := range slices.Sorted(maps.Keys(v.devices)) {
		all = append(all, v.devices[name])
	}
	return all
}

// mountedOf returns what is mounted of a drive: itself, or partitions of it.
func (v *inventory) mountedOf(drive *device) []*device {
	var all []*device
	for _, d := range v.inOrder() {
		if d.mount != nil && (d.path == drive.path || strings.HasPrefix(d.path, drive.path+"/")) {
			all = append(all, d)
		}
	}
	return all
}

// heldBy returns what is mounted of a drive.
func (v *inventory) heldBy(drive *device) []held {
	var all []held
	for _, d := range v.mountedOf(drive) {
		h := held{d.path, textOf(d.fields, "FSTYPE"), textOf(d.fields, "UUID")}
		if h.fstype != "" {
			all = append(all, h)
		}
	}
	return all
}

// targets returns the devices of ours that a target means: that device, the
// partitions of that drive, what is mounted there, or all.
func (v *inventory) targets(target string) []*device {
	target = strings.TrimRight(target, "/")
	if d := v.points[target]; d != nil {
		return []*device{d}
	}
	var found []*device
	whole := v.devices[target]
	for _, d := range v.inOrder() {
		meant := target == "all" || whole != nil && (d == whole || strings.HasPrefix(d.path, whole.path+"/"))
		if meant && (d.mount != nil || d.queue.doing != "") {
			found = append(found, d)
		}
	}
	return found
}

// count returns how many devices are mounted by q, or are about to be.
func (v *inventory) count(q *policy) int {
	n := 0
	for _, d := range v.points {
		if d.policy == q {
			n++
		}
	}
	return n
}

// hasPath reports whether the device at path is there.
func (v *inventory) hasPath(path string) bool {
	for _, d := range v.devices {
		if d.path == path {
			return true
		}
	}
	return false
}

// wasLetGo reports whether id was unmounted on purpose before it vanished for a
// moment.
func (v *inventory) wasLetGo(id identity) bool {
	was, ok := v.letGo[id.path]
	delete(v.letGo, id.path)
	return ok && (was.seq == "" || id.seq == "" || was.seq == id.seq) // its number may be another
}

// forgetLetGo is called when the drive at path is gone, or has another medium.
func (v *inventory) forgetLetGo(path string) {
	maps.DeleteFunc(v.letGo, func(of string, _ identity) bool { return of == path || strings.HasPrefix(of, path+"/") })
}
