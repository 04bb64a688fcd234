// SPDX-License-Identifier: MIT

package gesture

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"reflexd/sources"
)

const ms = time.Millisecond

// edge is one piece of news of a button.
type edge struct {
	press sources.Press
	at    time.Duration
}

// edges reads a train of edges, 100 ms apart: D and U are edges, R a repeat,
// d, O and u levels that were found, E a release that nobody saw, . nothing.
func edges(train string) []edge {
	press := map[rune]sources.Press{'D': sources.Down, 'U': sources.Up, 'R': sources.Repeat,
		'd': sources.StartsDown, 'O': sources.StartsOn, 'u': sources.StartsUp, 'E': sources.Ended}
	var all []edge
	for i, r := range train {
		if p, ok := press[r]; ok {
			all = append(all, edge{p, time.Duration(i+1) * 100 * ms})
		}
	}
	return all
}

// play shows edges to b, and lets a long time pass.
func play(b *Button, train []edge) []Gesture {
	var all []Gesture
	for _, e := range train {
		all = b.Next(e.press, e.at, all)
	}
	return b.Advance(time.Minute, all)
}

func describe(all []Gesture) string {
	var words []string
	for _, g := range all {
		word := g.State
		if g.Held > 0 {
			word += fmt.Sprintf(" (%d)", g.Held.Milliseconds())
		}
		words = append(words, fmt.Sprintf("%d %s", g.At.Milliseconds(), word))
	}
	return strings.Join(words, ", ")
}

// asking returns what is wanted of a button: so many clicks, and holds.
func asking(clicks int, holds ...sources.Hold) *wants {
	w := &wants{gap: 300 * ms}
	for n := range clicks {
		w.clicks = append(w.clicks, sources.ClickState(n+1))
	}
	for _, h := range holds {
		w.addStage(h, time.Second)
	}
	return w
}

