// SPDX-License-Identifier: MIT

// idleWatch: how long nothing has come of an input.

package input

import (
	"slices"
	"time"

	"reflexd/sources"
)

// idleWatch watches one declared input. No timer is set or stopped when an event
// comes: the one that is set asks, when it fires, how long ago the last event
// was, and is set again for what is missing.
type idleWatch struct {
	source *source
	name   string
	spans  []time.Duration // after which to report, ascending
	told   int             // how many of them have been since the last event
	last   time.Duration   // when that was, CLOCK_MONOTONIC
	timer  sources.Timer   // nil if none is set
}

// keepVigil has the inputs watched that the plan wants watched. Time goes on
// over a reload; what a new rule would have matched before does not fire.
func (s *source) keepVigil() {
	old := s.idleWatches
	s.idleWatches = map[string]*idleWatch{}
	now := s.host.Loop.Now()
	for _, v := range old {
		v.stop()
	}
	for name, spans := range sources.InOrder(s.plan.silences) {
		v := old[name]
		if v == nil {
			v = &idleWatch{source: s, name: name, last: now}
		}
		v.spans, v.told = spans, 0
		for v.told < len(spans) && now-v.last >= spans[v.told] {
			v.told++
		}
		v.arm()
		s.idleWatches[name] = v
	}
}

func (v *idleWatch) stop() { sources.StopTimer(&v.timer) }

// arm sets the timer for the next of the spans, if there is one.
func (v *idleWatch) arm() {
	if v.timer == nil && v.told < len(v.spans) {
		v.timer = v.source.host.Loop.After(v.last+v.spans[v.told]-v.source.host.Loop.Now(), v.due)
	}
}

func (v *idleWatch) due() {
	v.timer = nil
	now := v.source.host.Loop.Now()
	for v.told < len(v.spans) && now-v.last >= v.spans[v.told] {
		v.source.emitInput(now, v.name, idle, sources.NoState, v.spans[v.told])
		v.told++
	}
	v.arm()
}

// life notes a batch of events by the time stamps of its first and last.
func (v *idleWatch) life(first, last time.Duration) {
	silent := first - v.last
	v.last = max(v.last, first, last)
	if v.told == 0 {
		return
	}
	// An event that came just before idle was reported may be read just after.
	silent = max(silent, v.spans[v.told-1])
	v.source.emitInput(first, v.name, active, sources.NoState, silent)
	v.told = 0
	v.stop() // it was set for a longer span
	v.arm()
}

// idleWatchesOf returns those that a device declared by names is to report its
// events.
func (s *source) idleWatchesOf(names []string) []*idleWatch {
	var all []*idleWatch
	for _, name := range names {
		if v := s.idleWatches[name]; v != nil {
			all = append(all, v)
		}
	}
	return all
}

// alive gives the idle watches the events in buf.
func (d *device) alive(buf []byte) {
	if len(d.idleWatches) == 0 || len(buf) < eventSize {
		return
	}
	first, last := decode(buf), decode(buf[(len(buf)/eventSize-1)*eventSize:])
	for _, v := range d.idleWatches {
		v.life(first.at, last.at)
	}
	d.muteAxes()
}

// codesForIdle returns what the kernel is to pass only so that an idleWatch sees life.
func (d *device) codesForIdle() codes {
	switch {
	case len(d.idleWatches) == 0:
		return codes{}
	case d.axesMuted:
		return codes{keys: everyCode.keys, switches: everyCode.switches}
	}
	return everyCode
}

// Axes and wheels that no rule wants are let through again and again only to
// see life, so once they showed some the kernel holds them back for this part
// of the shortest time that somebody waits for, and not for longer than
// longestMute: a hand on a mouse does not wake us a thousand times a second.
const (
	mutePart    = 20
	longestMute = 5 * time.Second
)

// muteAxes holds back axes and wheels for a while. What they do meanwhile is
// taken for granted when it is over: idle is reported late by that, never early.
func (d *device) muteAxes() {
	none := codes{}
	if d.axesMuted || d.id.has.axes == none.axes && d.id.has.rels == none.rels {
		return
	}
	span := longestMute
	for _, v := range d.idleWatches {
		span = min(span, v.spans[0]/mutePart)
	}
	d.axesMuted = true
	d.applyMasks()
	d.host.Loop.After(span, func() {
		d.axesMuted = false
		if d.closed {
			return
		}
		now := d.host.Loop.Now()
		for _, v := range d.idleWatches {
			v.life(now, now)
		}
		d.applyMasks()
	})
}

// watches reports whether a idleWatch waits for one of the names.
func (p *Plan) watches(names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return len(p.silences[name]) > 0 })
}
