// SPDX-License-Identifier: MIT

// The kernel's table of mounts, watched while something of ours is mounted:
// others may unmount it.

package mount

import (
	"time"

	"golang.org/x/sys/unix"

	"reflexd/sources"
)

// mountTable is the watched /proc/self/mountinfo, which has an exceptional
// condition when it has changed.
type mountTable struct {
	fd    int // 0 while it is not watched
	entry sources.Watch
	pause sources.Timer // nil unless a change is to be looked at
}

// lull is how long after a change to look: changes come in groups.
const lull = 100 * time.Millisecond

func (t *mountTable) watch(s *Source) {
	if t.fd != 0 || s.host.Simulated {
		return
	}
	fd, err := unix.Open(s.mounter.mounts.file(), unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err == nil {
		t.entry, err = s.host.Loop.Watch(fd, unix.EPOLLPRI, func(uint32) {
			if t.pause == nil {
				t.pause = s.host.Loop.After(lull, func() {
					t.pause = nil
					s.checkTable()
				})
			}
		})
		if err != nil {
			unix.Close(fd)
		}
	}
	if err != nil {
		s.host.Log.Warn("cannot notice what other programs unmount", "error", err)
		return
	}
	t.fd = fd
}

func (t *mountTable) close() {
	sources.StopTimer(&t.pause)
	if t.fd != 0 {
		t.entry.Close()
		unix.Close(t.fd)
		t.fd = 0
	}
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
