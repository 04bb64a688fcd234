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

// desk is a recogniser with its keyboards.
type desk struct {
	*Recogniser
	told []string
}

func newDesk(wants ...sources.Want) *desk {
	d := &desk{}
	d.Recogniser = New(wants, timing, d.note)
	return d
}

func (d *desk) note(e *sources.Event) {
	d.told = append(d.told, fmt.Sprintf("%d %s %s", e.Time.Milliseconds(), e.Topic.Name, e.Topic.State))
}

// key tells of KEY on the keyboard from, which is declared under that name.
func (d *desk) key(ms int, name string, p sources.Press, from string) {
	d.Advance(time.Duration(ms) * time.Millisecond)
	d.Next(&sources.Event{
		Time: time.Duration(ms) * time.Millisecond, Topic: sources.Topic{Kind: "key", Name: name},
		Source: "input:" + from, Names: []string{from}, Press: p,
	})
}

func (d *desk) expect(t *testing.T, want ...string) {
	t.Helper()
	d.Advance(time.Hour)
	if !slices.Equal(d.told, want) {
		t.Errorf("told\n  %s\nwant\n  %s", strings.Join(d.told, "\n  "), strings.Join(want, "\n  "))
	}
	d.told = nil
}

const (
	pressed  = sources.Down
	released = sources.Up
)

func chordOf(names string, change func(*sources.Group)) sources.Want {
	g := &sources.Group{Kind: "key", Members: strings.Split(names, "+")}
	if change != nil {
		change(g)
	}
	return sources.Want{Kind: "keys", Name: names, Group: g, Holds: []sources.Hold{{For: 200 * ms}}}
}

func TestChordSwallowsItsMembers(t *testing.T) {
	d := newDesk(chordOf("A+B", nil), sources.Want{Kind: "key", Name: "A", Clicks: 2})
	d.key(1000, "A", pressed, "kbd")
	d.key(1099, "B", pressed, "kbd") // as late as may be
	d.key(1130, "A", sources.Repeat, "kbd")
	d.key(1350, "B", released, "kbd")
	d.key(1400, "A", released, "kbd")
	d.expect(t, "1099 A+B pressed", "1299 A+B held 200ms", "1350 A+B released")

	// Too slow: each for itself, and in time for a double click.
	d.key(3000, "A", pressed, "kbd")
	d.key(3100, "B", pressed, "kbd")
	d.key(3120, "A", released, "kbd")
	d.key(3140, "B", released, "kbd")
	d.key(3410, "A", pressed, "kbd") // within the gap, but decided after it
	d.key(3520, "A", released, "kbd")
	d.expect(t, "3000 A pressed", "3120 A released", "3100 B pressed", "3140 B released",
		"3410 A pressed", "3520 A released", "3520 A double-clicked")

	// Held since before the start: no chord.
	d.key(5000, "A", sources.StartsDown, "kbd")
	d.key(5010, "B", pressed, "kbd")
	d.key(5100, "B", released, "kbd")
	d.expect(t, "5010 B pressed", "5100 B released")
}

// Only the presses that may become a chord wait for it: a button that is in no
// chord is never delayed, nor is the same key of a device that the chord does not
// name, nor a member that is heard.
func TestOnlyMembersWait(t *testing.T) {
	from := chordOf("D+E", nil)
	from.From = "pad"
	d := newDesk(chordOf("A+B", nil), from, chordOf("F+G", func(g *sources.Group) { g.Heard = true }),
		sources.Want{Kind: "keys", Name: "C>H", Group: &sources.Group{Kind: "key", Members: []string{"C", "H"}, InOrder: true, Within: time.Second}})
	now := func(name, device string) bool {
		d.told = nil
		d.key(1000, name, pressed, device)
		return slices.Contains(d.told, "1000 "+name+" pressed")
	}
	for _, c := range []struct {
		name, device string
		now          bool
	}{{"A", "kbd", false}, {"C", "kbd", true}, {"D", "kbd", true}, {"D", "pad", false}, {"F", "kbd", true}, {"H", "kbd", true}} {
		if now(c.name, c.device) != c.now {
			t.Errorf("%s of %s fires at once: %v, want %v", c.name, c.device, !c.now, c.now)
		}
	}
	d.told = nil
	d.Advance(1100*ms - 1)
	if len(d.told) > 0 {
		t.Errorf("before the window is over: %q", d.told)
	}
	d.expect(t, "1000 A pressed", "1000 D pressed")

	// A member that is released waits no longer.
	d.key(3000, "B", pressed, "kbd")
	d.key(3030, "B", released, "kbd")
	if want := []string{"3000 B pressed", "3030 B released"}; !slices.Equal(d.told, want) {
		t.Errorf("told %q, want %q", d.told, want)
	}
}

