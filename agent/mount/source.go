// SPDX-License-Identifier: MIT

// The source: the devices that there are, what is mounted of them, and what
// rules are told.

package mount

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"reflexd/sources"
)

// Source serves one configuration after the other; mounts outlive them, and
// the agent.
type Source struct {
	host    sources.Host
	paths   paths
	plan    *Plan
	devices map[string]*device // by DEVNAME
	points  map[string]*device // who is, or is about to be, at a mount point
	started bool               // by a plan that wanted something
	// adopting is set at start until we know what we mounted before; nothing
	// is mounted until then.
	adopting         bool
	listing          *listing      // nil unless devices are being listed
	again            bool          // list once more
	heard            uint64        // uevents of block devices so far
	relisting        sources.Timer // nil unless devices are to be listed after a loss
	privateNamespace string        // our mount namespace is not everybody's, in words
	table            mountTable
	lock             lock
}

// listing is what there is to know when the devices are listed: what uevents
// say meanwhile counts, and not what the list has of the same devices.
type listing struct {
	since   uint64          // the number of the last uevent before
	known   []string        // the devices before
	removed map[string]bool // since then
}

// device is one block device.
type device struct {
	identity
	heard  uint64 // the number of the last uevent of it; 0 if it was only listed
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
	return &Source{
		host: h, plan: &Plan{}, devices: map[string]*device{}, points: map[string]*device{},
		paths: paths{dev: h.Dev, sys: h.Sys, proc: h.Proc, fstab: "/etc/fstab", records: "/run/reflexd/mounts"},
	}
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

// abandon forgets all devices: no plan asks for them, so nobody tells us of
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
	s.table.close()
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
	s.heard++
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
		s.appear(id, media.String() == "1", s.heard)
	}
}

// identify returns what device e is about, in memory of its own.
func identify(e *sources.Event) (identity, bool) {
	text := func(name string) string {
		v, ok := e.Lookup(name)
		if !ok {
			return ""
		}
		return strings.Clone(v.String()) // e may be borrowed
	}
	id := identity{name: text("DEVNAME"), path: text("DEVPATH"), number: text("MAJOR") + ":" + text("MINOR"), seq: text("DISKSEQ")}
	return id, id.name != "" && id.path != "" && id.number != ":"
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
// medium may be another one now. heard is the number of the uevent that says
// so, or 0.
func (s *Source) appear(id identity, media bool, heard uint64) {
	d := s.devices[id.name]
	switch {
	case d == nil, d.same(id):
	case d.mount != nil && d.inPlaceOf(id):
		media = true // or the drive has only said so: what it holds will tell
	default:
		s.remove(d) // its removal was missed
		d = nil
	}
	if d == nil {
		d = &device{identity: id}
		s.devices[id.name] = d
	}
	d.heard = max(d.heard, heard)
	if media {
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

// lossGrace is how long after a loss of uevents to look at what there is:
// losses come in storms.
const lossGrace = 500 * time.Millisecond

// relist lists the devices again, a while from now.
func (s *Source) relist() {
	if s.relisting == nil {
		s.relisting = s.host.Loop.After(lossGrace, func() {
			s.relisting = nil
			s.list(false)
		})
	}
}

// list compares what there is with what we know; with all, it looks at each
// device again.
func (s *Source) list(all bool) {
	if s.listing != nil {
		s.again = true
		return
	}
	l := &listing{since: s.heard, removed: map[string]bool{}}
	for name := range s.devices {
		l.known = append(l.known, name)
	}
	s.listing = l
	var found []identity
	var err error
	s.host.Loop.Beside(func() { found, err = s.paths.list() }, func() {
		if s.listing != l {
			return // abandoned
		}
		s.listing = nil
		if err != nil {
			s.host.Log.Error("cannot list block devices", "error", err)
		} else {
			s.compare(l, found, all)
		}
		if s.again {
			s.again = false
			s.list(all)
		}
	})
}

func (s *Source) compare(l *listing, found []identity, all bool) {
	there := map[string]bool{}
	for _, id := range found {
		there[id.name] = true
		d := s.devices[id.name]
		switch {
		case l.removed[id.name], d != nil && d.heard > l.since && !d.same(id):
		case all, d == nil, !d.same(id):
			s.appear(id, false, 0)
		}
	}
	for _, name := range l.known {
		if d := s.devices[name]; d != nil && !there[name] && d.heard <= l.since {
			s.remove(d)
		}
	}
}

// list reads what block devices there are.
func (m *paths) list() ([]identity, error) {
	class := filepath.Join(m.sys, "class/block")
	entries, err := os.ReadDir(class)
	if err != nil {
		return nil, fmt.Errorf("list block devices: %w", err)
	}
	var all []identity
	for _, e := range entries {
		if id, ok := m.identityOf(filepath.Join(class, e.Name())); ok {
			all = append(all, id)
		}
	}
	return all, nil
}

// identityOf reads what device a folder in sysfs is about.
func (m *paths) identityOf(folder string) (identity, bool) {
	real, err := filepath.EvalSymlinks(folder)
	sys, other := filepath.EvalSymlinks(m.sys)
	if err != nil || other != nil {
		return identity{}, false
	}
	e := &sources.Event{Fields: []sources.Field{{Name: "DEVPATH", Value: sources.Text(strings.TrimPrefix(real, sys))}}}
	for line := range strings.Lines(readText(real, "uevent")) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if key == "DEVNAME" {
			value = filepath.Join(m.dev, value)
		}
		e.Fields = append(e.Fields, sources.Field{Name: key, Value: sources.Text(value)})
	}
	return identify(e)
}

// emit tells rules what happened to the device.
func (s *Source) emit(d *device, state, point string, more ...sources.Field) {
	fields := append(slices.Clone(d.fields), sources.Field{Name: "MOUNTPOINT", Value: sources.Text(point)})
	s.host.Emit(&sources.Event{
		Time:   s.host.Loop.Now(),
		Topic:  sources.Topic{Kind: "mount", Name: point, State: state},
		Source: "mount:" + d.name,
		Fields: append(fields, more...),
	})
}

// told are the fields of a device that its events bear.
func told(f *facts) []sources.Field {
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
