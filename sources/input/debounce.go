// SPDX-License-Identifier: MIT

// debounce: keys whose contacts chatter.

package input

import (
	"time"

	"reflexd/sources"
)

// loose is the key of a device that was released last, and may be pressed again
// at once: then it was not. Until then it counts as down.
type loose struct {
	within time.Duration // 0 for never
	up     record
	timer  sources.Timer // ends the wait; nil unless a key waits
}

// debounce takes a change of a key, and reports whether it is one. A release is
// not, for the time being: it is reported when the key was up for so long, or
// when another key changes, so that what is reported stays in order.
func (d *device) debounce(r record) (changed bool) {
	l := &d.loose
	if l.within == 0 || r.value > 1 {
		return true
	}
	if l.timer != nil && r.code == l.up.code {
		if r.value == 0 {
			return false
		}
		if r.at-l.up.at < l.within {
			sources.StopTimer(&l.timer)
			return false
		}
	}
	d.release()
	if r.value == 1 || !hasBit(d.levels.keys[:], r.code) {
		return true
	}
	l.up = r
	l.timer = d.host.Loop.After(r.at+l.within-d.host.Loop.Now(), d.release)
	return false
}

// release reports the release of a key that waits.
func (d *device) release() {
	if d.loose.timer == nil {
		return
	}
	sources.StopTimer(&d.loose.timer)
	d.report(d.loose.up)
	if d.grab.waiting && !d.closed {
		d.adjustGrab()
	}
}

// debounceOf returns the longest debounce of the inputs that a device is
// declared as.
func (p *Plan) debounceOf(names []string) (within time.Duration) {
	for _, name := range names {
		within = max(within, p.Inputs[name].Debounce)
	}
	return within
}
