// SPDX-License-Identifier: MIT

// The keeper: makes mounts, keeps them and takes them away, and emits that.

package mount

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/sources"
)

// keeper looks after what is mounted. It is for the loop's thread.
type keeper struct {
	*inventory
	host    *sources.Host
	machine machine
	table   *sources.MountWatch // the kernel's, which others change; nil unless something of ours is mounted
	vacated func()              // called when a mount point is free again
}

// mostNames is how many names are tried where one is taken.
const mostNames = 100

// hangs is how long an operation under way may keep a device that was pulled
// from being given up, and how long taking its mount away may take before
// rules are notified all the same. The kernel fails what is under way as soon as
// it has noticed; if it does not, nobody is to wait for it.
const hangs = 2 * time.Second

// mount mounts the device at the mount point of w, or at the first free one
// with a suffix from try on, and emits how that went.
func (k *keeper) mount(d *device, w *wish, try int, done func(error)) {
	if err := w.whole(); err != nil {
		k.fail(d, w, err)
		done(err)
		return
	}
	one, point := *w, ""
	for ; ; try++ {
		one.below = suffixed(w.below, try)
		point = filepath.Join(w.root, one.below)
		if k.points[point] == nil {
			break
		}
		if w.refuse || try == mostNames {
			k.fail(d, w, fmt.Errorf("mount %s at %s: %w", d.name, point, errTaken))
			done(d.problem)
			return
		}
	}
	if k.host.DryRun {
		k.host.Log.Info("would mount", "device", d.name, "at", point, "type", w.kind.Name)
		done(nil)
		return
	}
	k.points[point], d.policy = d, w.policy
	var result *mounted
	var err error
	k.host.Loop.Beside(func() { result, err = k.machine.attach(&one) }, func() {
		delete(k.points, point)
		switch {
		case errors.Is(err, errTaken) && !w.refuse && try < mostNames && !d.gone:
			k.mount(d, w, try+1, done)
			return
		case err != nil:
			k.fail(d, &one, err)
		default:
			k.noteMount(d, &one, result)
		}
		done(err)
	})
}

// noteMount takes note of a mount that was made. Of a device that is gone by
// now, nothing is emitted.
func (k *keeper) noteMount(d *device, w *wish, result *mounted) {
	d.mount, d.problem, d.released = result, nil, false
	k.points[result.point] = d
	k.watchTable()
	d.fields = eventFieldsOf(w.facts)
	d.fields = append(d.fields, readOnlyField(result.readOnly))
	if result.why != "" {
		d.fields = append(d.fields, sources.Field{Name: "WHY", Value: sources.Text(result.why)})
	}
	if d.gone {
		d.quiet = true
		return
	}
	for _, g := range result.unguarded {
		k.host.Log.Warn("the kernel does not support an option", "device", d.name, "option", g.Option, "since", "Linux "+g.Since)
	}
	k.host.Log.Info("mounted", "device", d.name, "at", result.point, "type", w.kind.Name, "read_only", result.readOnly, "why", result.why)
	k.emit(d, Mounted, result.point)
}

// fail takes note of a mount that was not made, and emits that. What is being
// removed cannot be read a moment before the kernel says that it has gone: that is
// no failure.
func (k *keeper) fail(d *device, w *wish, err error) {
	d.problem = err
	report := func() {
		if k.devices[d.name] != d || d.problem != err {
			return
		}
		k.host.Log.Warn("not mounted", "device", d.name, "error", err)
		k.emit(d, Failed, filepath.Join(w.root, w.below), sources.Field{Name: "REASON", Value: sources.Text(err.Error())})
	}
	if vanishes(err) {
		k.host.Loop.After(leaves, report)
		return
	}
	report()
}

// leaves is how long the kernel may take to remove a device that it fails already.
const leaves = time.Second

