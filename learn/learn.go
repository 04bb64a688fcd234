// SPDX-License-Identifier: MIT

// Package learn concludes from events what was done to a board: a button
// pressed, a knob turned, a stick plugged in. It returns the configuration that
// reacts when it is done again.
//
// A Learner sorts events into bursts, one for each thing that happens, and
// says when a burst is over. What it means is then a pure function of its
// events and of what is known of the board by then: see World. Time is that of
// the events' stamps and what the caller says, CLOCK_MONOTONIC.
package learn

import (
	"strings"
	"time"

	"reflexd/sources"
)

// Finding is one thing that was learnt.
type Finding struct {
	// Kind is key, keys, switch, axis, device, link, signal, line, encoder or sensor.
	Kind string `json:"kind"`
	// What says in plain words what happened.
	What string `json:"what"`
	// YAML is a whole configuration that reacts to it, with What as a comment.
	YAML string `json:"yaml"`
}

// How long something must be quiet before it counts as over.
const (
	// handPause is for what people do by hand; it outlasts the pause within a
	// double click.
	handPause = 400 * time.Millisecond
	// devicePause is for devices that are plugged in: a driver has a moment
	// of its own between one message and the next.
	devicePause = 800 * time.Millisecond
	// sidePause has what comes along with a device be quiet later than that.
	sidePause = 2 * time.Second
	// drivePause is for USB devices that are not ready yet. For a drive the
	// kernel waits for a second (usb-storage.delay_use), and it has to spin up.
	drivePause = 10 * time.Second
	// holdPause is for what is held down, or stays as it is.
	holdPause = 5 * time.Second
	// longest bounds a burst that does not end.
	longest = 15 * time.Second
	// longestMotion bounds one of an axis, of which more is not to be learnt.
	longestMotion = 3 * time.Second
)

// mostEvents is how many events of a burst are kept.
const mostEvents = 4096

// Burst is the events of one thing that happened.
type Burst struct {
	kind, of    string
	first, last time.Duration
	events      []*sources.Event // the first mostEvents
	count       int
}

// The kinds of bursts.
const (
	keysBurst   = "keys"   // of a device
	switchBurst = "switch" // of a device
	axisBurst   = "axis"   // of a device
	wheelBurst  = "wheel"  // of a wheel of a device
	linesBurst  = "lines"  // of all GPIO lines
	deviceBurst = "device" // of a device and all that hangs on it; of is its path
	sideBurst   = "side"   // of what comes along with devices
	linkBurst   = "link"
	signalBurst = "signal"
	sensorBurst = "sensor"
)

// Learner sorts events into bursts. The zero value is ready.
type Learner struct {
	// Began is since when it is watched what sensors show.
	Began  time.Duration
	bursts []*Burst
	// plugged is when the last burst of a device began.
	plugged time.Duration
	rests   map[string]*rest // by the names of sensors
	told    map[string]bool
}

// Observe takes an event, which belongs to the caller and came at now: events of
// devices are held until it is known what these are.
func (l *Learner) Observe(e *sources.Event, now time.Duration) {
	e = e.Clone()
	kind, of, ok := l.place(e)
	if !ok {
		return
	}
	b := l.burst(kind, of)
	if b == nil {
		b = &Burst{kind: kind, of: of, first: e.Time}
		l.bursts = append(l.bursts, b)
	}
	b.last = max(b.last, e.Time, now)
	if b.count++; len(b.events) < mostEvents {
		b.events = append(b.events, e)
	}
}

func (l *Learner) burst(kind, of string) *Burst {
	for _, b := range l.bursts {
		if b.kind == kind && b.of == of {
			return b
		}
	}
	return nil
}

// place says which burst e belongs to; ok is false for none. What follows from
// a state that was read afresh was done by nobody.
func (l *Learner) place(e *sources.Event) (kind, of string, ok bool) {
	if _, synthetic := e.Lookup("SYNTHETIC"); synthetic {
		return "", "", false
	}
	switch e.Topic.Kind {
	case "key":
		return keysBurst, text(e, "DEVICE"), true
	case "switch":
		return switchBurst, text(e, "DEVICE"), true
	case "axis":
		return placeAxis(e)
	case "line":
		return linesBurst, "", e.Topic.State == "rising" || e.Topic.State == "falling"
	case "link":
		return linkBurst, e.Topic.Name, true
	case "signal":
		return signalBurst, e.Topic.Name, true
	case "uevent":
		return l.placeDevice(e)
	case "sensor":
		return l.placeSensor(e)
	}
	return "", "", false
}

