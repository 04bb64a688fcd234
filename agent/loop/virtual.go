// SPDX-License-Identifier: MIT

// Virtual time: a loop that waits for nothing and touches no descriptor, for
// tests of rules.

package loop

import (
	"fmt"
	"time"
)

// NewVirtual returns a loop whose clock reads at, and moves only by Advance. It
// watches no descriptor, whatever it is asked. Work that others would do beside
// it is done in its turn, so that two runs never differ.
func NewVirtual(at time.Duration) *Loop {
	l := &Loop{epoll: -1, wake: -1, virtual: true, now: at, woke: at}
	l.crew.most = workers
	return l
}

// A virtual loop does no more than this, so that whoever waits for it never
// waits for ever.
const (
	// mostStill is how many wake-ups there are at one moment, within a call of
	// Advance. Rules that set each other off are braked long before.
	mostStill = 10_000
	// mostWakeups is how many there are in all.
	mostWakeups = 1_000_000
	// longestTime is less than what a time.Duration can hold, by more than the
	// longest time span of the language, so that no sum of the two overflows.
	longestTime = 150 * 365 * 24 * time.Hour
)

// Advance lets time pass until the clock reads to. What is due before is done at
// its time, and turn is called as Run calls it. Where that has no end, time stops:
// see Err.
func (l *Loop) Advance(to time.Duration, turn func()) {
	if to > longestTime {
		l.failure = fmt.Errorf("the time is longer than %d years", longestTime/(365*24*time.Hour))
	}
	for still := 0; !l.Ended(); still++ {
		l.round(turn)
		due, ok := l.Due()
		if len(l.posted) == 0 && (!ok || due > to) {
			break
		}
		if len(l.posted) == 0 && due > l.now {
			l.now, still = due, 0
		}
		switch {
		case still >= mostStill:
			l.failure = fmt.Errorf("time stands still: %d wake-ups at one moment", mostStill)
		case l.wakeups >= mostWakeups:
			l.failure = fmt.Errorf("too much happens: %d wake-ups", mostWakeups)
		}
	}
	if to > l.now && !l.Ended() {
		l.now = to
		l.round(turn)
	}
}

// Err returns why the time of a virtual loop does not go on, nil if it does or
// if it was stopped.
func (l *Loop) Err() error { return l.failure }

// Ended reports whether the time of a virtual loop does not go on.
func (l *Loop) Ended() bool { return l.stopped || l.failure != nil }

// round is one wake-up.
func (l *Loop) round(turn func()) {
	l.wakeups++
	l.woke, l.wakeBy = l.now, 0
	turn()
	l.runTimers()
	l.runPosted()
	turn()
}
