// SPDX-License-Identifier: MIT

// Lines: what edges and levels of a declared line mean.

package gpio

import (
	"time"

	"reflexd/sources"
)

// line is a declared line.
type line struct {
	*request
	kind string // as Line has it

	// high is the last physical level that was emitted of an input with both
	// edges.
	high bool

	followed bool // rules ask for the state of an output
	renamed  bool // by the plan in force: its level is not known under its name

	changed time.Duration // when an output was opened, or set to what it is; CLOCK_MONOTONIC

	event  sources.Event
	names  [1]string
	fields [6]sources.Field
}

// The places of fields that change from event to event. Those that not every
// event has come last.
const (
	levelField = 3 + iota
	edgeField
	syntheticField
)

func (l *line) declare(d declared) {
	decl := d.(*Line)
	l.renamed = l.names[0] != "" && l.names[0] != decl.Name
	l.kind, l.onExit = decl.Kind, decl.OnExit
	if !l.settled {
		l.on = decl.Initial
	}
	l.names[0] = decl.Name
	l.event = sources.Event{Source: "gpio:" + decl.Name, Names: l.names[:], Time: l.event.Time}
	l.describe()
}

// describe fills in the fields that are the same in all events.
func (l *line) describe() {
	l.fields = [...]sources.Field{
		{Name: "LINE", Value: sources.Text(l.name)},
		{Name: "CHIP", Value: sources.Text(l.label)},
		{Name: "OFFSET", Value: sources.Int(int64(l.offsets[0]))},
		levelField:     {Name: "LEVEL"},
		edgeField:      {Name: "EDGE"},
		syntheticField: {Name: "SYNTHETIC", Value: sources.Int(1)},
	}
}

// active reports whether an input with both edges is, or was when it was open.
func (l *line) active() bool { return l.stateful() && l.high != l.activeLow() }

// pressed reports whether an open input with both edges is active.
func (l *line) pressed() bool { return l.fd >= 0 && l.active() }

// level returns the logical level of an output, or of an open input with both
// edges.
func (l *line) level() (on, ok bool) {
	if l.output {
		return l.on, l.fd >= 0 || l.idle()
	}
	return l.pressed(), l.fd >= 0 && l.stateful()
}

func (l *line) status() (string, []string) {
	on, ok := l.level()
	switch {
	case !ok:
		return l.kind, nil
	case on:
		return l.kind + ", on", []string{level(!l.activeLow())}
	}
	return l.kind + ", off", []string{level(l.activeLow())}
}

func (l *line) found(now levels) {
	l.describe()
	l.high, l.event.Time = now[0], l.readAt
	l.changed = l.source.host.Loop.Now()
	l.announce()
}

// announce emits the state of an open line as it was found, of an input with
// the time of its last event: an edge that is still to be read is later.
func (l *line) announce() {
	l.renamed = false
	switch on, ok := l.level(); {
	case !ok:
	case l.output && l.followed:
		l.emitState(on, sources.Found, nil)
	case l.output:
	case !on:
		l.emitFound(sources.StartsUp)
	case l.kind == Button:
		l.emitFound(sources.StartsDown)
	default:
		l.emitFound(sources.StartsOn)
	}
}

func (l *line) emitFound(press sources.Press) {
	l.emitLevel(l.event.Time, press, sources.Found, l.fields[:edgeField])
}

// emitState emits the state of an output.
func (l *line) emitState(on bool, standing sources.Standing, cause sources.Cause) {
	l.high = on != l.activeLow()
	l.event.Chain = sources.ChainOf(cause)
	l.setLevel()
	l.emit(l.source.host.Loop.Now(), sources.OnOff(on), sources.NoPress, standing, l.fields[:edgeField])
	l.event.Chain = nil
}

// set makes an output on or off, since cause says so.
func (l *line) set(on bool, cause sources.Cause) error {
	before := l.on
	err := l.request.set(on)
	if err != nil || l.on == before {
		return err
	}
	if l.changed = l.source.host.Loop.Now(); l.followed {
		l.emitState(on, sources.Begins, cause)
	}
	return nil
}

// edge emits an edge. Where both edges are watched, levels alternate: two
// equal edges in a row mean that one between them never reached the kernel's
// queue, because the line changed faster than its interrupt was served. It is
// made up for, so that what was emitted last is what the line is.
func (l *line) edge(t time.Duration, _ int, high bool) {
	if l.stateful() {
		if high == l.high {
			if t <= l.readAt {
				return // emitted already: the level was read after this edge
			}
			l.emitEdge(t, !high, true)
		}
		l.high = high
	}
	l.emitEdge(t, high, false)
}

// missed makes up for an edge if the level is not what was emitted last.
func (l *line) missed(now levels) {
	if now[0] != l.high {
		l.high = now[0]
		l.emitEdge(l.readAt, l.high, true)
	}
}

// end ends the press of a button that was down, without an edge.
func (l *line) end() {
	press := sources.NoPress
	if l.active() {
		l.high = !l.high
		press = sources.Ended
	}
	l.fields[edgeField] = l.fields[syntheticField]
	l.emitLevel(l.source.host.Loop.Now(), press, sources.Lapses, l.fields[:syntheticField])
	l.describe()
}

func (l *line) emitEdge(t time.Duration, high, synthetic bool) {
	state, level := falling, int64(0)
	if high {
		state, level = rising, 1
	}
	press, standing := sources.NoPress, sources.Begins
	switch {
	case !l.stateful():
		standing = sources.NoState
	case high != l.activeLow():
		press = sources.Down
	case synthetic:
		press = sources.Ended
	default:
		press = sources.Up
	}
	l.fields[levelField].Value = sources.Int(level)
	l.fields[edgeField].Value = sources.Text(state)
	fields := l.fields[:syntheticField]
	if synthetic {
		fields = l.fields[:]
	}
	l.emit(t, state, press, standing, fields)
}

// emitLevel is for what is no edge.
func (l *line) emitLevel(t time.Duration, press sources.Press, standing sources.Standing, fields []sources.Field) {
	l.setLevel()
	l.emit(t, "", press, standing, fields)
}

// setLevel makes LEVEL the physical level.
func (l *line) setLevel() {
	level := int64(0)
	if l.high {
		level = 1
	}
	l.fields[levelField].Value = sources.Int(level)
}

func (l *line) emit(t time.Duration, state string, press sources.Press, standing sources.Standing, fields []sources.Field) {
	l.event.Time = t
	l.event.Topic = sources.Topic{Kind: "line", Name: l.name, State: state}
	l.event.Press, l.event.Standing = press, standing
	l.event.Fields = fields
	l.source.host.Emit(&l.event)
}
