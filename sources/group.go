// SPDX-License-Identifier: MIT

// Groups: triggers on several buttons that act as one, chords and sequences.

package sources

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"reflexd/config"
)

// sequenceWindow is how long typing a sequence may take where its trigger says
// nothing.
const sequenceWindow = 2 * time.Second

// GroupTrigger is the part of a trigger that says what must happen to several
// buttons: the same for lines and keys.
type GroupTrigger struct {
	is       []string
	at       config.Pos
	together bool
	inOrder  bool
	within   time.Duration
	hold     Hold
	members  string
}

// What `members` says.
const (
	silent = "silent"
	heard  = "heard"
)

// Fields returns the YAML fields of g.
func (g *GroupTrigger) Fields() []config.Field {
	g.members = silent
	word := func(s *string) config.Value { return config.OneOf(s, Pressed, Released, Held) }
	return []config.Field{
		{Name: "together", Doc: "a chord: all of them are down, pressed in any order",
			Default: "off", Value: config.Bool(&g.together)},
		{Name: "in_order", Doc: "a sequence: they are pressed one after the other",
			Default: "off", Value: config.Bool(&g.inOrder)},
		{Name: "is", Doc: "what happened, one or a list; for a sequence only `pressed`", Required: true,
			Value: config.At(&g.at, config.OneOrMore(&g.is, word))},
		{Name: "within", Doc: fmt.Sprintf("maximum time from the first press to the last; default: `chord_window` (%v) for a chord, %v for a sequence",
			DefaultTiming.ChordWindow, sequenceWindow),
			Value: config.Duration(&g.within)},
		{Name: "for", Doc: "with held: for how long; default: `hold`", Value: config.Duration(&g.hold.For)},
		{Name: "repeat", Doc: "with held: repeat after this time", Value: config.Duration(&g.hold.Repeat)},
		{Name: "members", Doc: "silent: a press that becomes part of the chord fires no rule of its member, so each press waits until that is decided; heard: members fire at once",
			Default: silent, Value: config.OneOf(&g.members, silent, heard)},
	}
}

// InOrder reports whether g is a sequence.
func (g *GroupTrigger) InOrder() bool { return g.inOrder }

// Compile adds to t the topics of kind, and what the recogniser must know of
// the buttons of memberKind called names. from is as in Want.
func (g *GroupTrigger) Compile(t *Trigger, kind, memberKind string, names []string, from string, ps *config.Problems) {
	if !g.check(t, names, ps) {
		return
	}
	want := Want{Kind: kind, From: from, Group: &Group{
		Kind: memberKind, Members: slices.Clone(names), InOrder: g.inOrder, Within: g.within, Heard: g.members == heard,
	}}
	if g.inOrder && g.within == 0 {
		want.Group.Within = sequenceWindow
	}
	if !g.inOrder {
		slices.Sort(want.Group.Members)
	}
	want.Name = want.label()
	for _, state := range g.is {
		if state == Held {
			want.Holds = []Hold{g.hold}
			state = g.hold.State()
		}
		t.Topics = append(t.Topics, Topic{kind, want.Name, state})
	}
	t.Wants = append(t.Wants, want)
	if !slices.Contains(g.is, Released) && !slices.Contains(g.is, Held) {
		t.Fields = slices.DeleteFunc(slices.Clone(t.Fields), func(name string) bool { return name == HeldMS })
	}
}

// label returns a name that groups share only if they are the same.
func (w *Want) label() string {
	between := "+"
	if w.Group.InOrder {
		between = " "
	}
	name := strings.Join(w.Group.Members, between)
	if w.Group.Within > 0 {
		name += " within " + w.Group.Within.String()
	}
	if w.From != "" {
		name += " from " + w.From
	}
	if w.Group.Heard {
		name += " " + heard
	}
	return name
}

func (g *GroupTrigger) check(t *Trigger, names []string, ps *config.Problems) bool {
	only := func(state string) bool {
		return !slices.ContainsFunc(g.is, func(s string) bool { return s != state })
	}
	sorted := slices.Sorted(slices.Values(names))
	switch {
	case g.together == g.inOrder:
		ps.Errorf(t.Pos, "write either `together: true`, a chord, or `in_order: true`, a sequence")
	case len(names) < 2:
		ps.Errorf(t.Pos, "a chord or a sequence needs a list of two or more")
	case g.together && len(slices.Compact(sorted)) < len(names):
		ps.Errorf(t.Pos, "the list names one twice: a chord needs different ones")
	case slices.Contains(g.is, ""): // which was complained of
	case g.inOrder && !only(Pressed):
		ps.Errorf(g.at, "a sequence can be `pressed` only")
	case g.inOrder && g.members == heard:
		ps.Errorf(t.Pos, "members goes with a chord: those of a sequence are always heard")
	case g.hold != Hold{} && !slices.Contains(g.is, Held):
		ps.Errorf(g.at, "for and repeat go with `is: held` only")
	case g.hold.Repeat != 0 && g.hold.Repeat < shortestRepeat:
		ps.Errorf(g.at, "repeat: %v is too fast: at least %v", g.hold.Repeat, shortestRepeat)
	default:
		return true
	}
	return false
}