func TestButton(t *testing.T) {
	hold := func(span, repeat time.Duration) sources.Hold { return sources.Hold{For: span, Repeat: repeat} }
	for _, c := range []struct {
		why, train string
		wants      *wants
		want       string
	}{
		{"", "uDU", nil, "200 pressed, 300 released (100)"},
		{"a key whose level at start nobody told", "DU", nil, "100 pressed, 200 released (100)"},
		{"", "uDRRU", nil, "200 pressed, 300 repeated, 400 repeated, 500 released (300)"},
		{"a level is no event", "u", asking(2), ""},
		{"nor is a button that is held at start", "d", asking(2, hold(ms, 0)), ""},
		{"whose release is nobody's either", "dU", asking(2), ""},
		{"but from then on it counts", "dURDU", asking(1), "400 pressed, 500 released (100), 500 clicked"},
		{"nor its repeats", "dRRU", nil, ""},
		{"the first news is a release: it was held at start", "U", asking(1), ""},
		{"two equal edges are one press", "uDDU", asking(1), "200 pressed, 400 released (200), 400 clicked"},
		{"", "uDUU", asking(1), "200 pressed, 300 released (100), 300 clicked"},
		{"the level read afresh agrees: the press goes on", "uDdU", asking(1), "200 pressed, 400 released (200), 400 clicked"},
		{"a level read afresh that says up ends the press without a release", "uDuDU", asking(1),
			"200 pressed, 400 pressed, 500 released (100), 500 clicked"},
		{"a repeat of nothing", "uR", nil, ""},

		{"a click is told at once if nobody waits for more", "DU", asking(1), "100 pressed, 200 released (100), 200 clicked"},
		{"and after the gap if somebody does", "DU", asking(2), "100 pressed, 200 released (100), 500 clicked"},
		{"", "DUDU", asking(2), "100 pressed, 200 released (100), 300 pressed, 400 released (100), 400 double-clicked"},
		{"the most clicks that are waited for end it", "DUDUDUDU", asking(3),
			"100 pressed, 200 released (100), 300 pressed, 400 released (100), 500 pressed, 600 released (100), 600 triple-clicked, " +
				"700 pressed, 800 released (100), 1100 clicked"},
		{"", "DUDUDUDU", asking(5),
			"100 pressed, 200 released (100), 300 pressed, 400 released (100), 500 pressed, 600 released (100), 700 pressed, 800 released (100), 1100 clicked 4 times"},
		{"the gap itself is too long", "DU..DU", asking(2),
			"100 pressed, 200 released (100), 500 clicked, 500 pressed, 600 released (100), 900 clicked"},

		{"", "D....U", asking(0, hold(300*ms, 0)), "100 pressed, 400 held 300ms (300), 600 released (500)"},
		{"two stages", "D....U", asking(0, hold(400*ms, 0), hold(200*ms, 0)),
			"100 pressed, 300 held 200ms (200), 500 held 400ms (400), 600 released (500)"},
		{"let go before", "D.U", asking(0, hold(300*ms, 0)), "100 pressed, 300 released (200)"},
		{"let go at that moment", "D..U", asking(0, hold(300*ms, 0)), "100 pressed, 400 held 300ms (300), 400 released (300)"},
		{"a hold swallows the click", "D....U", asking(2, hold(300*ms, 0)), "100 pressed, 400 held 300ms (300), 600 released (500)"},
		{"but not a press that is too short for it", "D.U", asking(1, hold(300*ms, 0)), "100 pressed, 300 released (200), 300 clicked"},
		{"a click before it is complete", "DUD....U", asking(2, hold(300*ms, 0)),
			"100 pressed, 200 released (100), 300 pressed, 600 clicked, 600 held 300ms (300), 800 released (500)"},
		{"a long press is a click if nobody waits for a hold", "D.......U", asking(1), "100 pressed, 900 released (800), 900 clicked"},
		{"again and again", "D.....U", asking(0, hold(300*ms, 100*ms)),
			"100 pressed, 400 held 300ms every 100ms (300), 500 held 300ms every 100ms (400), 600 held 300ms every 100ms (500), " +
				"700 held 300ms every 100ms (600), 700 released (600)"},
		{"the default", "D..........U", asking(0, sources.Hold{}), "100 pressed, 1100 held (1000), 1200 released (1100)"},

		{"nobody saw the release: no click", "DE", asking(2), "100 pressed, 200 released (100)"},
		{"but the clicks before count", "DUDE", asking(3), "100 pressed, 200 released (100), 300 pressed, 400 released (100), 400 clicked"},
		{"a hold ends with the device", "D.E", asking(0, hold(300*ms, 0)), "100 pressed, 300 released (200)"},
		{"what is no button and on at start is released", "O.U", asking(1, hold(ms, 0)), "300 released (200)"},
		{"also if nobody sees it", "O.E", asking(1), "300 released (200)"},
		{"or it is found off", "O.u", asking(1), "300 released (200)"},
		{"told twice, and then as a button", "OO.DUDU", asking(1), "500 released (400), 600 pressed, 700 released (100), 700 clicked"},
		{"found on in the middle of a press", "D.OU", asking(1), "100 pressed, 400 released (300), 400 clicked"},
		{"found down in the middle of clicks", "DUd", asking(2), "100 pressed, 200 released (100), 500 clicked"},
	} {
		if got := describe(play(&Button{want: c.wants}, edges(c.train))); got != c.want {
			t.Errorf("%s (%s):\n got %s\nwant %s", c.train, c.why, got, c.want)
		}
	}
}

// A reload in the middle of a press: what the press is past is not made up
// for, what is to come comes.
func TestAskInTheMiddleOfAHold(t *testing.T) {
	stages := asking(0, sources.Hold{For: time.Second}, sources.Hold{For: 2 * time.Second}, sources.Hold{For: 3 * time.Second})
	b := Button{want: stages}
	got := b.Next(sources.Down, 0, nil)
	got = b.Advance(1500*ms, got)
	b.ask(stages, 1500*ms)
	b.ask(asking(1, sources.Hold{For: time.Second}, sources.Hold{For: 3 * time.Second}), 2500*ms)
	got = b.Next(sources.Up, 4*time.Second, got)
	want := "0 pressed, 1000 held 1s (1000), 3000 held 3s (3000), 4000 released (4000)"
	if s := describe(got); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}

