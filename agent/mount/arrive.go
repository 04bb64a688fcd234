// SPDX-License-Identifier: MIT

// Arrival: a device is there, or changed; what a policy makes of it.

package mount

import (
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"reflexd/agent/mount/fstype"
	"reflexd/blkid"
	"reflexd/sources"
)

// arrivals decides what becomes of devices. It is for the loop's thread.
type arrivals struct {
	*keeper
	plan *Plan
	// adopting is set at start until we know what we mounted before; nothing
	// is mounted until then.
	adopting bool
}

// A medium that was changed a moment ago may not be readable yet, and nothing
// announces when it is.
const (
	comparePause = time.Second
	mostCompares = 10
)

// mayTake reports whether q is about the device, or may turn out to be when
// its content is known.
func (q *policy) mayTake(f *facts) bool {
	needs := func(name string) bool { return name == "FSTYPE" || name == "LABEL" || name == "UUID" }
	return q.takes(f) || slices.ContainsFunc(q.match.Fields(), needs)
}

// held tells one content of a device from another.
func (f *facts) held() string {
	return fmt.Sprint(f.content.Type, f.content.UUID, f.content.Label, f.size, f.err)
}

// wish returns how q wants a device to be mounted.
func (q *policy) wish(f *facts) *wish {
	w := &wish{facts: f, readOnly: q.readOnly, sync: q.sync, write: q.write, owner: q.owner, refuse: q.refuse, policy: q}
	if o := q.options[f.content.Type]; o != nil {
		w.options = o.words
	}
	w.root, w.below = place(q.at.text, f.fields, filepath.Base(f.name))
	return w
}

// consider has the device looked at, and mounted if a policy is for it. With
// media its medium may be another one.
func (a *arrivals) consider(d *device, media bool) {
	policies, dry := a.plan.policies, a.host.DryRun
	if a.adopting || len(policies) == 0 || d.released || d.mount != nil && !media {
		return
	}
	interesting := func(f *facts) bool {
		return slices.ContainsFunc(policies, func(q *policy) bool { return q.mayTake(f) })
	}
	d.queue.add(job{what: "being probed", do: func(done func()) {
		var f *facts
		var err error
		mounted := a.heldBy(d)
		a.host.Loop.Beside(func() {
			swapped := false
			if media {
				swapped, err = a.machine.swapped(d.identity, mounted)
			}
			f = a.machine.look(d.identity, interesting)
			f.swapped = swapped
			f.doubt(err)
			if !dry {
				a.machine.watchMedium(f, interesting)
			}
		}, func() {
			if f.unsure != nil && !d.gone {
				a.considerLater(d, media, f.unsure)
				a.ending(d, done)()
				return
			}
			if d.looks > 0 {
				d.looks, d.problem = 0, nil
			}
			if err != nil {
				a.compareLater(d, err)
			}
			a.looked(d, f, policies, a.ending(d, done))
		})
	}})
}

// considerLater looks at a device again of which the kernel had not the means to tell everything: what is missing may be
// why to leave it alone, or that it has not lost its medium.
func (a *arrivals) considerLater(d *device, media bool, err error) {
	d.problem = fmt.Errorf("examine it: %w", err)
	if d.looks++; d.looks == 1 {
		a.host.Log.Warn("cannot examine a device; trying again", "device", d.name, "error", err)
	}
	pause, _ := sources.EndlessPause(err, d.looks)
	a.host.Loop.After(pause, func() {
		if a.devices[d.name] == d && !d.gone {
			a.consider(d, media)
		}
	})
}

// compareLater compares the medium of a drive with what is mounted of it again,
// some times.
func (a *arrivals) compareLater(d *device, err error) {
	d.compares++
	a.host.Log.Debug("the medium cannot be compared with what is mounted", "device", d.name, "error", err, "tries", d.compares)
	if d.compares < mostCompares {
		a.host.Loop.After(comparePause, func() {
			if a.devices[d.name] == d && !d.gone {
				a.consider(d, true)
			}
		})
	}
}

