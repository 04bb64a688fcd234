// SPDX-License-Identifier: MIT

// Settling: whoever is told that the agent has started, or has read its
// configuration again, may rely on it that devices, files and sockets that are
// there are being listened to.

package agent

import (
	"time"

	"reflexd/sources"
)

// settleWithin is how long a start or a reload waits for what a driver takes
// its time to open. What comes later is told by the log and by status.
const settleWithin = 2 * time.Second

// settling is who waits until the sources have settled.
type settling struct {
	waiting []func()
	limit   sources.Timer // nil unless somebody waits
	late    bool
}

// settle has done called on the loop's thread, in a turn, when all sources
// have settled or settleWithin is over; not at all if the agent stops first.
func (a *Agent) settle(done func()) {
	waiting := append(a.settling.waiting, done)
	a.settling.cancel()
	a.settling.waiting = waiting
	a.settling.limit = a.loop.After(settleWithin, func() { a.settling.late = true })
}

// cancel makes nobody wait.
func (s *settling) cancel() {
	sources.StopTimer(&s.limit)
	*s = settling{}
}

// settled calls who waits, if the time has come.
func (a *Agent) settled() {
	s := &a.settling
	if len(s.waiting) == 0 {
		return
	}
	for i, source := range a.sources {
		if settler, ok := source.(sources.Settler); ok && !settler.Settled() {
			if !s.late {
				return
			}
			a.log.Warn("no longer waiting for what is being opened", "source", kinds[i].Name, "after", settleWithin)
		}
	}
	waiting := s.waiting
	s.cancel()
	for _, done := range waiting {
		done()
	}
}
