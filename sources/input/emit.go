// SPDX-License-Identifier: MIT

// From what a device says to events.

package input

import (
	"time"

	"reflexd/sources"
)

// keyPress says what the value of a key event means to a button.
var keyPress = [...]sources.Press{sources.Up, sources.Down, sources.Repeat}

func (d *device) emitKey(at time.Duration, code uint16, value int32, synthetic bool) {
	if d.wanted.has(evKey, code) {
		d.setPress(value, synthetic)
		d.event.Private = d.isPrivate(code)
		d.emit(at, sources.Topic{Kind: "key", Name: keyNames.names[code]}, "KEY", int64(code), value, synthetic)
	}
}

// setPress says in d.event what the value of a key means.
func (d *device) setPress(value int32, synthetic bool) {
	d.event.Press, d.event.Standing = keyPress[value], sources.Begins
	switch {
	case synthetic && value == 0:
		d.event.Press = sources.Ended
	case value == 2:
		d.event.Standing = sources.NoState
	}
}

// emitStart reports how a key was found.
func (d *device) emitStart(code uint16) {
	down := hasBit(d.levels.keys[:], code)
	d.event.Press, d.event.Standing = sources.StartsUp, sources.Found
	if down {
		d.event.Press = sources.StartsDown
	}
	d.event.Private = d.isPrivate(code)
	d.emit(d.host.Loop.Now(), sources.Topic{Kind: "key", Name: keyNames.names[code]}, "KEY", int64(code), b2i(down), true)
}

// emitFound reports how the keys of fresh that are down, the keys of asked and
// all wanted switches were found.
func (d *device) emitFound(fresh, asked *codes) {
	for code := range eachBit(d.wanted.keys[:]) {
		down := hasBit(d.levels.keys[:], code)
		if down && hasBit(fresh.keys[:], code) || d.id.has.has(evKey, code) && hasBit(asked.keys[:], code) {
			d.emitStart(code)
		}
	}
	d.emitScansFound()
	for code := range eachBit(d.wanted.switches[:]) {
		if d.id.has.has(evSw, code) {
			on := hasBit(d.levels.switches[:], code)
			d.event.Press, d.event.Standing, d.event.Private = sources.NoPress, sources.Found, false
			d.emit(d.host.Loop.Now(), sources.Topic{Kind: "switch", Name: switchNames.names[code], State: onOff[b2i(on)]}, "SWITCH", int64(code), b2i(on), true)
		}
	}
}

// emitGone reports that nobody knows the states of the keys and switches in c
// any more.
func (d *device) emitGone(c *codes) {
	gone := func(kind, name string) {
		d.host.Emit(&sources.Event{Time: d.host.Loop.Now(), Topic: sources.Topic{Kind: kind, Name: name}, Source: d.source, Standing: sources.Vanishes})
	}
	for code := range eachBit(c.keys[:]) {
		if d.id.has.has(evKey, code) {
			gone("key", keyNames.names[code])
		}
	}
	for code := range eachBit(c.switches[:]) {
		if d.id.has.has(evSw, code) {
			gone("switch", switchNames.names[code])
		}
	}
}

func (d *device) emitSwitch(at time.Duration, code uint16, value int32, synthetic bool) {
	if d.wanted.has(evSw, code) {
		d.event.Press, d.event.Standing, d.event.Private = sources.NoPress, sources.Begins, false
		d.emit(at, sources.Topic{Kind: "switch", Name: switchNames.names[code], State: onOff[value]}, "SWITCH", int64(code), value, synthetic)
	}
}

func (d *device) emitAxis(at time.Duration, a axis, value, was int32, synthetic bool) {
	if d.wanted.has(a.typ, a.code) {
		d.event.Press, d.event.Standing, d.event.Private = sources.NoPress, sources.NoState, false
		topic := sources.Topic{Kind: "axis", Name: a.name(), State: "changed"}
		previous := sources.Field{Name: "PREVIOUS", Value: sources.Int(int64(was))}
		if a.typ == evRel {
			steps := sources.Field{Name: sources.Steps, Value: sources.Int(int64(value))}
			d.emit(at, topic, "AXIS", int64(a.code), value, synthetic, previous, steps)
			return
		}
		d.emit(at, topic, "AXIS", int64(a.code), value, synthetic, previous)
	}
}

// emit emits an event about what topic names, which stands in the field what.
func (d *device) emit(at time.Duration, topic sources.Topic, what string, code int64, value int32, synthetic bool, more ...sources.Field) {
	fields := append(d.fields[:0],
		sources.Field{Name: what, Value: sources.Text(topic.Name)},
		sources.Field{Name: "CODE", Value: sources.Int(code)},
		sources.Field{Name: "VALUE", Value: sources.Int(int64(value))},
		sources.Field{Name: "DEVICE", Value: sources.Text(d.path)},
		sources.Field{Name: "NAME", Value: sources.Text(d.id.name)})
	fields = append(fields, more...)
	if synthetic {
		fields = append(fields, sources.Field{Name: "SYNTHETIC", Value: sources.Int(1)})
	}
	if d.event.Private {
		for i := range 2 { // the key and its code
			fields[i].Value = fields[i].Value.Secret()
		}
	}
	d.event.Time, d.event.Topic, d.event.Fields = at, topic, fields
	d.event.Source, d.event.Names = d.source, d.names
	d.host.Emit(&d.event)
}

func b2i(b bool) int32 {
	if b {
		return 1
	}
	return 0
}

// onOff are the states of a switch.
var onOff = [...]string{"off", "on"}
