// SPDX-License-Identifier: MIT

// Button: clicks and holds of one button.

package gesture

import (
	"time"

	"reflexd/sources"
)

// Button recognises what happens to one button. The zero value is a button
// of which nothing is known yet and of which nothing but presses and releases
// is wanted. All times are of CLOCK_MONOTONIC.
//
// Nothing depends on when it is called, but on the times that it is told:
// what is due by the time of an edge is always found before the edge is.
type Button struct {
	want  *wants // nil for none
	level level
	since time.Duration // when it went down
	seen  time.Duration // what is due up to here was found
	// spent is set if the press that is under way can be no click any more.
	spent  bool
	clicks int           // that may have company yet
	last   time.Duration // when the last of them was released
}

type level uint8

const (
	unknown level = iota
	up
	down
	downFromStart // found down, and so no gesture before it is released
	onFromStart   // likewise of what is no button: its release is a gesture
)

// wants is what rules ask of a button.
type wants struct {
	gap    time.Duration
	clicks []string // the states of 1, 2, … clicks, up to the most that a rule waits for
	stages []holdStep
}

// holdStep is one step of being held.
type holdStep struct {
	state         string
	first, repeat time.Duration
}

// due returns when the stage is told next, in a press that began at since,
// after the time seen.
func (s *holdStep) due(since, seen time.Duration) (at time.Duration, ok bool) {
	at = since + s.first
	if at > seen {
		return at, true
	}
	if s.repeat == 0 {
		return 0, false
	}
	return at + ((seen-at)/s.repeat+1)*s.repeat, true
}

// Gesture is what a Button recognised.
type Gesture struct {
	State  string        // as Topic.State
	At     time.Duration // when it happened
	Held   time.Duration // with Released and holds: how long it was down
	Clicks int           // with clicks: how many
}

// Next tells the button that p happened at the time at, and appends what that
// makes to out.
//
// A button that is found down when its device is opened, or whose first news
// is a release, was pressed before anyone listened: no gesture comes of it
// until it was released. Of what is no button, the release is a gesture. A
// release that nobody saw ends the press, but makes no click of it.
func (b *Button) Next(p sources.Press, at time.Duration, out []Gesture) []Gesture {
	out = b.Advance(at, out)
	switch p {
	case sources.Down:
		if b.level == up || b.level == unknown {
			b.level, b.since, b.seen, b.spent = down, at, at, false
			out = append(out, Gesture{State: sources.Pressed, At: at})
		}
	case sources.Repeat:
		if b.level == down {
			out = append(out, Gesture{State: sources.Repeated, At: at})
		}
	case sources.Up, sources.Ended:
		out = b.release(p == sources.Ended, at, out)
	case sources.StartsUp:
		switch b.level {
		case down:
			out = b.flush(at, out)
		case onFromStart: // a reload, perhaps, was blind for a moment
			out = b.release(true, at, out)
		}
		b.level = up
	case sources.StartsDown:
		if b.level != down {
			b.level = downFromStart
		}
	case sources.StartsOn:
		if b.level != down && b.level != onFromStart {
			b.level, b.since, b.spent = onFromStart, at, true
		}
	}
	return out
}

func (b *Button) release(unseen bool, at time.Duration, out []Gesture) []Gesture {
	pressed := b.level == down || b.level == onFromStart
	b.level = up
	if !pressed {
		return out
	}
	out = append(out, Gesture{State: sources.Released, At: at, Held: max(0, at-b.since)})
	switch {
	case b.want == nil || len(b.want.clicks) == 0 || b.spent:
	case unseen:
		out = b.flush(at, out)
	default:
		b.clicks++
		b.last = at
		if b.clicks == len(b.want.clicks) {
			out = b.flush(at, out)
		}
	}
	return out
}

// flush tells of the clicks so far: no more belong to them.
func (b *Button) flush(at time.Duration, out []Gesture) []Gesture {
	if n := b.clicks; n > 0 {
		b.clicks = 0
		out = append(out, Gesture{State: b.want.clicks[n-1], At: at, Clicks: n})
	}
	return out
}

// Advance appends to out what happened by the time now without an edge.
func (b *Button) Advance(now time.Duration, out []Gesture) []Gesture {
	for {
		at, ok := b.Due()
		if !ok || at > now {
			break
		}
		if b.level != down {
			out = b.flush(at, out)
			continue
		}
		// A click before the hold is complete without it.
		out = b.flush(at, out)
		b.spent = true
		for i := range b.want.stages {
			s := &b.want.stages[i]
			if due, ok := s.due(b.since, b.seen); ok && due == at {
				out = append(out, Gesture{State: s.state, At: at, Held: at - b.since})
			}
		}
		b.seen = at
	}
	b.seen = max(b.seen, now)
	return out
}

// Due returns when Advance has something to tell unless an edge comes first.
func (b *Button) Due() (at time.Duration, ok bool) {
	if b.want == nil {
		return 0, false
	}
	if b.level != down {
		return b.last + b.want.gap, b.clicks > 0
	}
	for i := range b.want.stages {
		due, is := b.want.stages[i].due(b.since, b.seen)
		if is && (!ok || due < at) {
			at, ok = due, true
		}
	}
	return at, ok
}

// IsDown reports whether the button is held, since before the start too.
func (b *Button) IsDown() bool { return b.level > up }

// ask makes w what is wanted from the time now on. A stage that the press
// under way is past is not made up for.
func (b *Button) ask(w *wants, now time.Duration) {
	b.want = w
	b.seen = max(b.seen, now)
	if b.clicks > 0 && (w == nil || b.clicks > len(w.clicks)) {
		b.clicks = 0
	}
}
