// SPDX-License-Identifier: MIT

// Lanes: what actions of different rules do to one thing in the background is
// done in the order in which they began.

package action

import "reflexd/sources"

// lanes are the things to which something is being done, by what they are
// called, and what waits. It is for the loop's thread.
type lanes map[string][]call

type call struct{ work, done func() }

// beside is Loop.Beside, but what is done to one thing is done one call at a
// time.
func (e *Env) beside(thing string, work, done func()) {
	if e.lanes == nil {
		e.lanes = lanes{}
	}
	waiting, busy := e.lanes[thing]
	if e.lanes[thing] = append(waiting, call{work, done}); !busy {
		e.lanes.begin(e.Loop, thing)
	}
}

// begin begins with the first call for a thing.
func (l lanes) begin(loop sources.Loop, thing string) {
	first := l[thing][0]
	loop.Beside(first.work, func() {
		if l[thing] = l[thing][1:]; len(l[thing]) > 0 {
			l.begin(loop, thing)
		} else {
			delete(l, thing)
		}
		first.done()
	})
}