func TestChordWithHeardMembers(t *testing.T) {
	d := newDesk(chordOf("A+B", func(g *sources.Group) { g.Heard, g.Within = true, 2*time.Second }))
	d.key(1000, "A", pressed, "kbd")
	d.key(2000, "B", pressed, "kbd")
	d.key(2100, "A", released, "kbd")
	d.key(2200, "B", released, "kbd")
	d.expect(t, "1000 A pressed", "2000 B pressed", "2000 A+B pressed", "2100 A+B released", "2100 A released", "2200 B released")
}

func TestChordFromOneDevice(t *testing.T) {
	c := chordOf("A+B", nil)
	c.From = "pad"
	d := newDesk(c)
	d.key(1000, "A", pressed, "pad")
	d.key(1010, "B", pressed, "kbd")
	d.key(1100, "A", released, "pad")
	d.key(1110, "B", released, "kbd")
	d.expect(t, "1010 B pressed", "1000 A pressed", "1100 A released", "1110 B released")
	d.key(2000, "A", pressed, "pad")
	d.key(2010, "B", pressed, "pad")
	d.key(2020, "B", sources.Ended, "pad")
	d.key(2020, "A", sources.Ended, "pad")
	d.expect(t, "2010 A+B pressed", "2020 A+B released")
}

func TestSmallerChordWaitsForTheBigger(t *testing.T) {
	d := newDesk(chordOf("A+B", nil), chordOf("A+B+C", nil))
	d.key(1000, "A", pressed, "kbd")
	d.key(1010, "B", pressed, "kbd")
	d.key(1030, "A", released, "kbd") // nothing bigger can come of it
	d.key(1030, "B", released, "kbd")
	d.expect(t, "1010 A+B pressed", "1030 A+B released")
}

// The members that wait, and the chord that is held, over a reload.
func TestAdopt(t *testing.T) {
	wants := []sources.Want{chordOf("A+B", nil), {Kind: "key", Name: "C", Holds: []sources.Hold{{For: 300 * ms}}}}
	d := newDesk(wants...)
	d.key(900, "C", pressed, "kbd")
	d.key(1000, "A", pressed, "kbd")
	d.key(1010, "B", pressed, "kbd")
	next := New(wants, timing, d.note)
	next.Adopt(d.Recogniser, 1100*ms)
	d.Recogniser = next
	d.key(1250, "A", released, "kbd")
	d.key(1260, "B", released, "kbd")
	d.key(1270, "C", released, "kbd")
	d.expect(t, "900 C pressed", "1010 A+B pressed", "1200 C held 300ms", "1210 A+B held 200ms", "1250 A+B released", "1270 C released")
}

// What only one device's rules wait for delays no other device's clicks.
func TestWantsAreByDevice(t *testing.T) {
	d := newDesk(sources.Want{Kind: "key", Name: "A", Clicks: 1}, sources.Want{Kind: "key", Name: "A", Clicks: 2, From: "pad"})
	for _, from := range []string{"kbd", "pad"} {
		d.key(1000, "A", pressed, from)
		d.key(1050, "A", released, from)
	}
	d.Advance(1060 * ms)
	if !slices.Contains(d.told, "1050 A clicked") || len(d.told) != 5 {
		t.Error(d.told)
	}
	d.Advance(time.Hour)
	if d.told[5] != "1350 A clicked" {
		t.Error(d.told)
	}
}

