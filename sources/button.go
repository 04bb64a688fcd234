// SPDX-License-Identifier: MIT

// Button: what triggers on lines and on keys have in common.

package sources

import (
	"fmt"
	"slices"
	"time"

	"reflexd/config"
)

// The states of a button, as Topic.State bears them and `is` asks for them.
// Clicks of more than three and holds of a given length have states of their
// own: see ClickState and Hold.State.
const (
	Pressed       = "pressed"
	Released      = "released"
	Repeated      = "repeated"
	Clicked       = "clicked"
	DoubleClicked = "double-clicked"
	TripleClicked = "triple-clicked"
	Held          = "held"
)

// ButtonStates are the words that `is` takes for any button.
var ButtonStates = []string{Pressed, Released, Clicked, DoubleClicked, TripleClicked, Held}

// The fields of gestures.
const (
	// HeldMS says of released and held events for how many milliseconds the
	// button was down.
	HeldMS = "HELD_MS"
	// Clicks says of clicks how many there were.
	Clicks = "CLICKS"
	// Others says how many other keys of the device were down, of those that
	// are listened to.
	Others = "OTHERS"
)

// MostClicks bounds `times`.
const MostClicks = 20

// ClickState returns the state of so many clicks.
func ClickState(n int) string {
	switch n {
	case 1:
		return Clicked
	case 2:
		return DoubleClicked
	case 3:
		return TripleClicked
	}
	return fmt.Sprintf("%s %d times", Clicked, n)
}

// Timing is the spans by which gestures are told apart. A zero is none of its
// own: that of the next wider scope counts.
type Timing struct {
	// ClickGap is the longest pause between two clicks that belong together.
	ClickGap time.Duration
	// Hold is how long a press lasts to be `held` without `for`.
	Hold time.Duration
	// ChordWindow is how far apart the keys of a chord may be pressed.
	ChordWindow time.Duration
}

// DefaultTiming is what counts where the configuration says nothing.
var DefaultTiming = Timing{ClickGap: 300 * time.Millisecond, Hold: time.Second, ChordWindow: 100 * time.Millisecond}

// Or returns t with its zeros replaced by wider's.
func (t Timing) Or(wider Timing) Timing {
	or := func(a, b time.Duration) time.Duration {
		if a == 0 {
			return b
		}
		return a
	}
	return Timing{or(t.ClickGap, wider.ClickGap), or(t.Hold, wider.Hold), or(t.ChordWindow, wider.ChordWindow)}
}

// ButtonFields returns the YAML fields of a button's own Timing.
func (t *Timing) ButtonFields() []config.Field {
	return []config.Field{
		{Name: "click_gap", Doc: "the longest pause between two clicks of a double click",
			Default: DefaultTiming.ClickGap.String(), Value: config.Duration(&t.ClickGap)},
		{Name: "hold", Doc: "how long a press lasts to be `held` without `for`",
			Default: DefaultTiming.Hold.String(), Value: config.Duration(&t.Hold)},
	}
}

// Hold is one stage of being held.
type Hold struct {
	For    time.Duration // 0: as the button's Timing has it
	Repeat time.Duration // then again and again after so long; 0 for once
}

// State returns the state that the stage is emitted under: "held", "held 3s",
// "held 1s every 200ms".
func (h Hold) State() string {
	s := Held
	if h.For > 0 {
		s += " " + h.For.String()
	}
	if h.Repeat > 0 {
		s += " every " + h.Repeat.String()
	}
	return s
}

// Want is what a trigger asks of the recogniser beyond presses and releases.
type Want struct {
	// Button is the Topic.Kind and Topic.Name of the button, or what Group is
	// emitted under.
	Kind, Name string
	// From is the name of the device that it must belong to; "" for any.
	From string
	// Clicks is how many clicks the trigger waits for; 0 if for none.
	Clicks int
	// Holds are the stages that it waits for.
	Holds []Hold
	// Group makes a button of several; nil for a single one.
	Group *Group
	// Encoder is set if it is no button but an encoder.
	Encoder *Encoder
}