// looked decides what is done with a device that was looked at.
func (a *arrivals) looked(d *device, f *facts, policies []*policy, done func()) {
	switch {
	case d.gone:
	case f.swapped, f.size == 0 && f.part == 0:
		a.emptied(d)
	case d.mount != nil:
	case f.claim != "" || f.reserved != "":
		a.host.Log.Debug("left alone", "device", d.name, "why", f.claim+f.reserved)
	default:
		a.choose(d, f, policies, done)
		return
	}
	done()
}

// choose picks the policy and has the device mounted by it.
func (a *arrivals) choose(d *device, f *facts, policies []*policy, done func()) {
	i := slices.IndexFunc(policies, func(q *policy) bool { return q.takes(f) && q.wants(f.content.Type) })
	if i < 0 || f.err == nil && f.content.Usage != blkid.Filesystem {
		if f.err == nil && d.handled != f.held() {
			a.ignore(d, f, policies)
		}
		done()
		return
	}
	q := policies[i]
	handled := f.held()
	if d.handled == handled {
		done()
		return
	}
	d.handled, d.ignored, d.problem, d.crowded, d.fields = handled, "", nil, false, eventFieldsOf(f)
	w := q.wish(f)
	switch kind := fstype.Find(f.content.Type); {
	case f.err != nil:
		a.fail(d, w, f.err)
	case kind == nil:
		a.fail(d, w, fmt.Errorf("mount %s: filesystem %s is not supported", d.name, f.content.Type))
	case q.most > 0 && a.count(q) >= q.most:
		d.crowded = true
		a.fail(d, w, fmt.Errorf("mount %s: max: %d are already mounted", d.name, q.most))
	default:
		w.kind = kind
		a.mount(d, w, 1, func(error) { done() })
		return
	}
	done()
}

// ignore emits that what is on a device is not for mounting, or for no policy,
// so that a rule can do something about it.
func (a *arrivals) ignore(d *device, f *facts, policies []*policy) {
	i := slices.IndexFunc(policies, func(q *policy) bool { return q.takes(f) })
	if i < 0 {
		return // another device
	}
	d.handled, d.problem, d.crowded, d.fields = f.held(), nil, false, eventFieldsOf(f)
	reason := "no policy is for " + f.content.Type
	switch {
	case f.content.Type == "":
		reason = "unknown data, or none"
	case f.content.Usage != blkid.Filesystem:
		reason = f.content.Type + " is not a filesystem"
	}
	w := policies[i].wish(f)
	point := filepath.Join(w.root, w.below)
	if what := fmt.Sprint(d.handled, point, reason); what != d.ignored {
		d.ignored = what
		a.host.Log.Info("ignored", "device", d.name, "type", f.content.Type, "why", reason)
		a.emit(d, Ignored, point, sources.Field{Name: "REASON", Value: sources.Text(reason)})
	}
}

// emptied is called for a drive that has no medium (any more), or another one:
// what is mounted of it is gone. The kernel keeps partitions as long as they
// are mounted, and looks for them again when the drive is opened; of a medium
// without any it says nothing.
func (a *arrivals) emptied(drive *device) {
	drive.problem = nil // of a medium that has gone
	all := a.mountedOf(drive)
	for _, d := range all {
		d.handled = ""
		a.yank(d)
	}
	if len(all) == 0 {
		return
	}
	a.host.Loop.After(hangs, func() {
		a.host.Loop.Beside(func() { a.machine.revalidate(drive.name) }, func() { a.lookAgain(drive) })
	})
}

// lookAgain looks at a device that may have got another medium, if it is still
// there.
func (a *arrivals) lookAgain(drive *device) {
	if d := a.devices[drive.name]; d != nil && d.path == drive.path {
		a.consider(d, false)
	}
}

// mountCrowded looks again at those that max kept out.
func (a *arrivals) mountCrowded() {
	for _, d := range a.inOrder() {
		if d.crowded {
			d.crowded, d.handled = false, ""
			a.consider(d, false)
		}
	}
}