func TestOthersDown(t *testing.T) {
	d := newDesk()
	var others []string
	d.emit = func(e *sources.Event) {
		v, _ := e.Lookup(sources.Others)
		others = append(others, e.Topic.Name+v.String())
	}
	d.key(1, "A", pressed, "kbd")
	d.key(2, "B", pressed, "kbd")
	d.key(3, "A", released, "pad")
	d.key(3, "C", pressed, "pad")
	d.key(4, "A", released, "kbd")
	d.key(5, "B", sources.Ended, "kbd")
	if got := strings.Join(others, " "); got != "A0 B1 C0 A1 B0" {
		t.Error(got)
	}
}

// However often one looks in between, several buttons, chords and sequences
// come to the same.
func TestLookingMoreOftenChangesNothing(t *testing.T) {
	wants := []sources.Want{
		chordOf("A+B", nil), chordOf("B+C", func(g *sources.Group) { g.Heard = true }), chordOf("A+B+C", nil),
		{Kind: "key", Name: "A", Clicks: 2}, {Kind: "key", Name: "C", Clicks: 1, Holds: []sources.Hold{{For: 100 * ms, Repeat: 30 * ms}}},
		{Kind: "keys", Name: "A>C", Group: &sources.Group{Kind: "key", Members: []string{"A", "C"}, InOrder: true, Within: time.Second}},
	}
	for seed := range uint64(500) {
		once, often := newDesk(wants...), newDesk(wants...)
		random := rand.New(rand.NewPCG(seed, 2))
		at, seen := 1000, 1000
		for range 60 {
			at += random.IntN(60)
			name := string(rune('A' + random.IntN(3)))
			press := []sources.Press{pressed, released, pressed, released, sources.Ended, sources.Repeat}[random.IntN(6)]
			for seen < at {
				seen = min(at, seen+1+random.IntN(20))
				often.Advance(time.Duration(seen) * ms)
			}
			once.key(at, name, press, "kbd")
			often.key(at, name, press, "kbd")
		}
		for _, d := range []*desk{once, often} {
			for _, name := range []string{"A", "B", "C"} {
				d.key(at+100, name, released, "kbd")
			}
			d.Advance(time.Hour)
		}
		if !slices.Equal(once.told, often.told) {
			t.Fatalf("seed %d:\n%q\n%q", seed, once.told, often.told)
		}
		if _, ok := once.Due(); ok {
			t.Fatalf("seed %d: something is still due", seed)
		}
	}
}

// edgesOf returns a press and a release of one key, for measurements.
func edgesOf(name string) [2]sources.Event {
	e := sources.Event{
		Topic: sources.Topic{Kind: "key", Name: name}, Source: "input:kbd",
		Fields: []sources.Field{{Name: "KEY", Value: sources.Text(name)}, {Name: "VALUE", Value: sources.Int(1)}},
	}
	pair := [2]sources.Event{e, e}
	pair[0].Press, pair[1].Press = sources.Down, sources.Up
	return pair
}

func busyWants(others int) []sources.Want {
	wants := []sources.Want{{Kind: "key", Name: "A", Clicks: 3, Holds: []sources.Hold{{For: 30 * ms, Repeat: 10 * ms}}}}
	for i := range others {
		wants = append(wants, sources.Want{Kind: "key", Name: fmt.Sprint("KEY", i), Clicks: 2, Holds: []sources.Hold{{For: time.Second}}})
	}
	return wants
}

func TestEdgesAllocateNothing(t *testing.T) {
	told := 0
	r := New(busyWants(100), timing, func(*sources.Event) { told++ })
	pair := edgesOf("A")
	at := time.Second
	press := func() {
		for i := range pair {
			at += 45 * ms
			r.Advance(at)
			pair[i].Time = at
			r.Next(&pair[i])
		}
	}
	press()
	if n := testing.AllocsPerRun(1000, press); n != 0 || told < 4000 {
		t.Errorf("%v allocations a press, %d gestures", n, told)
	}
}

// BenchmarkEdge is the cost of an edge of a button with clicks and holds,
// beside few and many rules on other buttons.
func BenchmarkEdge(b *testing.B) {
	for _, others := range []int{0, 10_000} {
		b.Run(fmt.Sprintf("others=%d", others), func(b *testing.B) {
			r := New(busyWants(others), timing, func(*sources.Event) {})
			pair := edgesOf("A")
			at := time.Second
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				at += 45 * ms
				r.Advance(at)
				e := &pair[i%2]
				e.Time = at
				r.Next(e)
			}
		})
	}
}
