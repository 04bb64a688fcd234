// SPDX-License-Identifier: MIT

// The source: the devices that there are, what is mounted of them, and what
// is emitted.

package mount

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"reflexd/sources"
)

// Source serves one configuration after the other; mounts outlive them, and
// the agent.
type Source struct {
	host    sources.Host
	blocks  blocks
	claims  claims
	mounter mounter
	machine machine
	plan    *Plan
	devices map[string]*device // by DEVNAME
	points  map[string]*device // who is, or is about to be, at a mount point
	started bool               // by a plan that wanted something
	// adopting is set at start until we know what we mounted before; nothing
	// is mounted until then.
	adopting         bool
	listing          *listing            // nil unless devices are being listed
	again            bool                // list once more
	uevents          uint64              // uevents of block devices so far
	relisting        sources.Timer       // nil unless devices are to be listed after a loss
	privateNamespace string              // our mount namespace is not everybody's, in words
	table            *sources.MountWatch // nil unless something of ours is mounted
	lock             lock
	// letGo are partitions that were unmounted on purpose and vanished since, by
	// their paths: one that comes back on the same medium, as the kernel reads
	// its table again, stays unmounted.
	letGo map[string]identity
}

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
	// released is set when it was unmounted on request: it is left alone until
	// the medium changes.
	released bool
	compares int   // how often its medium could not be compared
	quiet    bool  // rules do not know that it was mounted
	crowded  bool  // it waits for another one to go, because of max
	problem  error // why it is not mounted
}

func newSource(h sources.Host) *Source {
	b, mounts := blocks{dev: h.Dev, sys: h.Sys}, mountinfo(h.Proc)
	s := &Source{
		host: h, plan: &Plan{}, devices: map[string]*device{}, points: map[string]*device{}, letGo: map[string]identity{}, blocks: b,
		claims:  claims{blocks: b, mounts: mounts, proc: h.Proc, fstab: "/etc/fstab"},
		mounter: mounter{mounts: mounts, processes: processes(h.Proc), records: "/run/reflexd/mounts"},
	}
	s.machine = real{s}
	if h.Simulated {
		s.machine = &simulated{mounts: map[string]string{}}
	}
	return s
}

// Apply implements sources.Source. What is mounted stays, whatever the new
// plan says; what is not is looked at by the new one.
func (s *Source) Apply(plan sources.Plan) {
	p := plan.(*Plan)
	s.plan = p
	if !p.Wanted() {
		s.abandon()
		return
	}
	for _, d := range s.devices {
		d.handled = ""
	}
	switch {
	case s.host.DryRun:
		s.list(true)
	case !s.started:
		s.started, s.adopting = true, true
		s.checkNamespace()
		s.begin()
	case !s.adopting:
		s.list(true)
	}
}

// abandon forgets all devices: no plan asks for them, so nobody notifies us of
// their going. The mounts stay, and so do their records.
func (s *Source) abandon() {
	if len(s.points) > 0 {
		s.host.Log.Warn("mounts are no longer managed: the configuration has no automount", "count", len(s.points))
	}
	s.Close()
	s.devices, s.points, s.started, s.listing = map[string]*device{}, map[string]*device{}, false, nil
}

// checkNamespace warns where nobody else sees what we mount.
func (s *Source) checkNamespace() {
	if s.privateNamespace = privateNamespace(s.host.Proc, "self"); s.privateNamespace != "" {
		s.host.Log.Warn("mounts are invisible to other programs", "error", s.privateNamespace)
	}
}

// privateNamespace says that the mount namespace of a process is not everybody's; "" if
// it is, or that cannot be known.
func privateNamespace(proc, process string) string {
	ours, err := os.Readlink(filepath.Join(proc, process, "ns/mnt"))
	theirs, other := os.Readlink(filepath.Join(proc, "1/ns/mnt"))
	if err != nil || other != nil || ours == theirs {
		return ""
	}
	return "reflexd has its own mount namespace, so other programs do not see its mounts: " +
		"remove PrivateMounts=, ProtectSystem=, PrivateTmp= and the like from its unit"
}

// Status implements sources.Source.
func (s *Source) Status() []sources.State {
	var all []sources.State
	for _, name := range slices.Sorted(maps.Keys(s.devices)) {
		d := s.devices[name]
		st := sources.State{Name: d.name, OK: d.mount != nil, Detail: d.detail()}
		if d.problem != nil {
			st.Error = d.problem.Error()
		}
		if st.OK || st.Error != "" || d.queue.doing != "" {
			all = append(all, st)
		}
	}
	if s.lock.rival != nil {
		all = append(all, sources.State{Name: "records", Error: s.lock.rival.Error()})
	}
	if s.privateNamespace != "" {
		all = append(all, sources.State{Name: "namespace", Error: s.privateNamespace})
	}
	return all
}

