// SPDX-License-Identifier: MIT

// MountWatch: a path is a name, and what it leads to changes with the mounts.

package sources

import (
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// MountWatch is the watched table of mounts of the agent's mount namespace. Its
// methods are for the loop's thread.
type MountWatch struct {
	fd    int
	entry Watch
	pause Timer // nil unless a change is about to be reported
}

// lull is how long after a change it is reported: they come in groups.
const lull = 100 * time.Millisecond

// WatchMounts has changed called on the loop's thread after something was
// mounted or unmounted, by whomever: at most ten times a second. In a simulation
// there is nothing to watch, and the MountWatch is nil.
func WatchMounts(host *Host, changed func()) (*MountWatch, error) {
	if host.Simulated {
		return nil, nil
	}
	path := filepath.Join(host.Proc, "self/mountinfo")
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	m := &MountWatch{fd: fd}
	// The kernel reports each change of the table once to each descriptor.
	m.entry, err = host.Loop.Watch(fd, unix.EPOLLPRI, func(uint32) {
		if m.pause == nil {
			m.pause = host.Loop.After(lull, func() {
				m.pause = nil
				changed()
			})
		}
	})
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("watch %s: %w", path, err)
	}
	return m, nil
}

// Close ends the watching. It may be called of nil.
func (m *MountWatch) Close() {
	if m != nil {
		StopTimer(&m.pause)
		m.entry.Close()
		unix.Close(m.fd)
	}
}
