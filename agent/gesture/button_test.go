// SPDX-License-Identifier: MIT

package gesture

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"reflexd/sources"
)

// play feeds a train of edges, 100 ms apart, and returns what it makes:
// D and U are edges, R a repeat, d and u levels that were found.
func play(train string) string {
	var b Button
	var out []string
	for i, r := range train {
		p := map[rune]sources.Press{'D': sources.Down, 'U': sources.Up, 'R': sources.Repeat, 'd': sources.StartsDown, 'u': sources.StartsUp}[r]
		g := b.Next(p, time.Duration(i)*100*time.Millisecond)
		if g.State != "" {
			word := g.State
			if g.State == sources.Released {
				word += " after " + g.Held.String()
			}
			out = append(out, word)
		}
	}
	return strings.Join(out, ", ")
}

func TestButton(t *testing.T) {
	for _, c := range []struct{ train, want, why string }{
		{"uDU", "pressed, released after 100ms", ""},
		{"DU", "pressed, released after 100ms", "a key whose level at start nobody told"},
		{"uDRRU", "pressed, repeated, repeated, released after 300ms", ""},
		{"u", "", "a level is no event"},
		{"d", "", "nor is a button that is held at start"},
		{"dU", "", "whose release is nobody's either"},
		{"dURDU", "pressed, released after 100ms", "but from then on it counts"},
		{"dRRU", "", "nor its repeats"},
		{"U", "", "the first news is a release: it was held at start"},
		{"uDDU", "pressed, released after 200ms", "two equal edges are one press"},
		{"uDUU", "pressed, released after 100ms", ""},
		{"uDdU", "pressed, released after 200ms", "the level read afresh agrees: the press goes on"},
		{"uDuDU", "pressed, pressed, released after 100ms", "a level read afresh that says up ends the press without a release"},
		{"uR", "", "a repeat of nothing"},
	} {
		if got := play(c.train); got != c.want {
			t.Errorf("%s: %q, want %q (%s)", c.train, got, c.want, c.why)
		}
	}
}

// For any train the state at the end is the last level, and presses and
// releases alternate.
func TestButtonEndsAsTheLastLevelSays(t *testing.T) {
	for seed := range uint64(2000) {
		random := rand.New(rand.NewPCG(seed, 0))
		var b Button
		down, pressed := false, false
		for i := range random.IntN(40) {
			p := []sources.Press{sources.Down, sources.Up, sources.StartsDown, sources.StartsUp}[random.IntN(4)]
			down = p == sources.Down || p == sources.StartsDown
			switch g := b.Next(p, time.Duration(i)); g.State {
			case sources.Pressed:
				pressed = true
			case sources.Released:
				if !pressed {
					t.Fatalf("seed %d: released without a press", seed)
				}
				pressed = false
			}
			if b.IsDown() != down {
				t.Fatalf("seed %d: IsDown %v after level %v", seed, b.IsDown(), down)
			}
		}
	}
}

func TestButtonAllocatesNothing(t *testing.T) {
	var b Button
	if n := testing.AllocsPerRun(100, func() { b.Next(sources.Down, 1); b.Next(sources.Up, 2) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
