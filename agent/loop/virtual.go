// SPDX-License-Identifier: MIT

// Virtual time: a loop that waits for nothing and touches no descriptor, for
// tests of rules.

package loop

import "time"

// NewVirtual returns a loop whose clock reads at, and moves only by Advance. It
// watches no descriptor, whatever it is asked. Work that others would do beside
// it is done in its turn, so that two runs never differ.
func NewVirtual(at time.Duration) *Loop {
	l := &Loop{epoll: -1, wake: -1, virtual: true, now: at, woke: at}
	l.crew.most = workers
	return l
}

// Advance lets time pass until the clock reads to. What is due before is done at
// its time, and turn is called as Run calls it.
func (l *Loop) Advance(to time.Duration, turn func()) {
	for !l.stopped && !l.Exhausted() {
		l.round(turn)
		due, ok := l.Due()
		if len(l.posted) == 0 && (!ok || due > to) {
			break
		}
		if len(l.posted) == 0 {
			l.now = max(l.now, due)
		}
	}
	if to > l.now && !l.stopped && !l.Exhausted() {
		l.now = to
		l.round(turn)
	}
}

// mostWakeups bounds a virtual loop: a short timer and a long time make no end.
const mostWakeups = 500_000

// Exhausted reports whether the loop has done so much that it does no more.
func (l *Loop) Exhausted() bool { return l.virtual && l.wakeups > mostWakeups }

// round is one wake-up.
func (l *Loop) round(turn func()) {
	l.wakeups++
	l.woke, l.wakeBy = l.now, 0
	turn()
	l.runTimers()
	l.runPosted()
	turn()
}
