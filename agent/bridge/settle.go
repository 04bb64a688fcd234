// SPDX-License-Identifier: MIT

// Settle: values that may change thousands of times a second, such as a count of
// pulses or the level of a fade. The bridge is sent the first change at once, and
// then what the value is at most once a second.

package bridge

import (
	"time"

	"reflexd/sources"
)

// settlePause is how long a value that was sent is not sent again.
const settlePause = time.Second

// settling is a value that was sent less than settlePause ago.
type settling struct {
	timer sources.Timer
	again bool // it has changed since
}

// Changed notes that something has another value than before. It allocates
// nothing, unless the value is sent.
func (s *Source) Changed(kind, name string) {
	about := subject{kind, name}
	if s.send == nil || s.plan.exposed[about] == nil {
		return
	}
	if t := s.told[about]; t != nil {
		t.again = true
		return
	}
	t := &settling{}
	s.told[about] = t
	t.timer = s.host.Loop.After(settlePause, func() {
		if delete(s.told, about); t.again {
			s.Changed(kind, name)
		}
	})
	if err := s.send(stateNotice(kind, name, s.value(kind, name), s.host.Loop.Now()), nil); err != nil {
		s.host.Log.Warn("the bridge misses a state", "of", kind+"/"+name, "error", err)
	}
}

// settle forgets what was sent lately: there is no bridge any more.
func (s *Source) settle() {
	for _, t := range s.told {
		t.timer.Stop()
	}
	clear(s.told)
}
