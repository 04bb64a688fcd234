// SPDX-License-Identifier: MIT

// The source: what plans ask of it, and its parts.

package mount

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"reflexd/sources"
)

// Source serves one configuration after the other; mounts outlive them, and
// the agent. Each of its parts has one job, and those below it: the census, what
// arrives, what is kept and the inventory.
type Source struct {
	*census
	*requests
	real             *real
	started          bool          // by a plan that wanted something
	restocking       sources.Timer // nil unless taking stock is to be tried again
	privateNamespace string        // our mount namespace is not everybody's, in words
}

func newSource(h sources.Host) *Source {
	k := &keeper{inventory: newInventory(), host: &h}
	a := &arrivals{keeper: k, plan: &Plan{}}
	k.vacated = a.mountCrowded
	s := &Source{census: &census{arrivals: a}, requests: &requests{keeper: k, lock: &lock{}}, real: newReal(&h)}
	if k.machine = s.real; h.Simulated {
		k.machine = &simulated{mounts: map[string]string{}}
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
	*s.inventory, s.started, s.listing = *newInventory(), false, nil
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
	sources.StopTimer(&s.restocking)
}
