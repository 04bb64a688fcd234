// SPDX-License-Identifier: MIT

// Arrival: a device is there, or changed; what a policy makes of it.

package mount

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"reflexd/agent/mount/fstype"
	"reflexd/blkid"
	"reflexd/sources"
)

// consider has the device looked at, and mounted if a policy is for it. With
// media its medium may be another one.
func (s *Source) consider(d *device, media bool) {
	policies, dry := s.plan.policies, s.host.DryRun
	if s.adopting || len(policies) == 0 || d.released || d.mount != nil && !media {
		return
	}
	interesting := func(f *facts) bool {
		return slices.ContainsFunc(policies, func(q *policy) bool { return q.mayTake(f) })
	}
	d.queue.add(job{what: "being probed", do: func(done func()) {
		var f *facts
		var err error
		mounted := s.heldBy(d)
		s.host.Loop.Beside(func() {
			if media {
				s.machine.revalidate(d.name)
			}
			f = s.machine.look(d.identity, interesting)
			if media {
				f.swapped, err = s.machine.swapped(f, mounted)
			}
			if !dry {
				s.machine.watchMedium(f, interesting)
			}
		}, func() {
			if err != nil {
				s.compareLater(d, err)
			}
			s.looked(d, f, policies, s.ending(d, done))
		})
	}})
}

// A medium that was changed a moment ago may not be readable yet, and nothing
// announces when it is.
const (
	comparePause = time.Second
	mostCompares = 10
)

// compareLater compares the medium of a drive with what is mounted of it again,
// some times.
func (s *Source) compareLater(d *device, err error) {
	d.compares++
	s.host.Log.Debug("the medium cannot be compared with what is mounted", "device", d.name, "error", err, "tries", d.compares)
	if d.compares < mostCompares {
		s.host.Loop.After(comparePause, func() {
			if s.devices[d.name] == d && !d.gone {
				s.consider(d, true)
			}
		})
	}
}

// ending returns what to call at the end of a job: if the device was removed
// meanwhile, its mount goes then.
func (s *Source) ending(d *device, done func()) func() {
	return func() {
		done()
		if d.gone {
			s.yank(d)
		}
	}
}

// mayTake reports whether q is about the device, or may turn out to be when
// its content is known.
func (q *policy) mayTake(f *facts) bool {
	needs := func(name string) bool { return name == "FSTYPE" || name == "LABEL" || name == "UUID" }
	return q.takes(f) || slices.ContainsFunc(q.match.Fields(), needs)
}

// looked decides what is done with a device that was looked at.
func (s *Source) looked(d *device, f *facts, policies []*policy, done func()) {
	switch {
	case d.gone:
	case f.swapped, f.size == 0 && f.part == 0:
		s.emptied(d)
	case d.mount != nil:
	case f.claim != "" || f.reserved != "":
		s.host.Log.Debug("left alone", "device", d.name, "why", f.claim+f.reserved)
	default:
		s.choose(d, f, policies, done)
		return
	}
	done()
}

// choose picks the policy and has the device mounted by it.
func (s *Source) choose(d *device, f *facts, policies []*policy, done func()) {
	i := slices.IndexFunc(policies, func(q *policy) bool { return q.takes(f) && q.wants(f.content.Type) })
	if i < 0 || f.err == nil && f.content.Usage != blkid.Filesystem {
		if f.err == nil && d.handled != f.held() {
			s.ignore(d, f, policies)
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
	d.handled, d.problem, d.crowded, d.fields = handled, nil, false, eventFieldsOf(f)
	w := q.wish(f)
	switch kind := fstype.Find(f.content.Type); {
	case f.err != nil:
		s.fail(d, w, f.err)
	case kind == nil:
		s.fail(d, w, fmt.Errorf("mount %s: filesystem %s is not supported", d.name, f.content.Type))
	case q.most > 0 && s.count(q) >= q.most:
		d.crowded = true
		s.fail(d, w, fmt.Errorf("mount %s: max: %d are already mounted", d.name, q.most))
	default:
		w.kind = kind
		s.mount(d, w, 1, func(error) { done() })
		return
	}
	done()
}

// held tells one content of a device from another.
func (f *facts) held() string {
	return fmt.Sprint(f.content.Type, f.content.UUID, f.content.Label, f.size, f.err)
}

// ignore emits that what is on a device is not for mounting, or for no policy,
// so that a rule can do something about it.
func (s *Source) ignore(d *device, f *facts, policies []*policy) {
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
	s.host.Log.Info("ignored", "device", d.name, "type", f.content.Type, "why", reason)
	s.emit(d, Ignored, filepath.Join(w.root, w.below), sources.Field{Name: "REASON", Value: sources.Text(reason)})
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

// count returns how many devices are mounted by q, or are about to be.
func (s *Source) count(q *policy) int {
	n := 0
	for _, d := range s.points {
		if d.policy == q {
			n++
		}
	}
	return n
}

// mostNames is how many names are tried where one is taken.
const mostNames = 100

// mount mounts the device at the mount point of w, or at the first free one
// with a suffix from try on, and emits how that went.
func (s *Source) mount(d *device, w *wish, try int, done func(error)) {
	if err := w.whole(); err != nil {
		s.fail(d, w, err)
		done(err)
		return
	}
	one, point := *w, ""
	for ; ; try++ {
		one.below = suffixed(w.below, try)
		point = filepath.Join(w.root, one.below)
		if s.points[point] == nil {
			break
		}
		if w.refuse || try == mostNames {
			s.fail(d, w, fmt.Errorf("mount %s at %s: %w", d.name, point, errTaken))
			done(d.problem)
			return
		}
	}
	if s.host.DryRun {
		s.host.Log.Info("would mount", "device", d.name, "at", point, "type", w.kind.Name)
		done(nil)
		return
	}
	s.points[point], d.policy = d, w.policy
	var result *mounted
	var err error
	s.host.Loop.Beside(func() { result, err = s.machine.attach(&one) }, func() {
		delete(s.points, point)
		switch {
		case errors.Is(err, errTaken) && !w.refuse && try < mostNames && !d.gone:
			s.mount(d, w, try+1, done)
			return
		case err != nil:
			s.fail(d, &one, err)
		default:
			s.noteMount(d, &one, result)
		}
		done(err)
	})
}

// noteMount takes note of a mount that was made. Of a device that is gone by
// now, nothing is emitted.
func (s *Source) noteMount(d *device, w *wish, result *mounted) {
	d.mount, d.problem, d.released = result, nil, false
	s.points[result.point] = d
	s.watchTable()
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
		s.host.Log.Warn("the kernel does not support an option", "device", d.name, "option", g.Option, "since", "Linux "+g.Since)
	}
	s.host.Log.Info("mounted", "device", d.name, "at", result.point, "type", w.kind.Name, "read_only", result.readOnly, "why", result.why)
	s.emit(d, Mounted, result.point)
}

// fail takes note of a mount that was not made, and emits that.
func (s *Source) fail(d *device, w *wish, err error) {
	d.problem = err
	if d.gone {
		return
	}
	s.host.Log.Warn("not mounted", "device", d.name, "error", err)
	s.emit(d, Failed, filepath.Join(w.root, w.below), sources.Field{Name: "REASON", Value: sources.Text(err.Error())})
}

func readOnlyField(readOnly bool) sources.Field {
	value := int64(0)
	if readOnly {
		value = 1
	}
	return sources.Field{Name: "READ_ONLY", Value: sources.Int(value)}
}