// vanishes reports whether err is one of a device that is being removed, among others.
func vanishes(err error) bool {
	for _, e := range [...]unix.Errno{unix.EIO, unix.ENXIO, unix.ENODEV, unix.ENOENT, unix.ENOMEDIUM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// unmounted takes note of a mount that has gone in good order.
func (k *keeper) unmounted(d *device) {
	mt := d.mount
	d.mount, d.released = nil, true
	k.host.Log.Info("unmounted", "device", d.name, "at", mt.point)
	k.emit(d, Unmounted, mt.point)
	k.vacate(d, mt)
}

// yank takes away what is mounted of a device that was pulled. Its mount
// point is not free before that has happened.
func (k *keeper) yank(d *device) {
	if d.mount == nil {
		return
	}
	mt := d.mount
	d.mount = nil
	emitted := d.quiet
	emit := func() {
		if !emitted {
			emitted = true
			k.host.Log.Warn("removed while mounted", "device", d.name, "at", mt.point)
			k.emit(d, Yanked, mt.point)
		}
	}
	slow := k.host.Loop.After(hangs, emit)
	k.cut(d, mt, 1, func() {
		slow.Stop()
		emit()
	})
}

// cut takes a mount away, and tries until that is done: the mount point has no other use before. tried is called after the
// first try.
func (k *keeper) cut(d *device, mt *mounted, try int, tried func()) {
	var err error
	k.host.Loop.Beside(func() { err = k.machine.cut(d.identity, mt) }, func() {
		if try == 1 {
			tried()
		}
		if err == nil {
			k.vacate(d, mt)
			return
		}
		if try == 1 {
			k.host.Log.Error("cannot unmount a removed device; trying again", "device", d.name, "error", err)
		}
		pause, _ := sources.EndlessPause(err, try)
		k.host.Loop.After(pause, func() { k.cut(d, mt, try+1, tried) })
	})
}

// vacate frees the mount point, and the place of those that max keeps out.
func (k *keeper) vacate(d *device, mt *mounted) {
	if k.points[mt.point] == d {
		delete(k.points, mt.point)
	}
	if len(k.points) == 0 {
		k.leaveTable()
	}
	k.vacated()
}

// ending returns what to call at the end of a job: if the device was removed
// meanwhile, its mount goes then.
func (k *keeper) ending(d *device, done func()) func() {
	return func() {
		done()
		if d.gone {
			k.yank(d)
		}
	}
}

// watchTable watches the table of mounts, if it is not watched.
func (k *keeper) watchTable() {
	if k.table != nil || k.host.Simulated {
		return
	}
	var err error
	if k.table, err = sources.WatchMounts(k.host, k.checkTable); err != nil {
		k.host.Log.Warn("cannot notice what other programs unmount", "error", err)
	}
}

// leaveTable ends that.
func (k *keeper) leaveTable() {
	k.table.Close()
	k.table = nil
}

// checkTable looks for mounts of ours that others have unmounted. Those of
// devices with which something is under way are left to that.
func (k *keeper) checkTable() {
	var mounts []entry
	var err error
	k.host.Loop.Beside(func() { mounts, err = k.machine.mountTable() }, func() {
		switch {
		case k.table == nil: // nothing is mounted any more
			return
		case err != nil:
			const pause = time.Second
			k.host.Loop.After(pause, k.checkTable)
			return
		}
		for _, d := range k.inOrder() {
			mt := d.mount
			if mt == nil || d.queue.doing != "" || at(mounts, mt.point, d.name, d.number) != nil {
				continue
			}
			d.queue.add(job{what: "cleaning up", do: func(done func()) { k.tidy(d, k.ending(d, done)) }})
		}
	})
}

// tidy cleans up behind a mount that somebody else has unmounted.
func (k *keeper) tidy(d *device, done func()) {
	mt := d.mount
	if mt == nil {
		done()
		return
	}
	still := false
	k.host.Loop.Beside(func() { still = k.machine.tidy(d.identity, mt) }, func() {
		if !still && d.mount == mt {
			k.unmounted(d)
		}
		done()
	})
}

// emit emits what happened to the device.
func (k *keeper) emit(d *device, state, point string, more ...sources.Field) {
	standing := sources.Begins
	if state == Failed || state == Ignored {
		standing = sources.NoState
	}
	k.emitState(d, state, standing, point, more...)
}

func (k *keeper) emitState(d *device, state string, standing sources.Standing, point string, more ...sources.Field) {
	fields := append(slices.Clone(d.fields), sources.Field{Name: "MOUNTPOINT", Value: sources.Text(point)})
	k.host.Emit(&sources.Event{
		Time:   k.host.Loop.Now(),
		Topic:  sources.Topic{Kind: "mount", Name: point, State: state},
		Source: "mount:" + d.name,
		Fields: append(fields, more...), Standing: standing,
	})
}

// eventFieldsOf are the fields of a device that its events bear.
func eventFieldsOf(f *facts) []sources.Field {
	var fields []sources.Field
	for _, field := range f.fields {
		if slices.Contains(eventFields, field.Name) || slices.Contains(identityFields, field.Name) {
			fields = append(fields, field)
		}
	}
	return fields
}

func readOnlyField(readOnly bool) sources.Field {
	value := int64(0)
	if readOnly {
		value = 1
	}
	return sources.Field{Name: "READ_ONLY", Value: sources.Int(value)}
}

// errPulled is why nothing more is done to a device.
var errPulled = errors.New("the device was removed")
