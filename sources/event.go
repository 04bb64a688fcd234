// SPDX-License-Identifier: MIT

// Event: what a source emits, one form for all kernel
// interfaces.

package sources

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unsafe"
)

// Topic is what rules are indexed by: what kind of event, of what, and what
// happened to it. {"line", "door", "rising"}, {"key", "KEY_MUTE", "pressed"},
// {"uevent", "block", "add"}. In a rule's topic an empty Name or State stands
// for any.
type Topic struct {
	Kind, Name, State string
}

// Press is what an event means to the button that it comes from.
type Press uint8

// The meanings of Press. The Starts values give the recogniser a level that
// was found, when a device was opened or its state read afresh, rather than
// seen to change; they fire no rule. Ended is a release that nobody saw:
// the device went away, or was found released after a loss.
const (
	NoPress Press = iota
	Down
	Up
	Repeat
	StartsDown
	StartsUp
	Ended
	// StartsOn is StartsDown for what is no button, such as the contact of a
	// door: rules are shown its release.
	StartsOn
)

// IsDown reports whether the button is down after p.
func (p Press) IsDown() bool {
	return p == Down || p == Repeat || p == StartsDown || p == StartsOn
}

// Phase is what an event means to the encoder that it comes from: the levels
// of its two lines after an edge.
type Phase uint8

// The bits of Phase. PhaseSeen is set in an edge that was seen and not in
// levels that were found.
const (
	PhaseB Phase = 1 << iota // line B is active
	PhaseA                   // line A is active
	PhaseSeen
	PhaseKnown // it is an event of an encoder at all
)

// Event is one thing that happened. It is a plain value; Names and Fields
// belong to the sender, who may use them again as soon as Emit returns.
type Event struct {
	// Time is the kernel's stamp of the event where it gives one, else when
	// it was read: nanoseconds of CLOCK_MONOTONIC.
	Time time.Duration
	// Topic finds the rules. An event without a State finds none; its Press or
	// Phase may make one that does.
	Topic Topic
	// Source names the device or line that spoke: "gpio:power",
	// "input:/dev/input/event3", "uevent".
	Source string
	// Names are the names by which the configuration knows the device: what
	// `from` asks for.
	Names []string
	// Press is set for lines and keys, Phase for encoders.
	Press Press
	Phase Phase
	// Standing says what the event means to the state of what it is about.
	Standing Standing
	// Fields are what rules see, under upper-case names.
	Fields []Field
	// Private is set if Topic.Name must not be shown: a key of a password, say.
	Private bool
	// revealed are secret values that are no fields, and that strings were made
	// of for those who act on the event.
	revealed []string
	// Chain is set if a rule sent the event.
	Chain *Chain
	// Borrowed is set if the strings in Topic, Source and Fields are in memory
	// that is used again for other events, see Borrow. Whoever keeps one of them
	// copies it first, or clones the event. Events of buttons and encoders are
	// not borrowed: the recogniser keeps their strings.
	Borrowed bool
	// Owned is, of a borrowed event, how many of the first Fields have values that stay
	// as they are: then so do all names, Topic and Source. It is 0 where all is borrowed.
	Owned int
}

