// SPDX-License-Identifier: MIT

// The reference page of gestures: its diagrams are made by the recogniser.

package gesture

import (
	"flag"
	"slices"
	"strings"
	"testing"
	"time"

	"reflexd/agent/diagram"
	"reflexd/sources"
)

var update = flag.Bool("update", false, "draw the diagrams of the reference page anew")

const page = "../../docs/reference/gestures.md"

// column is the time that one character of a diagram stands for.
const column = diagram.Column

// A diagram says what rules wait for, and then has a row for each button: _ is
// up, # is down, x is the moment when its device is pulled out. The rows below
// are what the recogniser makes of it.
func TestPageShowsWhatTheRecogniserDoes(t *testing.T) {
	diagram.Check(t, page, 10, *update, func(block string) string { return draw(t, block) })
}

// draw returns the block with the rows of gestures that belong to its buttons.
func draw(t *testing.T, block string) string {
	t.Helper()
	header, rows := diagram.Read(block)
	waits, ok := strings.CutPrefix(header, "rules wait for: ")
	if !ok {
		t.Fatalf("a diagram begins with %q", header)
	}
	buttons := slices.DeleteFunc(rows, func(r diagram.Row) bool { return strings.Trim(r.Marks, "_#x") != "" })
	return diagram.Format(header, append(slices.Clone(buttons), gestures(t, strings.Split(waits, ", "), buttons)...))
}

// gestures plays the rows of buttons and returns a row for each gesture.
func gestures(t *testing.T, waits []string, buttons []diagram.Row) []diagram.Row {
	var rows []diagram.Row
	mark := func(e *sources.Event) {
		name := e.Topic.State
		if len(buttons) > 1 {
			name = e.Topic.Name + " " + name
		}
		i := slices.IndexFunc(rows, func(r diagram.Row) bool { return r.Name == name })
		if i < 0 {
			i = len(rows)
			rows = append(rows, diagram.Row{Name: name})
		}
		rows[i].Mark(int(e.Time/column), "^")
	}
	r := New(wantsOf(t, waits, buttons), timing, mark)
	for i := range buttons[0].Marks {
		for _, b := range buttons {
			if e, ok := edgeOf(b, i); ok {
				r.Next(&e)
			}
		}
		r.Advance(time.Duration(i+1)*column - 1)
	}
	r.Advance(time.Hour)
	return rows
}

func timing(_, _ string) sources.Timing { return sources.DefaultTiming }

// edgeOf returns what happens to the button at the beginning of column i.
func edgeOf(b diagram.Row, i int) (sources.Event, bool) {
	was := byte('_')
	if i > 0 {
		was = b.Marks[i-1]
	}
	e := sources.Event{Time: time.Duration(i) * column, Topic: sources.Topic{Kind: "key", Name: b.Name}, Source: "input:keyboard"}
	switch is := b.Marks[i]; {
	case is == was:
		return e, false
	case is == '#':
		e.Press = sources.Down
	case is == 'x':
		e.Press = sources.Ended
	case was == '#':
		e.Press = sources.Up
	default:
		return e, false
	}
	return e, true
}

// wantsOf reads "double-clicked", "held 1s", "A held 1s", "A+B pressed".
func wantsOf(t *testing.T, waits []string, buttons []diagram.Row) []sources.Want {
	t.Helper()
	var wants []sources.Want
	for _, text := range waits {
		words := strings.Fields(text)
		w := sources.Want{Kind: "key", Name: buttons[0].Name}
		if len(buttons) > 1 {
			w.Name, words = words[0], words[1:]
		}
		for between, order := range map[string]bool{"+": false, ">": true} {
			if members := strings.Split(w.Name, between); len(members) > 1 {
				w.Kind = "keys"
				w.Group = &sources.Group{Kind: "key", Members: members, InOrder: order}
				if order {
					w.Group.Within = 2 * time.Second
				}
			}
		}
		switch state := strings.Join(words, " "); {
		case state == sources.Held:
			w.Holds = []sources.Hold{{}}
		case words[0] == sources.Held:
			h := sources.Hold{For: span(t, words[1])}
			if len(words) > 3 {
				h.Repeat = span(t, words[3])
			}
			w.Holds = []sources.Hold{h}
		default:
			for n := range sources.MostClicks {
				if sources.ClickState(n+1) == state {
					w.Clicks = n + 1
				}
			}
		}
		wants = append(wants, w)
	}
	return wants
}

func span(t *testing.T, s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