// Group is several buttons that act as one: a chord or a typed sequence.
type Group struct {
	Kind    string   // Topic.Kind of the members
	Members []string // their Topic.Names
	InOrder bool     // a sequence, else a chord
	// Within is how far apart the first and the last press may be; 0: as the
	// Timing has it.
	Within time.Duration
	// Heard lets the members of a chord match on their own too.
	Heard bool
}

// Button is the part of a trigger that says what must happen to a button. It
// asks for what the recogniser finds out, so the same holds for lines and
// keys.
type Button struct {
	Is []string
	is config.Pos
	// After and Before bound how long the button was down; 0 for no bound.
	After, Before time.Duration
	hold          Hold
	times         int
	onOff         bool // `is` takes on and off, too
	lasting       LastingSpec
}

// Fields returns the YAML fields of b, after those before. states are the words that
// `is` takes.
func (b *Button) Fields(before []config.Field, states ...string) []config.Field {
	word := func(s *string) config.Value { return config.OneOf(s, states...) }
	holdDoc, repeatDoc := "with held: for how long; default: `hold`", "with held: repeat after this time, while it stays down"
	if b.onOff = slices.Contains(states, On); b.onOff {
		holdDoc = "with held, on and off: for how long; default of held: `hold`"
		repeatDoc = "with held, on and off: repeat after this time, while it lasts"
	}
	const more = 3 // that callers add
	fields := append(slices.Grow(before, 6+more),
		config.Field{Name: "is", Doc: "what happened, one or a list", Required: true,
			Value: config.At(&b.is, config.OneOrMore(&b.Is, word))},
		config.Field{Name: "for", Doc: holdDoc,
			Value: config.Duration(&b.hold.For)},
		config.Field{Name: "repeat", Doc: repeatDoc,
			Value: config.Duration(&b.hold.Repeat)},
		config.Field{Name: "times", Doc: "with clicked: how many clicks",
			Value: config.Int(&b.times, 1, MostClicks)},
		config.Field{Name: "after", Doc: "with released: it was down for at least this long",
			Value: config.Duration(&b.After)},
		config.Field{Name: "before", Doc: "with released: it was down for less than this",
			Value: config.Duration(&b.Before)},
	)
	if b.onOff {
		fields = append(fields, b.lasting.AtStartField())
	}
	return fields
}

// IsState reports whether b asks for on and off only.
func (b *Button) IsState() bool {
	return len(b.Is) > 0 && !slices.ContainsFunc(b.Is, func(s string) bool { return s != On && s != Off })
}

// shortestRepeat is the shortest time between two firings of a button that
// is held: faster than any rule is of use, and slow enough to be bearable.
const shortestRepeat = 10 * time.Millisecond

// Compile adds to t the topics of kind that concern names, what the recogniser
// must know for them, and the bounds. from is as in Want.
func (b *Button) Compile(t *Trigger, kind string, names []string, from string, ps *config.Problems) {
	b.check(ps)
	for _, name := range names {
		want := Want{Kind: kind, Name: name, From: from}
		for _, state := range b.Is {
			switch state {
			case Clicked, DoubleClicked, TripleClicked:
				n := b.clicks(state)
				want.Clicks = max(want.Clicks, n)
				state = ClickState(n)
			case Held:
				want.Holds = []Hold{b.hold}
				state = b.hold.State()
			}
			t.Topics = append(t.Topics, Topic{kind, name, state})
		}
		if !b.IsState() {
			t.Wants = append(t.Wants, want)
		}
	}
	t.Fields = slices.DeleteFunc(slices.Clone(t.Fields), func(name string) bool {
		return name == HeldMS && !b.asks(Released, Held) || name == Clicks && !b.asks(Clicked, DoubleClicked, TripleClicked)
	})
	if b.After != 0 || b.Before != 0 {
		t.Select(b.heldLongEnough)
	}
	if b.IsState() {
		t.last(Lasting{b.hold.For, b.hold.Repeat, b.lasting.AtStart}, b.lasting.atStartAt.Line != 0, false)
	}
}

