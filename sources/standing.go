// SPDX-License-Identifier: MIT

// Standing: what events say of states, which last, and what triggers ask of
// how long they last.

package sources

import (
	"slices"
	"time"

	"reflexd/config"
)

// Standing is what an event says of a state: of something that lasts, such as
// a line that is on or a link that is down. The state is Topic.State, and for
// lines and keys what Press says.
type Standing uint8

// The values of Standing.
const (
	NoState Standing = iota
	// Begins: the state begins, and the one before it is over.
	Begins
	// Found: the state was there when it was first looked at. Only triggers
	// with at_start see the event. A source may send it again for what is known
	// already: that changes nothing.
	Found
	// Lapses: nobody knows the state any more, since the device is gone. If
	// another one is found when it is back, that one begins.
	Lapses
	// Vanishes: what had the state does not exist any more.
	Vanishes
)

// The states of lines and of whatever else is on or off.
const (
	On  = "on"
	Off = "off"
)

// OnOff returns On or Off.
func OnOff(on bool) string {
	if on {
		return On
	}
	return Off
}

// LastedMS is the field that says for how many milliseconds a state has lasted.
const LastedMS = "LASTED_MS"

// Lasting is what a trigger asks of a state beyond its beginning.
type Lasting struct {
	// For is how long it must last; Repeat fires again after that time, for as
	// long as it lasts. 0 for neither.
	For, Repeat time.Duration
	// AtStart says that a state counts, too, that was there before the trigger
	// was: at the start, or at the reload that brought the rule.
	AtStart bool
}

// LastingSpec reads a Lasting.
type LastingSpec struct {
	Lasting
	// UsuallyAtStart has AtStart be on by default, not only with For.
	UsuallyAtStart             bool
	forAt, repeatAt, atStartAt config.Pos
}

// Fields returns the YAML fields of l; states are the words of `is` that they
// go with, for the documentation.
func (l *LastingSpec) Fields(states string) []config.Field {
	return append([]config.Field{
		{Name: "for", Doc: "with " + states + ": it must last this long", Value: config.At(&l.forAt, config.Duration(&l.For))},
		{Name: "repeat", Doc: "with `for`: repeat after this time, while it lasts", Value: config.At(&l.repeatAt, config.Duration(&l.Repeat))},
	}, l.AtStartField())
}

// AtStartField returns the YAML field `at_start`.
func (l *LastingSpec) AtStartField() config.Field {
	usual := "off; on with for"
	if l.UsuallyAtStart {
		usual = "on"
	}
	return config.Field{Name: "at_start", Also: "startup initial retained", Doc: "a state counts, too, that is there at the start, or at the reload that brings the rule",
		Default: usual, Value: config.At(&l.atStartAt, config.Bool(&l.AtStart))}
}

// Compile makes t ask for l. isState says that all words of its `is` are
// states; if they are not, states names those that are.
func (l *LastingSpec) Compile(t *Trigger, isState bool, states string, ps *config.Problems) {
	switch {
	case l.given().Line == 0 && !(l.UsuallyAtStart && isState):
		return
	case !isState:
		l.Only("`is: "+states+"`", ps)
		return
	case l.Repeat != 0 && l.For == 0:
		ps.Errorf(l.repeatAt, "repeat goes with for")
	case l.Repeat != 0 && l.Repeat < shortestRepeat:
		ps.Errorf(l.repeatAt, "repeat: %v is too fast: at least %v", l.Repeat, shortestRepeat)
	}
	t.last(l.Lasting, l.atStartAt.Line != 0, l.UsuallyAtStart)
}

// Only complains of the fields of l, which go with something else.
func (l *LastingSpec) Only(with string, ps *config.Problems) {
	if at := l.given(); at.Line != 0 {
		ps.Errorf(at, "for, repeat and at_start go with %s only", with)
	}
}

// CheckForOnly complains of the fields of l but `for`, which goes with states
// in another sense.
func (l *LastingSpec) CheckForOnly(states string, ps *config.Problems) {
	for _, at := range []config.Pos{l.repeatAt, l.atStartAt} {
		if at.Line != 0 {
			ps.Errorf(at, "repeat and at_start do not go with %s", states)
			return
		}
	}
}

// given returns where the first of the fields of l stands; without a line if none does.
func (l *LastingSpec) given() config.Pos {
	for _, at := range []config.Pos{l.forAt, l.repeatAt, l.atStartAt} {
		if at.Line != 0 {
			return at
		}
	}
	return config.Pos{}
}

// last makes t ask for l, whose AtStart is by default what For makes of it, or on.
func (t *Trigger) last(l Lasting, atStartGiven, usually bool) {
	if !atStartGiven {
		l.AtStart = l.For > 0 || usually
	}
	t.Lasting = l
	for _, field := range []string{LastedMS, "SYNTHETIC"} {
		if t.Fields != nil && l != (Lasting{}) && !slices.Contains(t.Fields, field) {
			t.Fields = append(slices.Clip(t.Fields), field)
		}
	}
}
