// SPDX-License-Identifier: MIT

// Leaving: devices that are pulled, with their mounts or without.

package mount

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// hangs is how long an operation under way may keep a device that was pulled
// from being given up, and how long taking its mount away may take before
// rules are notified all the same. The kernel fails what is under way as soon as
// it has noticed; if it does not, nobody is to wait for it.
const hangs = 2 * time.Second

// remove is called for a device that is not there any more.
func (s *Source) remove(d *device) {
	d.gone = true
	delete(s.devices, d.name)
	s.forgetLetGo(d.path)
	if d.released && s.hasPath(filepath.Dir(d.path)) {
		s.letGo[d.path] = d.identity // a partition, whose drive is still there
	}
	if s.listing != nil {
		s.listing.removed[d.name] = true
	}
	d.queue.cancel()
	if d.queue.doing == "" {
		s.yank(d)
		return
	}
	s.host.Loop.After(hangs, func() { s.yank(d) })
}

// hasPath reports whether the device at path is there.
func (s *Source) hasPath(path string) bool {
	for _, d := range s.devices {
		if d.path == path {
			return true
		}
	}
	return false
}

// wasLetGo reports whether id was unmounted on purpose before it vanished for a
// moment.
func (s *Source) wasLetGo(id identity) bool {
	was, ok := s.letGo[id.path]
	delete(s.letGo, id.path)
	return ok && (was.seq == "" || id.seq == "" || was.seq == id.seq) // its number may be another
}

// forgetLetGo is called when the drive at path is gone, or has another medium.
func (s *Source) forgetLetGo(path string) {
	maps.DeleteFunc(s.letGo, func(of string, _ identity) bool { return of == path || strings.HasPrefix(of, path+"/") })
}

// emptied is called for a drive that has no medium (any more), or another one:
// what is mounted of it is gone. The kernel keeps partitions as long as they
// are mounted, and looks for them again when the drive is opened; of a medium
// without any it says nothing.
func (s *Source) emptied(drive *device) {
	all := s.mountedOf(drive)
	for _, d := range all {
		d.handled = ""
		s.yank(d)
	}
	if len(all) == 0 {
		return
	}
	s.host.Loop.After(hangs, func() {
		s.host.Loop.Beside(func() { s.machine.revalidate(drive.name) }, func() { s.lookAgain(drive) })
	})
}

// lookAgain looks at a device that may have got another medium, if it is still
// there.
func (s *Source) lookAgain(drive *device) {
	if d := s.devices[drive.name]; d != nil && d.path == drive.path {
		s.consider(d, false)
	}
}

// mountedOf returns what is mounted of a drive: itself, or partitions of it.
func (s *Source) mountedOf(drive *device) []*device {
	var all []*device
	for _, d := range s.inOrder() {
		if d.mount != nil && (d.path == drive.path || strings.HasPrefix(d.path, drive.path+"/")) {
			all = append(all, d)
		}
	}
	return all
}

// inOrder returns the devices by their names: what is done to several must not
// differ from run to run.
func (s *Source) inOrder() []*device {
	var all []*device
	for _, name := range slices.Sorted(maps.Keys(s.devices)) {
		all = append(all, s.devices[name])
	}
	return all
}

// yank takes away what is mounted of a device that was pulled. Its mount
// point is not free before that has happened.
func (s *Source) yank(d *device) {
	if d.mount == nil {
		return
	}
	mt := d.mount
	d.mount = nil
	emitted := d.quiet
	emit := func() {
		if !emitted {
			emitted = true
			s.host.Log.Warn("removed while mounted", "device", d.name, "at", mt.point)
			s.emit(d, Yanked, mt.point)
		}
	}
	slow := s.host.Loop.After(hangs, emit)
	var err error
	s.host.Loop.Beside(func() { err = s.machine.cut(d.identity, mt) }, func() {
		slow.Stop()
		if err != nil {
			s.host.Log.Error("the mount of a removed device is left over", "device", d.name, "error", err)
		}
		emit()
		s.vacate(d, mt)
	})
}

// vacate frees the mount point, and the place of those that max keeps out.
func (s *Source) vacate(d *device, mt *mounted) {
	if s.points[mt.point] == d {
		delete(s.points, mt.point)
	}
	if len(s.points) == 0 {
		s.leaveTable()
	}
	for _, other := range s.inOrder() {
		if other.crowded {
			other.crowded, other.handled = false, ""
			s.consider(other, false)
		}
	}
}

// unmounted takes note of a mount that has gone in good order.
func (s *Source) unmounted(d *device) {
	mt := d.mount
	d.mount, d.released = nil, true
	s.host.Log.Info("unmounted", "device", d.name, "at", mt.point)
	s.emit(d, Unmounted, mt.point)
	s.vacate(d, mt)
}
