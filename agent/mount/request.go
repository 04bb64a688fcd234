// SPDX-License-Identifier: MIT

// Requests: what the actions mount, unmount and eject ask for.

package mount

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"reflexd/agent/expand"
	"reflexd/agent/mount/fstype"
	"reflexd/blkid"
	"reflexd/sources"
)

// Request asks for a mount.
type Request struct {
	Device   string      // absolute
	At       expand.Text // the mount point
	Type     string      // "" for what the device holds
	Options  []string
	ReadOnly bool
	Event    *sources.Event // whose fields At may name
}

// UnmountRequest asks for the end of mounts.
type UnmountRequest struct {
	Target string // a device name, a mount point, or "all" for all that reflexd mounted
	Lazy   bool   // at once, whoever uses it
	Kill   bool   // end who uses it
}

// Fields are the fields that a mount point may name beside those of the
// event: what is found on the device.
var Fields = []string{"DEVNAME", "FSTYPE", "LABEL", "UUID", "SIZE"}

// DefaultPoint is where things are mounted unless the configuration says
// otherwise.
const DefaultPoint = "/media/${LABEL:-${UUID}}"

// requests carries them out. It is for the loop's thread.
type requests struct {
	*keeper
	lock *lock
	// turns has the devices looked for that requests are about, in the order of
	// these: an unmount that follows a mount finds what that mounts.
	turns queue
}

// later returns a done that is never called before it returns to its caller.
func (q *requests) later(done func(error)) func(error) {
	return func(err error) { q.host.Loop.After(0, func() { done(err) }) }
}

// Mount implements action.Mounts.
func (q *requests) Mount(r Request, done func(error)) {
	done = q.later(done)
	if q.lock.rival != nil {
		done(fmt.Errorf("mount %s: %w", r.Device, q.lock.rival))
		return
	}
	q.turns.add(job{what: "mount", do: func(next func()) {
		var id identity
		var err error
		q.host.Loop.Beside(func() { id, err = q.machine.find(r.Device) }, func() {
			if err == nil {
				q.mountOnRequest(q.known(id), &r, done)
			} else {
				done(fmt.Errorf("mount %s: %w", r.Device, err))
			}
			next()
		})
	}})
}

func (q *requests) mountOnRequest(d *device, r *Request, done func(error)) {
	d.queue.add(job{what: "mounting", cancelled: func() { done(errPulled) }, do: func(finish func()) {
		finish = q.ending(d, finish)
		end := func(err error) {
			finish()
			done(err)
		}
		var f *facts
		q.host.Loop.Beside(func() { f = q.machine.look(d.identity, nil) }, func() {
			q.lookedOnRequest(d, f, r, end)
		})
	}})
}

func (q *requests) lookedOnRequest(d *device, f *facts, r *Request, end func(error)) {
	fields := append(slices.Clone(f.fields), r.Event.Fields...)
	if d.mount != nil { // it was not read then, but its fields are known
		fields = append(slices.Clone(d.fields), fields...)
	}
	w := &wish{facts: f, options: r.Options, readOnly: r.ReadOnly}
	w.root, w.below = place(r.At, fields, filepath.Base(d.name))
	name := cmp.Or(r.Type, f.content.Type)
	w.kind = fstype.Find(name)
	if d.mount == nil {
		d.fields = eventFieldsOf(f)
	}
	var err error
	switch {
	case d.gone:
		err = errPulled
	case d.mount != nil && d.mount.point == filepath.Join(w.root, w.below):
		end(nil)
		return
	case d.mount != nil:
		end(fmt.Errorf("mount %s: it is already mounted at %s", d.name, d.mount.point))
		return
	case f.claim != "":
		err = fmt.Errorf("mount %s: %s", d.name, f.claim)
	case f.err != nil:
		err = f.err
	case r.Type == "" && f.content.Usage != blkid.Filesystem:
		err = fmt.Errorf("mount %s: expected a filesystem on it, found %s", d.name, cmp.Or(name, "unknown data"))
	case w.kind == nil:
		err = fmt.Errorf("mount %s: filesystem %s is not supported", d.name, name)
	}
	if err != nil {
		q.fail(d, w, err)
		end(err)
		return
	}
	q.mount(d, w, 1, end)
}

// Unmount implements action.Mounts.
func (q *requests) Unmount(u UnmountRequest, done func(error)) {
	done = q.later(done)
	q.turns.add(job{what: "unmount", do: func(next func()) {
		q.unmount(u, done)
		next()
	}})
}

func (q *requests) unmount(u UnmountRequest, done func(error)) {
	how := manner{lazy: u.Lazy, kill: u.Kill}
	targets := q.targets(u.Target)
	if len(targets) == 0 && u.Target != "all" {
		var err error
		q.host.Loop.Beside(func() { err = q.machine.releaseForeign(u.Target, how) }, func() { done(err) })
		return
	}
	q.unmountAll(targets, how, done)
}

// unmountAll unmounts devices side by side.
func (q *requests) unmountAll(targets []*device, how manner, done func(error)) {
	left := len(targets)
	if left == 0 {
		done(nil)
		return
	}
	var all []error
	for _, d := range targets {
		q.unmountOne(d, how, func(err error) {
			all = append(all, err)
			if left--; left == 0 {
				done(errors.Join(all...))
			}
		})
	}
}

func (q *requests) unmountOne(d *device, how manner, done func(error)) {
	d.queue.add(job{what: "unmounting", cancelled: func() { done(errPulled) }, do: func(finish func()) {
		finish = q.ending(d, finish)
		mt := d.mount
		if mt == nil {
			finish()
			done(nil)
			return
		}
		var err error
		still := true
		q.host.Loop.Beside(func() {
			still, err = q.machine.release(d.identity, mt, how)
		}, func() {
			switch {
			case d.mount != mt, d.gone: // finish emits it, however the unmounting went
				err = errPulled
			case !still:
				q.unmounted(d)
			}
			finish()
			done(err)
		})
	}})
}

// Eject implements action.Mounts.
func (q *requests) Eject(target string, done func(error)) {
	done = q.later(done)
	q.turns.add(job{what: "eject", do: func(next func()) {
		name := target
		if d := q.points[strings.TrimRight(target, "/")]; d != nil {
			name = d.name
		}
		var d *drive
		var err error
		q.host.Loop.Beside(func() { d, err = q.machine.drive(name) }, func() {
			if err != nil {
				done(err)
			} else {
				q.ejectDrive(d, done)
			}
			next()
		})
	}})
}

func (q *requests) ejectDrive(d *drive, done func(error)) {
	var parts []*device
	for _, p := range q.inOrder() {
		if d.covers(&p.identity) && (p.mount != nil || p.queue.doing != "") {
			parts = append(parts, p)
		}
	}
	q.unmountAll(parts, manner{}, func(err error) {
		if err != nil {
			done(fmt.Errorf("eject %s: %w", d.name, err))
			return
		}
		q.host.Loop.Beside(func() { err = q.machine.eject(d) }, func() {
			if err == nil {
				q.host.Log.Info("ejected", "device", d.name)
			}
			done(err)
		})
	})
}
