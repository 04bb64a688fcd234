// SPDX-License-Identifier: MIT

// The kernel's table of mounts, watched while something of ours is mounted:
// others may unmount it.

package mount

import "reflexd/sources"

// watchTable watches the table of mounts, if it is not watched.
func (s *Source) watchTable() {
	if s.table != nil || s.host.Simulated {
		return
	}
	var err error
	if s.table, err = sources.WatchMounts(&s.host, s.checkTable); err != nil {
		s.host.Log.Warn("cannot notice what other programs unmount", "error", err)
	}
}

// leaveTable ends that.
func (s *Source) leaveTable() {
	s.table.Close()
	s.table = nil
}

// checkTable looks for mounts of ours that others have unmounted. Those of
// devices with which something is under way are left to that.
func (s *Source) checkTable() {
	var mounts []entry
	var err error
	s.host.Loop.Beside(func() { mounts, err = s.mounter.mounts.read() }, func() {
		if err != nil {
			return
		}
		for _, d := range s.inOrder() {
			mt := d.mount
			if mt == nil || d.queue.doing != "" || at(mounts, mt.point, d.name, d.number) != nil {
				continue
			}
			d.queue.add(job{what: "cleaning up", do: func(done func()) { s.tidy(d, s.ending(d, done)) }})
		}
	})
}

// tidy cleans up behind a mount that somebody else has unmounted.
func (s *Source) tidy(d *device, done func()) {
	mt := d.mount
	if mt == nil {
		done()
		return
	}
	still := false
	s.host.Loop.Beside(func() {
		if still = s.mounter.mounts.has(mt.point, &d.identity); !still {
			s.mounter.clean(d.identity, mt)
		}
	}, func() {
		if !still && d.mount == mt {
			s.unmounted(d)
		}
		done()
	})
}
