// SPDX-License-Identifier: MIT

// One agent at a time mounts things: a lock on the folder of records, which
// ends with its holder, whatever becomes of it.

package mount

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/sources"
)

// rivalPeriod is how often to look whether the other agent has ended.
const rivalPeriod = 2 * time.Second

// lock is our hold on the folder of records.
type lock struct {
	folder *os.File      // nil without
	rival  error         // why it is not ours
	retry  sources.Timer // nil unless there is a rival
}

// begin takes the lock, and then what an earlier run has mounted. While another
// agent has the lock, nothing is mounted.
func (s *Source) begin() {
	if s.host.Simulated {
		s.adopt()
		return
	}
	before := s.lock.rival
	*s.lock = lock{}
	folder, err := lockFolder(string(s.real.mounter.records))
	if err == unix.EWOULDBLOCK {
		s.lock.rival = fmt.Errorf("another reflexd mounts drives here: it holds %s", s.real.mounter.records)
		s.lock.retry = s.host.Loop.After(rivalPeriod, s.begin)
		if before == nil {
			s.host.Log.Error("nothing is mounted by this agent", "error", s.lock.rival)
		}
		return
	}
	if err != nil && !errors.Is(err, os.ErrPermission) { // who may not write there may not mount, which says so
		s.host.Log.Warn("mounts are not recorded", "error", err)
	}
	s.lock.folder = folder
	s.adopt()
}

// lockFolder makes the folder if it is not there, and locks it. EWOULDBLOCK
// says that somebody else has it.
func lockFolder(path string) (*os.File, error) {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (l *lock) release() {
	sources.StopTimer(&l.retry)
	if l.folder != nil {
		l.folder.Close()
	}
	*l = lock{}
}