// clicks returns how many clicks the state stands for.
func (b *Button) clicks(state string) int {
	switch state {
	case DoubleClicked:
		return 2
	case TripleClicked:
		return 3
	}
	return max(1, b.times)
}

// asks reports whether b waits for one of states.
func (b *Button) asks(states ...string) bool {
	return slices.ContainsFunc(b.Is, func(s string) bool { return slices.Contains(states, s) })
}

// only reports whether b waits for nothing but state.
func (b *Button) only(state string) bool {
	return !slices.ContainsFunc(b.Is, func(s string) bool { return s != state })
}

func (b *Button) check(ps *config.Problems) {
	switch {
	case len(b.Is) == 0 || slices.Contains(b.Is, ""): // which was complained of
	case (b.After != 0 || b.Before != 0) && !b.only(Released):
		ps.Errorf(b.is, "after and before go with `is: released` only")
	case b.IsState() && b.hold.Repeat != 0 && b.hold.For == 0:
		ps.Errorf(b.is, "repeat goes with for")
	case b.hold != Hold{} && !b.only(Held) && !b.IsState() && b.onOff:
		ps.Errorf(b.is, "for and repeat go with held, and with the states on and off: "+
			"write `is: held` for a button that is held down, `is: on` or `is: off` for a line that stays so")
	case b.hold != Hold{} && !b.only(Held) && !b.IsState():
		ps.Errorf(b.is, "for and repeat go with held: write `is: held` for a key that is held down")
	case b.lasting.atStartAt.Line != 0 && !b.IsState():
		ps.Errorf(b.lasting.atStartAt, "at_start goes with `is: on` and off only: a button that is down at the start must be released first")
	case b.times != 0 && !b.only(Clicked):
		ps.Errorf(b.is, "times goes with `is: clicked` only")
	case b.Before != 0 && b.Before <= b.After:
		ps.Errorf(b.is, "before: %v is not more than after: %v: this can never fire", b.Before, b.After)
	case b.hold.Repeat != 0 && b.hold.Repeat < shortestRepeat:
		ps.Errorf(b.is, "repeat: %v is too fast: at least %v", b.hold.Repeat, shortestRepeat)
	}
}

// CheckHold complains of a hold that is over before the debounce is.
func (b *Button) CheckHold(debounce time.Duration, ps *config.Problems) {
	if b.asks(Held) && b.hold.For > 0 && b.hold.For < debounce {
		ps.Errorf(b.is, "held for %v is shorter than the debounce of %v: every press would be a hold", b.hold.For, debounce)
	}
}

func (b *Button) heldLongEnough(e *Event) bool {
	v, _ := e.Lookup(HeldMS)
	ms, ok := v.Int()
	held := time.Duration(ms) * time.Millisecond
	return ok && held >= b.After && (b.Before == 0 || held < b.Before)
}

// FromField returns the YAML field `from`: the name of the declared device
// that an event must come from.
func FromField(from *Ref) config.Field {
	return config.Field{
		Name: "from", Doc: "the declared device that it must come from; default: any",
		Value: RefValue("a name")(from),
	}
}

// RestrictFrom makes t match only events of the device declared as from; ""
// is any.
func (t *Trigger) RestrictFrom(from string) {
	if from != "" {
		t.Select(func(e *Event) bool { return slices.Contains(e.Names, from) })
	}
}

// The states of an encoder, and the fields of its events.
const (
	Clockwise        = "clockwise"
	CounterClockwise = "counter-clockwise"
	// Direction is the state again, for programs.
	Direction = "DIRECTION"
	// Steps is how far it was turned; where events of a rule that runs are
	// coalesced, it is the sum of theirs. Sources send it without a sign for an
	// encoder; a rule on both directions sees one.
	Steps = "STEPS"
)

// Encoder is the make of a rotary encoder.
type Encoder struct {
	// Edges is how many edges of its two lines make a step: 4, 2 or 1.
	Edges int
	// Steps is steps per event.
	Steps int
}
