// SPDX-License-Identifier: MIT

// The reference page of gestures: its diagrams are made by the recogniser.

package gesture

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"reflexd/sources"
)

var update = flag.Bool("update", false, "draw the diagrams of the reference page anew")

const page = "../../docs/reference/gestures.md"

// column is the time that one character of a diagram stands for.
const column = 50 * ms

// A diagram is a block of the page that says what rules wait for, and then has
// a row for each button: _ is up, # is down, x is the moment when its device is
// pulled out. The rows below are what the recogniser makes of it.
func TestPageShowsWhatTheRecogniserDoes(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	count := 0
	for rest := string(text); ; {
		before, after, found := strings.Cut(rest, "```timing\n")
		out.WriteString(before)
		if !found {
			break
		}
		block, after, closed := strings.Cut(after, "```\n")
		if !closed {
			t.Fatal("a diagram is not closed")
		}
		out.WriteString("```timing\n" + draw(t, block) + "```\n")
		rest = after
		count++
	}
	switch {
	case count < 10:
		t.Errorf("found only %d diagrams", count)
	case *update:
		if err := os.WriteFile(page, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	case out.String() != string(text):
		t.Errorf("the diagrams are not what the recogniser does; draw them with\ngo test ./agent/gesture -run Page -update\nand look:\n%s", out.String())
	}
}

// track is one line of a diagram.
type track struct{ name, marks string }

// draw returns the block with the rows of gestures that belong to its buttons.
func draw(t *testing.T, block string) string {
	t.Helper()
	lines := strings.Split(strings.TrimRight(block, "\n"), "\n")
	waits, ok := strings.CutPrefix(lines[0], "rules wait for: ")
	if !ok {
		t.Fatalf("a diagram begins with %q", lines[0])
	}
	var buttons []track
	for _, l := range lines[1:] {
		if name, wave, _ := strings.Cut(l, " "); strings.Trim(strings.TrimSpace(wave), "_#x") == "" {
			buttons = append(buttons, track{name, strings.TrimSpace(wave)})
		}
	}
	rows := append(slices.Clone(buttons), gestures(t, strings.Split(waits, ", "), buttons)...)
	width := 0
	for _, r := range rows {
		width = max(width, len(r.name))
	}
	var out strings.Builder
	fmt.Fprintln(&out, lines[0])
	for _, r := range rows {
		fmt.Fprintf(&out, "%-*s  %s\n", width, r.name, r.marks)
	}
	return out.String()
}

// gestures plays the rows of buttons and returns a row for each gesture.
func gestures(t *testing.T, waits []string, buttons []track) []track {
	var rows []track
	mark := func(e *sources.Event) {
		name := e.Topic.State
		if len(buttons) > 1 {
			name = e.Topic.Name + " " + name
		}
		i := slices.IndexFunc(rows, func(r track) bool { return r.name == name })
		if i < 0 {
			i = len(rows)
			rows = append(rows, track{name: name})
		}
		at := int(e.Time/column) - len(rows[i].marks)
		rows[i].marks += strings.Repeat(" ", max(0, at)) + "^"
	}
	r := New(wantsOf(t, waits, buttons), timing, mark)
	for i := range buttons[0].marks {
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
func edgeOf(b track, i int) (sources.Event, bool) {
	was := byte('_')
	if i > 0 {
		was = b.marks[i-1]
	}
	e := sources.Event{Time: time.Duration(i) * column, Topic: sources.Topic{Kind: "key", Name: b.name}, Source: "input:keyboard"}
	switch is := b.marks[i]; {
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
func wantsOf(t *testing.T, waits []string, buttons []track) []sources.Want {
	t.Helper()
	var wants []sources.Want
	for _, text := range waits {
		words := strings.Fields(text)
		w := sources.Want{Kind: "key", Name: buttons[0].name}
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
