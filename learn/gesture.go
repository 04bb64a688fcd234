// SPDX-License-Identifier: MIT

// What was done to a button: the words of `is` for it.

package learn

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"reflexd/sources"
)

// stroke is one press of a button.
type stroke struct {
	button   string
	down, up time.Duration // up is 0 if that was not seen
}

func (s *stroke) span() time.Duration { return s.up - s.down }

// gesture is what strokes of one button amount to.
type gesture struct {
	words string // "was pressed and released"
	is    []choice
}

// gestureOf returns the gesture of strokes, of which there is one at least.
// What is asked for first is what was done.
func gestureOf(strokes []stroke) gesture {
	last, n := strokes[len(strokes)-1], len(strokes)
	pressed := choice{"is: pressed", ""}
	released := choice{"is: released", ""}
	held := choice{"is: held, for: 1s", ""}
	clicked := choice{"is: clicked", "pressed and soon released"}
	switch {
	case last.up == 0:
		return gesture{"was pressed and held down", []choice{pressed, held, released}}
	case n == 1 && last.span() >= sources.DefaultTiming.Hold:
		whole := last.span().Truncate(time.Second)
		held.yaml = "is: held, for: " + whole.String()
		return gesture{fmt.Sprintf("was held for %v", last.span().Round(100*time.Millisecond)), []choice{held, pressed, released}}
	case n == 1:
		return gesture{"was pressed and released", []choice{pressed, clicked, held, released}}
	case n > sources.MostClicks || !clicks(strokes):
		return gesture{fmt.Sprintf("was pressed and released %d times", n), []choice{pressed, clicked, held}}
	case n <= 3:
		word := sources.ClickState(n)
		return gesture{"was " + word, []choice{{"is: " + word, ""}, pressed, clicked}}
	}
	return gesture{fmt.Sprintf("was clicked %d times", n), []choice{{fmt.Sprintf("is: clicked, times: %d", n), ""}, pressed}}
}

// clicks reports whether strokes follow each other as the clicks of a double
// click do.
func clicks(strokes []stroke) bool {
	for i := range strokes {
		if strokes[i].span() >= sources.DefaultTiming.Hold || i > 0 && strokes[i].down-strokes[i-1].up > sources.DefaultTiming.ClickGap {
			return false
		}
	}
	return true
}

// whens returns the triggers that begin with what for the words of is.
func whens(what, from string, is []choice) []choice {
	var all []choice
	for _, c := range is {
		all = append(all, choice{what + ", " + c.yaml + from, c.why})
	}
	return all
}

// strokes returns the presses of keys in the order of their beginnings.
func (b *Burst) strokes() []stroke {
	var all []stroke
	for _, e := range b.events {
		switch e.Topic.State {
		case sources.Pressed:
			all = append(all, stroke{button: e.Topic.Name, down: e.Time})
		case sources.Released:
			for i := len(all) - 1; i >= 0; i-- {
				if all[i].button == e.Topic.Name {
					if all[i].up == 0 {
						all[i].up = e.Time
					}
					break
				}
			}
		}
	}
	return all
}

// keysDown returns the keys that are down at the end.
func (b *Burst) keysDown() []string {
	var down []string
	for _, s := range b.strokes() {
		if s.up == 0 {
			down = append(down, s.button)
		}
	}
	return down
}

// buttons returns the buttons of strokes, each once.
func buttons(strokes []stroke) []string {
	var names []string
	for _, s := range strokes {
		if !slices.Contains(names, s.button) {
			names = append(names, s.button)
		}
	}
	return names
}

// chord reports whether all buttons were down at the same time, each pressed
// once, and how far apart the first and the last press were.
func chord(strokes []stroke) (spread time.Duration, ok bool) {
	last := strokes[len(strokes)-1].down
	for _, s := range strokes {
		if s.up != 0 && s.up <= last {
			return 0, false
		}
	}
	return last - strokes[0].down, len(buttons(strokes)) == len(strokes)
}

// mostKeys is how many keys a fragment names.
const mostKeys = 12

// keys concludes what was done with the keys of a device.
func (b *Burst) keys(w *World) []*fragment {
	strokes := b.strokes()
	if len(strokes) == 0 { // the release of what was told of already
		return nil
	}
	d := w.device(b.of, text(b.events[0], "NAME"))
	inputs, name := w.declared(d)
	from := ", from: " + name
	names := buttons(strokes)
	f := &fragment{kind: "keys", rules: []rule{{log: "${KEY} of ${NAME}"}}}
	r := &f.rules[0]
	if len(names) == 1 {
		g := gestureOf(strokes)
		f.kind, f.what = "key", fmt.Sprintf("%s of %s %s.", names[0], nameOf(d), g.words)
		r.whens = whens("key: "+names[0], from, g.is)
		r.whens = append(r.whens, choice{"key: " + names[0] + ", " + g.is[0].yaml, "of any device"})
		inputs.choices = append(inputs.choices, choice{"{has: " + names[0] + "}", "any that has the key"})
		f.sections = []section{inputs}
		return []*fragment{f}
	}
	some := names[:min(len(names), mostKeys)]
	any := choice{"key: " + list(some) + ", is: pressed" + from, "any of them"}
	if spread, ok := chord(strokes); ok && len(names) == len(some) {
		f.what = fmt.Sprintf("%s of %s were pressed together.", strings.Join(names, " and "), nameOf(d))
		together := "keys: " + list(names) + ", together: true, is: pressed" + within(spread, sources.DefaultTiming.ChordWindow)
		r.whens = []choice{{together + from, ""}, any}
	} else {
		f.what = fmt.Sprintf("%d keys of %s were pressed: %s.", len(names), nameOf(d), strings.Join(some, ", "))
		r.whens = []choice{any, inOrder(strokes, from)}
	}
	f.sections = []section{inputs}
	return []*fragment{f}
}

// inOrder returns the trigger for the sequence that was typed.
func inOrder(strokes []stroke, from string) choice {
	var typed []string
	strokes = strokes[:min(len(strokes), mostKeys)]
	for _, s := range strokes {
		typed = append(typed, s.button)
	}
	spread := strokes[len(strokes)-1].down - strokes[0].down
	const usual = 2 * time.Second // of a sequence without `within`
	return choice{"keys: " + list(typed) + ", in_order: true, is: pressed" + within(spread, usual) + from, "in this order"}
}

// within returns the field for what took longer than the usual time.
func within(spread, usual time.Duration) string {
	if spread < usual {
		return ""
	}
	const step = 100 * time.Millisecond
	return ", within: " + (spread.Truncate(step) + 2*step).String()
}

// switches concludes what was done with the switches of a device.
func (b *Burst) switches(w *World) []*fragment {
	last := b.events[len(b.events)-1]
	d := w.device(b.of, text(last, "NAME"))
	inputs, name := w.declared(d)
	f := &fragment{kind: "switch", sections: []section{inputs}}
	f.what = fmt.Sprintf("%s of %s was switched %s.", last.Topic.Name, nameOf(d), last.Topic.State)
	what := "switch: " + last.Topic.Name + ", is: "
	f.rules = []rule{{
		whens: []choice{
			{what + last.Topic.State + ", from: " + name, ""},
			{what + "changed, from: " + name, "on and off"},
			{what + last.Topic.State, "of any device"},
		},
		log: "${SWITCH} is ${VALUE}",
	}}
	return []*fragment{f}
}
