// SPDX-License-Identifier: MIT

// Startup: when the agent reports that it has started, or has read its
// configuration again, the devices, files and sockets that are there are open.

package agent

import (
	"time"

	"reflexd/sources"
)

// startWithin is how long a start or a reload waits for what a driver takes
// its time to open. The log and status report what is still missing then.
const startWithin = 2 * time.Second

// startup is who waits until the sources have started.
type startup struct {
	waiting []func()
	limit   sources.Timer // nil unless somebody waits
	late    bool
}

// awaitStart has done called on the loop's thread, in a turn, when all sources
// have started or startWithin is over; not at all if the agent stops first.
func (a *Agent) awaitStart(done func()) {
	waiting := append(a.startup.waiting, done)
	a.startup.cancel()
	a.startup.waiting = waiting
	a.startup.limit = a.loop.After(startWithin, func() { a.startup.late = true })
}

// cancel makes nobody wait.
func (s *startup) cancel() {
	sources.StopTimer(&s.limit)
	*s = startup{}
}

// checkStart calls who waits, if the time has come.
func (a *Agent) checkStart() {
	s := &a.startup
	if len(s.waiting) == 0 {
		return
	}
	for i, source := range a.sources {
		if settler, ok := source.(sources.StartWaiter); ok && !settler.Started() {
			if !s.late {
				return
			}
			a.log.Warn("no longer waiting for what is being opened", "source", kinds[i].Name, "after", startWithin)
		}
	}
	waiting := s.waiting
	s.cancel()
	for _, done := range waiting {
		done()
	}
}