// bounces are the first milliseconds of real switches, as published by
// measurements of their levels: microseconds between edges.
var bounces = map[string][]int{
	"a tactile switch":  {90, 15, 220, 30, 10, 40, 800},
	"a worn toggle":     {2000, 300, 5000, 1200, 100, 700, 9000, 400},
	"a slow lever":      {12000, 3000, 20000, 5000, 6000, 1000},
	"a reed in a hurry": {5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5},
}

// A switch without debounce tells many presses, but never the wrong end.
func TestBounceEndsRight(t *testing.T) {
	for name, gaps := range bounces {
		b := Button{want: asking(2)}
		at, press := time.Second, sources.Down
		var all []Gesture
		for _, us := range append(gaps, 0) {
			all = b.Next(press, at, all)
			at += time.Duration(us) * time.Microsecond
			press = sources.Down + sources.Up - press
		}
		down := press == sources.Up
		if b.IsDown() != down {
			t.Errorf("%s: down is %v after the last edge %v", name, b.IsDown(), press)
		}
		if last := all[len(all)-1]; (last.State == sources.Pressed) != down {
			t.Errorf("%s: ends with %s", name, last.State)
		}
	}
}

// train makes any edges.
func train(random *rand.Rand) []edge {
	kinds := []sources.Press{sources.Down, sources.Up, sources.Down, sources.Up, sources.Repeat, sources.StartsDown, sources.StartsUp, sources.Ended}
	var all []edge
	at := time.Second
	for range random.IntN(40) {
		at += time.Duration(random.IntN(700)) * ms
		all = append(all, edge{kinds[random.IntN(len(kinds))], at})
	}
	return all
}

func anyWants(random *rand.Rand) *wants {
	var holds []sources.Hold
	for range random.IntN(3) {
		holds = append(holds, sources.Hold{For: time.Duration(1+random.IntN(10)) * 100 * ms, Repeat: time.Duration(random.IntN(3)) * 70 * ms})
	}
	return asking(random.IntN(4), holds...)
}

// For any train: the state at the end is the last level; presses and releases
// alternate; of one press there is a click or a hold, never both; times do not
// go back; and it changes nothing how often one looks in between.
func TestButtonProperties(t *testing.T) {
	for seed := range uint64(3000) {
		random := rand.New(rand.NewPCG(seed, 0))
		edges, wants := train(random), anyWants(random)
		b := Button{want: wants}
		all := play(&b, edges)
		checkEnd(t, seed, edges, &b)
		checkOrder(t, seed, all)
		checkExclusion(t, seed, all)

		batched := Button{want: wants}
		var again []Gesture
		now := time.Duration(0)
		for _, e := range edges {
			for now < e.at {
				now = min(e.at, now+time.Duration(1+random.IntN(400))*ms)
				again = batched.Advance(now, again)
			}
			again = batched.Next(e.press, e.at, again)
		}
		again = batched.Advance(time.Minute, again)
		if !slices.Equal(all, again) {
			t.Fatalf("seed %d: looking more often changed it:\n%s\n%s", seed, describe(all), describe(again))
		}
	}
}

func checkEnd(t *testing.T, seed uint64, edges []edge, b *Button) {
	t.Helper()
	down := false
	for _, e := range edges {
		switch e.press {
		case sources.Down, sources.StartsDown:
			down = true
		case sources.Up, sources.StartsUp, sources.Ended:
			down = false
		}
	}
	if b.IsDown() != down {
		t.Fatalf("seed %d: IsDown is %v at the end", seed, b.IsDown())
	}
}

func checkOrder(t *testing.T, seed uint64, all []Gesture) {
	t.Helper()
	pressed := false
	for i, g := range all {
		if i > 0 && g.At < all[i-1].At {
			t.Fatalf("seed %d: time goes back: %s", seed, describe(all))
		}
		switch g.State {
		case sources.Pressed:
			pressed = true
		case sources.Released:
			if !pressed {
				t.Fatalf("seed %d: released without a press: %s", seed, describe(all))
			}
			pressed = false
		}
	}
}

