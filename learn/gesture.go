// SPDX-License-Identifier: MIT

// What was done to a button: the words of `is` for it.

package learn

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"reflexd/sources"
	"reflexd/sources/input"
)

// stroke is one press of a button.
type stroke struct {
	button   string
	down, up time.Duration // up is 0 if that was not seen
}

func (s *stroke) span() time.Duration { return s.up - s.down }

// gestureOf returns in words what strokes of one button amount to, of which
// there is one at least, and what `is` may ask for: first what was done.
func gestureOf(strokes []stroke) (words, is string) {
	const clicked = "\nclicked\tpressed and soon released"
	last, n := strokes[len(strokes)-1], len(strokes)
	switch times := strconv.Itoa(n); {
	case last.up == 0:
		return "was pressed and held down", "pressed\nheld, for: 1s\nreleased"
	case n == 1 && last.span() >= sources.DefaultTiming.Hold:
		return "was held for " + last.span().Round(100*time.Millisecond).String(),
			"held, for: " + last.span().Truncate(time.Second).String() + "\npressed\nreleased"
	case n == 1:
		return "was pressed and released", "pressed" + clicked + "\nheld, for: 1s\nreleased"
	case n > sources.MostClicks || !clicks(strokes):
		return "was pressed and released " + times + " times", "pressed" + clicked + "\nheld, for: 1s"
	case n <= 3:
		word := sources.ClickState(n)
		return "was " + word, word + "\npressed" + clicked
	default:
		return "was clicked " + times + " times", "clicked, times: " + times + "\npressed"
	}
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
	if len(strokes) == 0 { // the release of what was printed already
		return nil
	}
	d := w.device(b.of, text(b.events[0], "NAME"))
	names := buttons(strokes)
	if len(names) == 1 {
		return []*fragment{oneKey(w, d, names[0], strokes)}
	}
	some := list(names[:min(len(names), mostKeys)])
	any := fill("key: %, is: pressed\tany of them", some)
	f := newFragment("keys", "% of % were pressed.", strings.Trim(some, "[]"), nameOf(d))
	from := f.input(w, d, "")
	first, second := any, inOrder(strokes)
	if spread, ok := chord(strokes); ok && len(names) <= mostKeys {
		together := fill("keys: %, together: true, is: pressed", some) + within(spread, sources.DefaultTiming.ChordWindow)
		first, second = together+"\tall together", any
	}
	f.rule("%, from: "+from, first+"\n"+second)
	f.log("${KEY} of ${NAME}")
	return []*fragment{f}
}

// oneKey concludes what was done with the only key that was pressed.
func oneKey(w *World, d *input.Device, key string, strokes []stroke) *fragment {
	words, is := gestureOf(strokes)
	f := newFragment("key", "% of % %.", key, nameOf(d), words)
	has := "\n{has: " + key + "}\tany that has the key"
	if strings.Contains(key, ":") { // a scancode, which devices do not list
		has = ""
	}
	from := f.input(w, d, has)
	what := "key: " + key + ", is: %"
	f.rule(what+", from: "+from, is)
	is, _, _ = strings.Cut(is, "\n")
	f.other(what, is+"\tof any device")
	f.log("${KEY} of ${NAME}")
	return f
}

// inOrder returns the trigger for the sequence that was typed.
func inOrder(strokes []stroke) string {
	var typed []string
	strokes = strokes[:min(len(strokes), mostKeys)]
	for _, s := range strokes {
		typed = append(typed, s.button)
	}
	spread := strokes[len(strokes)-1].down - strokes[0].down
	const usual = 2 * time.Second // of a sequence without `within`
	return fill("keys: %, in_order: true, is: pressed%\tin this order", list(typed), within(spread, usual))
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
	name, state := last.Topic.Name, last.Topic.State
	f := newFragment("switch", "% of % was switched %.", name, nameOf(d), state)
	what := "switch: " + name + ", is: %"
	f.rule(what+", from: "+f.input(w, d, ""), state+"\nchanged\ton and off")
	f.other(what, state+"\tof any device")
	f.log("${SWITCH} is ${VALUE}")
	return []*fragment{f}
}