// Borrow returns b as a string without copying it. The string is valid until b
// is written to.
func Borrow(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// CopyStrings appends the strings of a borrowed event to buf, and makes e refer
// to them there. The array of e.Fields must be the caller's.
func (e *Event) CopyStrings(buf []byte) []byte {
	if e.Owned > 0 {
		return CopyValues(e.Fields[min(e.Owned, len(e.Fields)):], buf) // whoever keeps an event may have cut its fields
	}
	size := len(e.Topic.Name) + len(e.Topic.State) + len(e.Source)
	for i := range e.Fields {
		size += len(e.Fields[i].Name) + len(e.Fields[i].Value.text)
	}
	buf = slices.Grow(buf, size)
	room := buf[len(buf) : len(buf)+size]
	e.Topic.Name, room = copyString(room, e.Topic.Name)
	e.Topic.State, room = copyString(room, e.Topic.State)
	e.Source, room = copyString(room, e.Source)
	for i := range e.Fields {
		f := &e.Fields[i]
		f.Name, room = copyString(room, f.Name)
		if f.Value.text != "" {
			f.Value.text, room = copyString(room, f.Value.text)
		}
	}
	return buf[:len(buf)+size]
}

// CopyValues appends the values of fields to buf, and makes fields refer to them there.
func CopyValues(fields []Field, buf []byte) []byte {
	size := 0
	for i := range fields {
		size += len(fields[i].Value.text)
	}
	buf = slices.Grow(buf, size)
	room := buf[len(buf) : len(buf)+size]
	for i := range fields {
		if v := &fields[i].Value; v.text != "" {
			v.text, room = copyString(room, v.text)
		}
	}
	return buf[:len(buf)+size]
}

// copyString copies s to the beginning of room, and returns it and the rest of room.
func copyString(room []byte, s string) (string, []byte) {
	n := copy(room, s)
	return Borrow(room[:n]), room[n:]
}

// Overlay returns fields with those of more, each in the place of the one that
// has its name. It changes fields.
func Overlay(fields, more []Field) []Field {
	for _, m := range more {
		i := slices.IndexFunc(fields, func(f Field) bool { return f.Name == m.Name })
		if i < 0 {
			fields = append(fields, m)
		} else {
			fields[i] = m
		}
	}
	return fields
}

// Lookup returns the value of the field name.
func (e *Event) Lookup(name string) (Value, bool) {
	for i := range e.Fields {
		if e.Fields[i].Name == name {
			return e.Fields[i].Value, true
		}
	}
	return Value{}, false
}

// Clone returns a copy that shares nothing with the sender's buffers.
func (e *Event) Clone() *Event {
	c := *e
	c.Names = slices.Clone(e.Names)
	const more = 6 // fields that a rule may add
	c.Fields = append(make([]Field, 0, len(e.Fields)+more), e.Fields...)
	if c.Borrowed {
		c.CopyStrings(nil)
		c.Borrowed = false
	}
	return &c
}

// Field is one named value of an event.
type Field struct {
	Name  string // upper case, digits and _
	Value Value
}

// Value is a text or a whole number. Numbers are kept as such so that making
// an event and comparing its fields allocates nothing.
type Value struct {
	text   string
	number int64
	isText bool
	secret bool
	quoted bool // only while a condition looks at it: see quotes
}

// Text returns a text value.
func Text(s string) Value { return Value{text: s, isText: true} }

// Int returns a number.
func Int(n int64) Value { return Value{number: n} }

// Size returns how many bytes the text of a value takes, 0 for a number.
func (v Value) Size() int { return len(v.text) }

// Secret returns v as one that must not be shown in logs: rules and programs see
// it as any other.
func (v Value) Secret() Value {
	v.secret = true
	return v
}

// Like returns text as a value that is secret if v is.
func (v Value) Like(text string) Value { return Value{text: text, isText: true, secret: v.secret} }

// IsSecret reports whether it must not be shown.
func (v Value) IsSecret() bool { return v.secret }

// Shown returns the value as people may see it.
func (v Value) Shown() string {
	if v.secret {
		return hidden
	}
	return v.String()
}

// hidden stands in logs for what is secret.
const hidden = "***"

// String returns the value as programs see it in their environment.
func (v Value) String() string {
	if v.isText {
		return v.text
	}
	return strconv.FormatInt(v.number, 10)
}

// Append appends to b what String returns.
func (v Value) Append(b []byte) []byte {
	if v.isText {
		return append(b, v.text...)
	}
	return strconv.AppendInt(b, v.number, 10)
}

// Int returns the value as a number; a text counts if it is one in decimal.
func (v Value) Int() (int64, bool) {
	if !v.isText {
		return v.number, true
	}
	n, err := strconv.ParseInt(v.text, 10, 64)
	return n, err == nil
}

// Describe returns the event in a few words, for the log: "line bell pressed".
func (e *Event) Describe() string { return string(e.AppendDescription(nil)) }

// AppendDescription appends to b what Describe returns.
func (e *Event) AppendDescription(b []byte) []byte {
	b = append(b, e.Topic.Kind...)
	for _, word := range [...]string{e.ShownName(), e.Topic.State} {
		if word != "" {
			b = append(append(b, ' '), word...)
		}
	}
	return b
}

// ShownName returns Topic.Name as people may see it.
func (e *Event) ShownName() string {
	if e.Private {
		return hidden
	}
	return e.Topic.Name
}

// Reveal notes that a string is being made of v, which is no field of e: Conceal
// knows it from then on.
func (e *Event) Reveal(v Value) {
	if e == nil || !v.secret || slices.Contains(e.revealed, v.String()) {
		return
	}
	e.revealed = append(slices.Clip(e.revealed), v.String()) // copies of e share it
}

// Conceal returns text, which was made of e's fields and of what was revealed,
// without what is secret.
func (e *Event) Conceal(text string) string {
	for i := range e.Fields {
		if v := &e.Fields[i].Value; v.secret {
			text = conceal(text, v.String())
		}
	}
	for _, secret := range e.revealed {
		text = conceal(text, secret)
	}
	return text
}

func conceal(text, secret string) string {
	if secret == "" {
		return text
	}
	return strings.ReplaceAll(text, secret, hidden)
}

// Chain is a rule that sent an event, and what had led to its firing. What
// comes from outside has none.
type Chain struct {
	Rule   string
	Before *Chain // of the event that the rule fired upon; nil if that came from outside
	Waited bool   // the rule waited for something before it sent the event
}

// Cause is who gives an order that makes an event: a rule that runs. It is nil
// for who is outside.
type Cause interface {
	// Chain returns the Chain of what comes of the order.
	Chain() *Chain
}

// ChainOf returns the Chain of what c causes, nil if c is.
func ChainOf(c Cause) *Chain {
	if c == nil {
		return nil
	}
	return c.Chain()
}

// Find returns the latest link of c that is of the rule, nil if there is none.
func (c *Chain) Find(rule string) *Chain {
	for c != nil && c.Rule != rule {
		c = c.Before
	}
	return c
}

// Waits reports whether one of the rules of c waited.
func (c *Chain) Waits() bool {
	for c != nil && !c.Waited {
		c = c.Before
	}
	return c != nil
}