func (d *device) detail() string {
	var parts []string
	if d.mount != nil {
		parts = append(parts, d.mount.point)
		if d.mount.readOnly {
			parts = append(parts, "read-only")
		}
	}
	if d.queue.doing != "" {
		parts = append(parts, d.queue.doing+" in progress")
	}
	return strings.Join(parts, ", ")
}

// Close implements sources.Source. Mounts stay as they are: what copies from
// them goes on, and the next run takes them over. What is under way in the
// kernel cannot be called back; it ends, with our process, when the kernel
// lets go of it.
func (s *Source) Close() {
	for _, d := range s.devices {
		d.queue.waiting = nil
		if d.queue.doing != "" {
			s.host.Log.Warn("no longer waiting", "device", d.name, "doing", d.queue.doing)
		}
	}
	s.leaveTable()
	s.lock.release()
	sources.StopTimer(&s.relisting)
}

// Notify implements sources.Subscriber.
func (s *Source) Notify(e *sources.Event) {
	switch {
	case e.Topic.Kind == "loss" && e.Topic.Name == "uevent":
		s.relist()
	case e.Topic.Kind == "uevent" && e.Topic.Name == "block":
		s.takeUevent(e)
	}
}

// takeUevent takes the kernel's word about a block device.
func (s *Source) takeUevent(e *sources.Event) {
	id, ok := identify(e)
	if !ok {
		return
	}
	s.uevents++
	known := s.devices[id.name]
	switch e.Topic.State {
	case "remove":
		// Who writes to a uevent file takes nothing away.
		if _, synthetic := e.Lookup("SYNTH_UUID"); known != nil && !synthetic && !before(id, known) {
			s.remove(known)
		}
	case "move":
		s.relist()
	case "add", "change":
		media, _ := e.Lookup("DISK_MEDIA_CHANGE")
		s.appear(id, media.String() == "1", s.uevents)
	}
}

// before reports whether a removal is of one that had the name before the
// device that we know: the kernel numbers media as they come. One with a
// higher number is the device that we know, whose medium has gone or changed
// meanwhile; a stick that is being pulled may look so.
func before(id identity, d *device) bool {
	was, err := strconv.ParseUint(id.seq, 10, 64)
	is, other := strconv.ParseUint(d.seq, 10, 64)
	return err == nil && other == nil && was < is
}

// appear is called for each device that is there, and with media if its
// medium may be another one now. seen is the number of the uevent that says
// so, or 0.
func (s *Source) appear(id identity, media bool, heard uint64) {
	d := s.devices[id.name]
	switch {
	case d == nil, d.same(id):
	case d.mount != nil && d.inPlaceOf(id):
		media = true // or the drive has only said so: what it holds decides
	default:
		s.remove(d) // its removal was missed
		d = nil
	}
	if d == nil {
		d = &device{identity: id, released: s.wasLetGo(id)}
		s.devices[id.name] = d
	}
	d.seen = max(d.seen, heard)
	if media {
		s.forgetLetGo(id.path)
		d.released, d.handled, d.compares = false, "", 0
	}
	s.consider(d, media)
}

// same reports whether id can be d.
func (d *device) same(id identity) bool {
	sameMedium := d.seq == "" || id.seq == "" || d.seq == id.seq
	return d.path == id.path && d.number == id.number && sameMedium
}

// inPlaceOf reports whether id is d but for the medium in it, which the kernel
// counts. It counts, too, how often a drive was reset while its medium stayed.
func (d *device) inPlaceOf(id identity) bool { return d.path == id.path && d.number == id.number }

// emit emits what happened to the device.
func (s *Source) emit(d *device, state, point string, more ...sources.Field) {
	standing := sources.Begins
	if state == Failed || state == Ignored {
		standing = sources.NoState
	}
	s.emitState(d, state, standing, point, more...)
}

func (s *Source) emitState(d *device, state string, standing sources.Standing, point string, more ...sources.Field) {
	fields := append(slices.Clone(d.fields), sources.Field{Name: "MOUNTPOINT", Value: sources.Text(point)})
	s.host.Emit(&sources.Event{
		Time:   s.host.Loop.Now(),
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

// errPulled is why nothing more is done to a device.
var errPulled = errors.New("the device was removed")
