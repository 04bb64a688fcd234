// SPDX-License-Identifier: MIT

// Rotary encoders: phases of their two lines. What they mean is the
// recogniser's affair.

package gpio

import (
	"time"

	"reflexd/sources"
)

// encoder is a declared encoder.
type encoder struct {
	*request
	last levels // that were emitted

	edgesPerEvent int

	event  sources.Event
	names  [1]string
	fields [2]sources.Field
}

func (e *encoder) declare(d declared) {
	e.names[0] = e.name
	spec := d.(*Encoder).Make
	e.edgesPerEvent = spec.Edges * spec.Steps
	e.event = sources.Event{
		Source: "gpio:" + e.name, Names: e.names[:], Fields: e.fields[:],
		Topic: sources.Topic{Kind: "encoder", Name: e.name},
	}
}

func (e *encoder) status() (string, []string) {
	return "encoder", []string{level(e.last[0]), level(e.last[1])}
}

func (e *encoder) found(now levels) {
	e.last = now
	e.emit(e.readAt, 0)
}

// missed emits the levels if they are not what was emitted last: as if the
// edges that are missing had come at once, which the table of steps makes the
// best of.
func (e *encoder) missed(now levels) {
	if now != e.last {
		e.last = now
		e.emit(e.readAt, sources.PhaseSeen)
	}
}

// edge emits what an edge changed. One that changes nothing is the end of a
// bounce that was over before its interrupt was served, or was seen when the
// levels were read.
func (e *encoder) edge(t time.Duration, i int, high bool) {
	if e.last[i] != high {
		e.last[i] = high
		e.emit(t, sources.PhaseSeen)
	}
}

func (e *encoder) end() {}

func (e *encoder) emit(t time.Duration, phase sources.Phase) {
	phase |= sources.PhaseKnown
	if e.last[0] != e.activeLow() {
		phase |= sources.PhaseA
	}
	if e.last[1] != e.activeLow() {
		phase |= sources.PhaseB
	}
	e.event.Time, e.event.Phase = t, phase
	e.fields[0] = sources.Field{Name: "ENCODER", Value: sources.Text(e.name)}
	e.fields[1] = sources.Field{Name: "CHIP", Value: sources.Text(e.label)}
	e.source.host.Emit(&e.event)
}
