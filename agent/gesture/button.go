// SPDX-License-Identifier: MIT

// Package gesture makes gestures of edges: pure functions of what happened and
// when, for GPIO lines and keys alike. It has no clock and no descriptors.
package gesture

import (
	"time"

	"reflexd/sources"
)

// Button recognises what happens to one button. The zero value is a button
// of which nothing is known yet.
type Button struct {
	state state
	since time.Duration // when it went down, CLOCK_MONOTONIC
}

type state uint8

const (
	unknown state = iota
	up
	down
	downFromStart // found down, and so not to be heard of before it is let go
)

// Gesture is what a Button recognised.
type Gesture struct {
	State string        // sources.Pressed and so on; "" for nothing
	Held  time.Duration // with Released: how long it was down
}

// Next tells the button that p happened at the time at (CLOCK_MONOTONIC) and
// returns what that makes. A button that is found down when its device is
// opened, or whose first news is a release, was pressed before anyone
// listened: no gesture comes of it until it was released.
func (b *Button) Next(p sources.Press, at time.Duration) Gesture {
	was := b.state
	switch p {
	case sources.StartsUp:
		b.state = up
	case sources.StartsDown:
		if was != down {
			b.state = downFromStart
		}
	case sources.Down:
		if was == up || was == unknown {
			b.state, b.since = down, at
			return Gesture{State: sources.Pressed}
		}
	case sources.Repeat:
		if was == down {
			return Gesture{State: sources.Repeated}
		}
	case sources.Up:
		b.state = up
		if was == down {
			return Gesture{State: sources.Released, Held: max(0, at-b.since)}
		}
	}
	return Gesture{}
}

// IsDown reports whether the button is held, since before the start too.
func (b *Button) IsDown() bool { return b.state == down || b.state == downFromStart }