// checkExclusion counts: each click belongs to a press that was no hold.
func checkExclusion(t *testing.T, seed uint64, all []Gesture) {
	t.Helper()
	released, clicks, held := 0, 0, false
	for _, g := range all {
		switch {
		case g.State == sources.Pressed:
			held = false
		case strings.HasPrefix(g.State, sources.Held):
			held = true
		case g.State == sources.Released && !held:
			released++
		}
		clicks += g.Clicks
		if clicks > released {
			t.Fatalf("seed %d: more clicks than short presses: %s", seed, describe(all))
		}
	}
}

func TestEncoder(t *testing.T) {
	clock := []sources.Phase{0, sources.PhaseA, sources.PhaseA | sources.PhaseB, sources.PhaseB}
	for _, c := range []struct {
		why   string
		spec  sources.Encoder
		turn  string // positions in clock, one after the other
		steps int
		count int // in either direction
	}{
		{"one step", sources.Encoder{Edges: 4}, "01230", 1, 1},
		{"and back", sources.Encoder{Edges: 4}, "0123032103210", -1, 3},
		{"half way and back", sources.Encoder{Edges: 4}, "01210", 0, 0},
		{"bounce of line A at first", sources.Encoder{Edges: 4}, "01010101230", 1, 1},
		{"bounce at each place", sources.Encoder{Edges: 4}, "0101212323030323230", 1, 1},
		{"begins in the middle", sources.Encoder{Edges: 4}, "230", 0, 0},
		{"half steps", sources.Encoder{Edges: 2}, "01230", 2, 2},
		{"half steps back", sources.Encoder{Edges: 2}, "03210", -2, 2},
		{"half way of half a step", sources.Encoder{Edges: 2}, "010212", 0, 0},
		{"quarter steps", sources.Encoder{Edges: 1}, "01230", 4, 4},
		{"quarter steps that bounce", sources.Encoder{Edges: 1}, "0101", 1, 3},
		{"three to an event", sources.Encoder{Edges: 4, Steps: 3}, "0123012301230123", 1, 1},
		{"three to an event, turned back after two", sources.Encoder{Edges: 4, Steps: 3}, "01230123032103210321032103210", -1, 1},
	} {
		e := NewEncoder(c.spec)
		steps, count := 0, 0
		for i, r := range c.turn {
			p := clock[r-'0'] | sources.PhaseKnown
			if i > 0 {
				p |= sources.PhaseSeen
			}
			n := e.Next(p)
			steps += n
			count += max(n, -n)
		}
		if steps != c.steps || count != c.count {
			t.Errorf("%s (%s): %d steps of %d, want %d of %d", c.turn, c.why, steps, count, c.steps, c.count)
		}
	}
}

// However the contacts bounce between neighbours, the sum is how far it was
// turned; and what is unknown makes no step.
func TestEncoderProperties(t *testing.T) {
	clock := []sources.Phase{0, sources.PhaseA, sources.PhaseA | sources.PhaseB, sources.PhaseB}
	for seed := range uint64(1000) {
		random := rand.New(rand.NewPCG(seed, 1))
		for _, edges := range []int{4, 2, 1} {
			e := NewEncoder(sources.Encoder{Edges: edges})
			e.Next(sources.PhaseKnown)
			at, steps := 0, 0
			for range 500 {
				at += 2*random.IntN(2) - 1
				steps += e.Next(clock[((at%4)+4)%4] | sources.PhaseKnown | sources.PhaseSeen)
			}
			for at%4 != 0 { // come to rest
				at++
				steps += e.Next(clock[((at%4)+4)%4] | sources.PhaseKnown | sources.PhaseSeen)
			}
			if steps != at/edges {
				t.Fatalf("seed %d, %d edges a step: %d steps for a turn of %d edges", seed, edges, steps, at)
			}
		}
	}
}