// placeAxis puts each wheel by itself and what moves together together. Fine
// steps of a wheel come with the whole ones, and the contacts of a multi-touch
// device move what the device has for one.
func placeAxis(e *sources.Event) (kind, of string, ok bool) {
	name := e.Topic.Name
	switch {
	case strings.HasSuffix(name, "_HI_RES"), strings.HasPrefix(name, "ABS_MT_"):
		return "", "", false
	case isWheel(name):
		return wheelBurst, text(e, "DEVICE") + " " + name, true
	}
	return axisBurst, text(e, "DEVICE"), true
}

func isWheel(name string) bool {
	return name == "REL_WHEEL" || name == "REL_HWHEEL" || name == "REL_DIAL"
}

// Next returns when a burst is over unless more of it comes; any is false if
// nothing happens.
func (l *Learner) Next() (at time.Duration, any bool) {
	for _, b := range l.bursts {
		if due := b.due(); !any || due < at {
			at, any = due, true
		}
	}
	return at, any
}

// Over returns the bursts that are over by now, and forgets them.
func (l *Learner) Over(now time.Duration) []*Burst {
	var over, rest []*Burst
	for _, b := range l.bursts {
		if b.due() > now {
			rest = append(rest, b)
		} else if !l.comesAlong(b) {
			over = append(over, b)
		}
	}
	l.bursts = rest
	return over
}

// Rest returns all bursts, over or not, and forgets them.
func (l *Learner) Rest() []*Burst { return l.Over(1<<63 - 1) }

// comesAlong reports whether b is only about what a device brought with it.
func (l *Learner) comesAlong(b *Burst) bool {
	near := func(at time.Duration) bool { return at != 0 && b.first-sidePause < at && at < b.last+sidePause }
	return b.kind == sideBurst && near(l.plugged)
}

// due returns when b is over, unless more of it comes.
func (b *Burst) due() time.Duration {
	quiet, most := handPause, longest
	switch b.kind {
	case keysBurst:
		if len(b.keysDown()) > 0 {
			quiet = holdPause
		}
	case linesBurst:
		if !b.linesRest() {
			quiet = holdPause
		}
	case axisBurst, wheelBurst:
		most = longestMotion
	case sideBurst:
		quiet = sidePause
	case linkBurst:
		quiet = devicePause
	case sensorBurst:
		quiet = holdPause
	case deviceBurst:
		quiet = devicePause
		if b.unfinished() {
			quiet = drivePause
		}
	}
	return min(b.last+quiet, b.first+most)
}

// Conclude returns what is to be learnt of b that was not returned before.
func (l *Learner) Conclude(b *Burst, w *World) []Finding {
	var fresh []Finding
	for _, f := range b.conclude(w) {
		found := Finding{Kind: f.kind, What: f.what, YAML: f.yaml.String()}
		same := found.YAML
		if f.kind == "axis" { // which is moved a little further each time
			same = f.first
		}
		if l.told == nil {
			l.told = map[string]bool{}
		}
		if !l.told[same] {
			fresh = append(fresh, found)
		}
		l.told[same] = true
	}
	return fresh
}

func (b *Burst) conclude(w *World) []*fragment {
	switch b.kind {
	case keysBurst:
		return b.keys(w)
	case switchBurst:
		return b.switches(w)
	case axisBurst, wheelBurst:
		return b.axes(w)
	case linesBurst:
		return b.lines(w)
	case linkBurst:
		return b.link()
	case signalBurst:
		return b.signal()
	case sensorBurst:
		return b.sensor(w)
	}
	return b.device(w)
}

// text returns a field of e, "" if it has none of that name.
func text(e *sources.Event, name string) string {
	v, ok := e.Lookup(name)
	if !ok {
		return ""
	}
	return v.String()
}

func number(e *sources.Event, name string) int64 {
	v, _ := e.Lookup(name)
	n, _ := v.Int()
	return n
}
