// SPDX-License-Identifier: MIT

// sustained: a key that is reported again and again while it is down, and whose
// release nobody reports.

package input

import (
	"time"

	"reflexd/sources"
)

// releaseAfter is how long after the last report such a key counts as
// released. Remote controls repeat within 130 ms.
const releaseAfter = 250 * time.Millisecond

// sustained finds the presses, repeats and releases of one such key at a time:
// who presses the next has released the one before. The zero value, but for its
// functions, has no key down.
type sustained struct {
	loop sources.Loop
	// tell tells of a press (1), a repeat (2) or a release (0).
	tell func(at time.Duration, key scancode, value int32)

	key    scancode
	toggle bool // as remote controls change it with each press, if they do
	down   bool
	last   time.Duration // when it was reported last
	timer  sources.Timer
}

// report takes a report of a key at the time at.
func (s *sustained) report(at time.Duration, key scancode, toggle bool) {
	if s.down && key == s.key && toggle == s.toggle && at-s.last <= releaseAfter {
		s.last = at
		s.tell(at, key, 2)
		return
	}
	s.release(at)
	s.key, s.toggle, s.down, s.last = key, toggle, true, at
	s.tell(at, key, 1)
	if s.timer == nil {
		s.timer = s.loop.After(s.last+releaseAfter-s.loop.Now(), s.due)
	}
}

// release releases the key that is down, by the time at.
func (s *sustained) release(at time.Duration) {
	if s.down {
		s.down = false
		s.tell(min(at, s.last+releaseAfter), s.key, 0)
	}
}

// due releases the key, unless it was reported since the timer was set.
func (s *sustained) due() {
	s.timer = nil
	now := s.loop.Now()
	left := s.last + releaseAfter - now
	switch {
	case !s.down:
	case left > 0:
		s.timer = s.loop.After(left, s.due)
	default:
		s.release(now)
	}
}

// stop forgets the key.
func (s *sustained) stop() {
	sources.StopTimer(&s.timer)
	s.down = false
}
