// SPDX-License-Identifier: MIT

package state

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"reflexd/config"
	"reflexd/sources"
)

// rig plays events on a table in virtual time, as the agent does, and writes
// down what fires.
type rig struct {
	*testing.T
	table *Table
	rules []*sources.Trigger
	fired []string
}

func newRig(t *testing.T, rules ...*sources.Trigger) *rig {
	r := &rig{T: t, table: New()}
	r.reload(0, rules...)
	return r
}

// on is a trigger on states of something.
func on(kind, of string, l sources.Lasting, states ...string) *sources.Trigger {
	t := &sources.Trigger{Kind: kind, Lasting: l}
	for _, s := range states {
		t.Topics = append(t.Topics, sources.Topic{Kind: kind, Name: of, State: s})
	}
	t.Text = fmt.Sprint(kind, of, states, l)
	return t
}

func (r *rig) reload(at time.Duration, rules ...*sources.Trigger) {
	var watches []Watch
	var derived []sources.Topic
	for i, t := range rules {
		watches = append(watches, Watch{ID: t.Text, Rule: i, Trigger: t})
		derived = append(derived, t.Topics...)
	}
	r.rules = rules
	r.table.Follow(watches, derived, at)
	r.next(at)
}

// next does what follows from an event.
func (r *rig) next(at time.Duration) {
	r.table.Next(r.show(at))
	r.table.Found(r.fire)
}

// show has rules without Lasting.For fire, as the index of rules does.
func (r *rig) show(time.Duration) func(*sources.Event) {
	return func(e *sources.Event) {
		for i, t := range r.rules {
			if t.Lasting.For == 0 && slices.Contains(t.Topics, e.Topic) && t.Accepts(e) {
				r.fire(i, e)
			}
		}
	}
}

func (r *rig) fire(rule int, e *sources.Event) {
	text := fmt.Sprintf("%v %d %s", e.Time, rule, e.Topic.State)
	for _, f := range e.Fields {
		if f.Name == "SYNTHETIC" || f.Name == sources.LastedMS {
			text += fmt.Sprintf(" %s=%s", f.Name, f.Value)
		}
	}
	r.fired = append(r.fired, text)
}

// play plays a script: "5m begins line door on", "10m".
func (r *rig) play(script ...string) {
	r.Helper()
	for _, step := range script {
		words := strings.Fields(step)
		at, err := time.ParseDuration(words[0])
		if err != nil {
			r.Fatal(err)
		}
		for due, ok := r.table.Due(); ok && due <= at; due, ok = r.table.Due() {
			r.table.Advance(due, due, r.fire)
		}
		if len(words) > 1 {
			r.event(at, words[1:])
		}
	}
}

func (r *rig) event(at time.Duration, words []string) {
	standing := map[string]sources.Standing{
		"begins": sources.Begins, "found": sources.Found, "lapses": sources.Lapses, "vanishes": sources.Vanishes,
	}[words[0]]
	e := &sources.Event{Time: at, Topic: sources.Topic{Kind: words[1], Name: words[2]}, Source: words[1] + ":" + words[2], Standing: standing}
	if len(words) > 3 {
		e.Topic.State = words[3]
	}
	if e.Topic.Kind == "var" {
		e.Fields = []sources.Field{{Name: "VALUE", Value: sources.Text(e.Topic.State)}}
		e.Topic.State = "changed"
	}
	if e.Topic.Kind == "line" && e.Topic.State != "" { // as gpio has it
		e.Fields = []sources.Field{{Name: "LEVEL", Value: sources.Int(map[string]int64{"on": 1}[e.Topic.State])}}
		e.Press = map[string]sources.Press{"on": sources.Down, "off": sources.Up}[e.Topic.State]
		if e.Topic.State = map[string]string{"on": "rising", "off": "falling"}[e.Topic.State]; standing == sources.Found {
			e.Topic.State = ""
		}
	}
	r.table.Take(e)
	if e.Standing <= sources.Begins {
		r.show(at)(e)
	}
	r.next(at)
}

func (r *rig) expect(want ...string) {
	r.Helper()
	if !slices.Equal(r.fired, want) {
		r.Errorf("fired\n\t%s\nexpected\n\t%s", strings.Join(r.fired, "\n\t"), strings.Join(want, "\n\t"))
	}
	r.fired = nil
}

var (
	plain   = sources.Lasting{}
	atStart = sources.Lasting{AtStart: true}
	for5m   = sources.Lasting{For: 5 * time.Minute, AtStart: true}
	unseen  = sources.Lasting{For: 5 * time.Minute}
	again   = sources.Lasting{For: 5 * time.Minute, Repeat: time.Minute, AtStart: true}
)

func TestWhatFires(t *testing.T) {
	for name, test := range map[string]struct {
		asks   sources.Lasting
		script []string
		want   []string
	}{
		"a state that begins": {plain, []string{"1s begins line door on", "2s begins line door off", "3s begins line door on"}, []string{"1s 0 on", "3s 0 on"}},
		"found at start":      {plain, []string{"0s found line door on", "1h"}, nil},
		"found at start, and asked for": {atStart, []string{"1s found line door on", "1h"},
			[]string{"1s 0 on LASTED_MS=0 SYNTHETIC=1"}},
		"at_start and a later beginning": {atStart, []string{"1s found line door off", "2s begins line door on"}, []string{"2s 0 on"}},
		"lasting":                        {for5m, []string{"1s begins line door on", "1h"}, []string{"5m1s 0 on LASTED_MS=300000"}},
		"lasting since the start": {for5m, []string{"1s found line door on", "1h"},
			[]string{"5m1s 0 on LASTED_MS=300000 SYNTHETIC=1"}},
		"lasting since the start, unwanted":     {unseen, []string{"1s found line door on", "1h"}, nil},
		"unwanted at start, wanted later":       {unseen, []string{"1s found line door on", "1m begins line door off", "2m begins line door on", "1h"}, []string{"7m0s 0 on LASTED_MS=300000"}},
		"ended too early":                       {for5m, []string{"1s begins line door on", "5m begins line door off", "1h"}, nil},
		"ended at the very moment":              {for5m, []string{"0s begins line door on", "5m begins line door off", "1h"}, []string{"5m0s 0 on LASTED_MS=300000"}},
		"an edge that changes nothing":          {for5m, []string{"0s begins line door on", "4m begins line door on", "1h"}, []string{"5m0s 0 on LASTED_MS=300000"}},
		"repeated":                              {again, []string{"0s begins line door on", "7m30s begins line door off", "1h"}, []string{"5m0s 0 on LASTED_MS=300000", "6m0s 0 on LASTED_MS=360000", "7m0s 0 on LASTED_MS=420000"}},
		"nobody knows any more":                 {for5m, []string{"0s begins line door on", "1m lapses line door", "1h"}, nil},
		"found again as it was":                 {for5m, []string{"0s begins line door on", "1m lapses line door", "2m found line door on", "1h"}, []string{"7m0s 0 on LASTED_MS=300000 SYNTHETIC=1"}},
		"found again as it was, not lasting":    {plain, []string{"0s begins line door on", "1m lapses line door", "2m found line door on"}, []string{"0s 0 on"}},
		"found otherwise after a loss":          {plain, []string{"0s found line door off", "1m lapses line door", "2m found line door on"}, []string{"2m0s 0 on SYNTHETIC=1"}},
		"found otherwise, and at_start":         {atStart, []string{"0s found line door off", "1m lapses line door", "2m found line door on"}, []string{"2m0s 0 on SYNTHETIC=1"}},
		"found otherwise at a resync":           {plain, []string{"0s begins line door off", "2m found line door on"}, []string{"2m0s 0 on SYNTHETIC=1"}},
		"told again, as sources may":            {atStart, []string{"0s found line door on", "2m found line door on"}, []string{"0s 0 on LASTED_MS=0 SYNTHETIC=1"}},
		"gone from the configuration, and back": {for5m, []string{"0s begins line door on", "1m vanishes line door", "1h"}, nil},
		"of another":                            {for5m, []string{"0s begins line window on", "1h"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, on("line", "door", test.asks, "on"))
			r.play(test.script...)
			r.expect(test.want...)
		})
	}
}

// Other kinds of states, whose events have the state themselves.
func TestOtherStates(t *testing.T) {
	r := newRig(t, on("link", "", for5m, "down"), on("link", "eth0", plain, "down"))
	r.play("0s found link eth0 up", "1m begins link eth0 down", "2m begins link wlan0 down", "3m begins link wlan0 up", "1h")
	r.expect("1m0s 1 down", "6m0s 0 down LASTED_MS=300000")
}

// A state of several values goes on from one to the other only as long as it is
// what is asked for; each of several words is a state of its own.
func TestSeveralWords(t *testing.T) {
	r := newRig(t, on("link", "eth0", for5m, "up", "down"))
	r.play("0s begins link eth0 up", "4m begins link eth0 down", "1h")
	r.expect("9m0s 0 down LASTED_MS=300000")

	above := on("var", "n", for5m, "changed")
	above.Match = func(e *sources.Event) bool {
		v, _ := e.Lookup("VALUE")
		n, _ := v.Int()
		return n > 5
	}
	r = newRig(t, above)
	r.play("0s found var n 1", "1m begins var n 6", "2m begins var n 7", "7m begins var n 3", "8m begins var n 9", "9m begins var n 2", "1h")
	r.expect("6m0s 0 changed LASTED_MS=300000")
}

// What is counted goes on over a reload for rules that are the same; a rule
// that is new finds what is there.
func TestReload(t *testing.T) {
	r := newRig(t, on("line", "door", for5m, "on"))
	r.play("0s begins line door on", "1m")
	r.reload(time.Minute, on("line", "door", plain, "off"), on("line", "door", for5m, "on"), on("line", "door", atStart, "on"))
	r.expect("1m0s 2 on LASTED_MS=60000 SYNTHETIC=1")
	r.play("1h")
	r.expect("5m0s 1 on LASTED_MS=300000")
	// It has fired, and does not again; a longer time has not.
	long := on("line", "door", sources.Lasting{For: 2 * time.Hour, AtStart: true}, "on")
	r.reload(time.Hour, on("line", "door", for5m, "on"), long)
	r.play("3h")
	r.expect("2h0m0s 1 on LASTED_MS=7200000 SYNTHETIC=1")
	// One that is past its time when it comes fires at once.
	r.reload(4*time.Hour, on("line", "door", again, "on"))
	r.play("4h")
	r.expect("4h0m0s 0 on LASTED_MS=14400000 SYNTHETIC=1")
}

func TestOrderOfFirings(t *testing.T) {
	r := newRig(t, on("line", "b", for5m, "on"), on("line", "a", for5m, "on"), on("line", "a", sources.Lasting{For: time.Minute}, "on"))
	r.play("0s begins line a on", "0s begins line b on", "1h")
	r.expect("1m0s 2 on LASTED_MS=60000", "5m0s 0 on LASTED_MS=300000", "5m0s 1 on LASTED_MS=300000")
}

// After a thread that was stopped for long, repetitions are not made up for.
func TestLateRepetitions(t *testing.T) {
	r := newRig(t, on("line", "door", again, "on"))
	r.play("0s begins line door on")
	r.table.Advance(5*time.Minute, 20*time.Minute+30*time.Second, r.fire)
	r.expect("5m0s 0 on LASTED_MS=300000")
	if at, ok := r.table.Due(); !ok || at != 21*time.Minute {
		t.Errorf("due at %v", at)
	}
}

func TestAsk(t *testing.T) {
	table := New()
	isOn := &sources.Question{Kind: "line", Name: "door"}
	isOn.IsOneOf("on")
	long := &sources.Question{Kind: "line", Name: "door", For: time.Hour}
	long.IsOneOf("on")
	anyUp := &sources.Question{Kind: "link"}
	anyUp.IsOneOf("up")
	allDown := &sources.Question{Kind: "link", All: true}
	allDown.IsOneOf("down")
	noWLAN := &sources.Question{Kind: "link", Among: func(e *sources.Event) bool { return e.Topic.Name == "wlan7" }, Absent: sources.Yes, OnceKnown: true}
	noWLAN.IsOneOf("down")
	if got := table.Ask(noWLAN, 0); got != sources.Unknown {
		t.Errorf("before any link is known, the answer is %d", got)
	}
	defer func() {
		if got := table.Ask(noWLAN, 0); got != sources.Yes {
			t.Errorf("when links are known and none is meant, the answer is %d", got)
		}
	}()
	none := &sources.Question{Kind: "mount", Absent: sources.Yes, For: time.Minute}
	none.IsOneOf("unmounted")
	table.Follow([]Watch{{ID: "long", Question: long}}, nil, 0)
	r := &rig{T: t, table: table}
	answers := func(now time.Duration, want ...sources.Truth) {
		t.Helper()
		for i, q := range []*sources.Question{isOn, long, anyUp, allDown, none} {
			if got := table.Ask(q, now); got != want[i] {
				t.Errorf("at %v: answer %d is %d, want %d", now, i, got, want[i])
			}
		}
	}
	answers(0, 0, 0, 0, 0, 0)
	r.play("0s found line door on", "1m begins link eth0 down")
	answers(time.Minute, 1, -1, -1, 1, 1)
	r.play("2m begins link wlan0 up")
	answers(time.Hour-1, 1, -1, 1, -1, 1)
	answers(time.Hour, 1, 1, 1, -1, 1)
	r.play("61m begins line door off", "62m vanishes link wlan0")
	answers(3*time.Hour, -1, -1, -1, 1, 1)
	r.play("4h lapses line door")
	answers(4*time.Hour, 0, 0, -1, 1, 1)
}

// Names that come from outside do not fill the memory.
func TestManyNames(t *testing.T) {
	r := newRig(t, on("mount", "", for5m, "unmounted"))
	for i := range mostSubjects + 100 {
		r.play(fmt.Sprintf("%ds begins mount /media/%d unmounted", i, i))
	}
	if n := len(r.table.subjects); n > mostSubjects {
		t.Errorf("%d subjects are kept", n)
	}
}

// What every edge of a line goes through.
func TestTakingAllocatesNothing(t *testing.T) {
	r := newRig(t, on("line", "door", for5m, "on"))
	e := &sources.Event{Topic: sources.Topic{Kind: "line", Name: "door"}, Source: "gpio:door", Standing: sources.Begins,
		Fields: []sources.Field{{Name: "LEVEL", Value: sources.Int(1)}, {Name: "EDGE", Value: sources.Text("rising")}}}
	edge := func(p sources.Press) {
		e.Time, e.Press = e.Time+1, p
		r.table.Take(e)
		r.table.Next(func(*sources.Event) {})
		r.table.Found(r.fire)
	}
	edge(sources.Down)
	edge(sources.Up)
	if n := testing.AllocsPerRun(100, func() { edge(sources.Down); edge(sources.Up) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A thing that the configuration does not have any more fires nothing, though
// the pattern that meant it is there still.
func TestReloadThatRemovesWhatIsCounted(t *testing.T) {
	door := func(names ...string) *sources.Trigger {
		trigger := on("line", names[0], for5m, "on")
		for _, n := range names[1:] {
			trigger.Topics = append(trigger.Topics, sources.Topic{Kind: "line", Name: n, State: "on"})
		}
		trigger.Text = "door*"
		return trigger
	}
	r := newRig(t, door("door1", "door2"))
	r.play("0s begins line door1 on", "0s begins line door2 on", "1m")
	r.reload(time.Minute, door("door1"))
	r.play("1m vanishes line door2", "1h")
	r.expect("5m0s 0 on LASTED_MS=300000")
	// One that it names anew counts from when its state began.
	r.play("1h begins line door3 on")
	r.reload(time.Hour+time.Minute, door("door1", "door3"))
	r.play("2h")
	r.expect("1h5m0s 0 on LASTED_MS=300000 SYNTHETIC=1")
}

// A rule whose triggers say the same fires once, as it does on an event.
func TestTwoTriggersOfARule(t *testing.T) {
	r := &rig{T: t, table: New()}
	doors := func(l sources.Lasting, names ...string) *sources.Trigger {
		trigger := on("line", names[0], l, "on")
		for _, n := range names[1:] {
			trigger.Topics = append(trigger.Topics, sources.Topic{Kind: "line", Name: n, State: "on"})
		}
		return trigger
	}
	follow := func(at time.Duration, l sources.Lasting, id string) {
		r.rules = nil
		r.table.Follow([]Watch{{ID: id + "1", Trigger: doors(l, "a", "b")}, {ID: id + "2", Trigger: doors(l, "a", "b")}}, nil, at)
		r.next(at)
	}
	follow(0, for5m, "long")
	r.play("0s begins line a on", "0s begins line b on", "1h")
	r.expect("5m0s 0 on LASTED_MS=300000", "5m0s 0 on LASTED_MS=300000")
	follow(time.Hour, atStart, "start")
	r.expect("1h0m0s 0 on LASTED_MS=3600000 SYNTHETIC=1", "1h0m0s 0 on LASTED_MS=3600000 SYNTHETIC=1")
	follow(2*time.Hour, again, "again")
	r.play("2h1m30s")
	r.expect("2h0m0s 0 on LASTED_MS=7200000 SYNTHETIC=1", "2h0m0s 0 on LASTED_MS=7200000 SYNTHETIC=1",
		"2h1m0s 0 on LASTED_MS=7260000 SYNTHETIC=1", "2h1m0s 0 on LASTED_MS=7260000 SYNTHETIC=1")
}

// `where` may ask for the fields that a firing has beyond those of the event.
func TestWhereAsksHowLong(t *testing.T) {
	where := func(l sources.Lasting, text string) *sources.Trigger {
		trigger := on("line", "door", l, "on")
		ps := &config.Problems{}
		n, _ := config.Parse("f.yaml", []byte(text), ps)
		if sources.WhereValue(&trigger.Where).Read(n, ps); ps.Failed() {
			t.Fatal(ps)
		}
		return trigger
	}
	r := newRig(t, where(again, "{LASTED_MS: {above: 360000}, LEVEL: 1}"), where(again, "{LEVEL: 0}"), where(atStart, "{SYNTHETIC: 1}"))
	r.play("0s found line door on", "7m30s")
	r.expect("0s 2 on LASTED_MS=0 SYNTHETIC=1", "7m0s 0 on LASTED_MS=420000 SYNTHETIC=1")
}

// Two drives that take turns at a mount point are one state.
func TestMountPointOfTwoDrives(t *testing.T) {
	r := newRig(t, on("mount", "", for5m, "unmounted"), on("mount", "", for5m, "mounted"))
	mount := func(at time.Duration, drive, state string) {
		r.play(fmt.Sprint(at))
		r.table.Take(&sources.Event{Time: at, Topic: sources.Topic{Kind: "mount", Name: "/backup", State: state}, Source: "mount:" + drive, Standing: sources.Begins})
		r.next(at)
	}
	mount(0, "/dev/sda1", "mounted")
	mount(time.Minute, "/dev/sda1", "unmounted")
	mount(2*time.Minute, "/dev/sdb1", "mounted")
	source := ""
	r.table.Advance(time.Hour, time.Hour, func(rule int, e *sources.Event) { r.fire(rule, e); source = e.Source })
	if r.expect("7m0s 1 mounted LASTED_MS=300000"); source != "mount:/dev/sdb1" {
		t.Errorf("it is of %q", source)
	}
}

// What is kept of a firing is not what the next event of the same thing says.
func TestFiringsOfBorrowedEvents(t *testing.T) {
	r := newRig(t, on("link", "eth0", for5m, "down"))
	var kept *sources.Event
	link := func(at time.Duration, state string) {
		text := []byte("eth0" + state)
		name, s := sources.Borrow(text[:4]), sources.Borrow(text[4:])
		r.table.Take(&sources.Event{Time: at, Topic: sources.Topic{Kind: "link", Name: name, State: s}, Source: name, Standing: sources.Begins,
			Fields: []sources.Field{{Name: "STATE", Value: sources.Text(s)}}, Borrowed: true})
		clear(text)
		r.next(at)
	}
	link(0, "down")
	r.table.Advance(5*time.Minute, 5*time.Minute, func(_ int, e *sources.Event) { kept = e.Clone() })
	link(6*time.Minute, "up")
	if v, _ := kept.Lookup("STATE"); v.String() != "down" || kept.Topic.State != "down" || kept.Topic.Name != "eth0" {
		t.Errorf("it has become %+v", kept)
	}
}

// A circle of rules that takes the time of a `for` waits.
func TestForIsAWait(t *testing.T) {
	r := newRig(t, on("line", "lamp", for5m, "on"))
	cause := &sources.Chain{Rule: "a"}
	r.table.Take(&sources.Event{Topic: sources.Topic{Kind: "line", Name: "lamp", State: "on"}, Standing: sources.Begins, Chain: cause})
	var chain *sources.Chain
	r.table.Advance(time.Hour, time.Hour, func(_ int, e *sources.Event) { chain = e.Chain })
	if chain.Find("a") == nil || !chain.Waits() || cause.Waited {
		t.Errorf("%+v, %+v", chain, cause)
	}
}

func TestUntil(t *testing.T) {
	r := newRig(t)
	off := func(l time.Duration) *sources.Question {
		q := &sources.Question{Kind: "line", Name: "door", For: l}
		q.IsOneOf("off")
		return q
	}
	var over []string
	wait := func(name string, q *sources.Question, now time.Duration) func() {
		stop, waits := r.table.Until(q, now, func() { over = append(over, name) })
		if !waits {
			over = append(over, name+" at once")
		}
		return stop
	}
	expect := func(want ...string) {
		t.Helper()
		if !slices.Equal(over, want) {
			t.Errorf("over are %q, want %q", over, want)
		}
		over = nil
	}
	wait("unknown", off(0), 0)
	r.play("1s found line door on")
	expect()
	stop := wait("stopped", off(0), time.Second)
	wait("long", off(time.Minute), time.Second)
	stop()
	r.play("2s begins line door off")
	expect("unknown")
	wait("is so", off(0), 3*time.Second)
	expect("is so at once")
	r.play("1m begins line door on", "2m begins line door off")
	r.reload(2 * time.Minute) // what waits goes on
	r.play("2m59s")
	expect()
	if at, ok := r.table.Due(); !ok || at != 3*time.Minute {
		t.Errorf("due at %v", at)
	}
	r.play("3m")
	expect("long")
	wait("has lasted", off(time.Minute), 4*time.Minute)
	expect("has lasted at once")
	if len(r.table.waits) != 0 || len(r.table.watches) != 0 && len(r.table.watches[name{"line", "door"}]) != 0 {
		t.Errorf("%d waits are left, %v", len(r.table.waits), r.table.watches)
	}
}

// What an edge costs, where nothing asks for states, and where 50 rules ask for
// how long other lines are on.
func BenchmarkTake(b *testing.B) {
	for _, watches := range []int{0, 1, 50} {
		b.Run(fmt.Sprint(watches, " watches"), func(b *testing.B) {
			table := New()
			var all []Watch
			for i := range watches {
				all = append(all, Watch{ID: fmt.Sprint(i), Rule: i, Trigger: &sources.Trigger{Lasting: for5m,
					Topics: []sources.Topic{{Kind: "line", Name: fmt.Sprint("l", i), State: "on"}}}})
			}
			table.Follow(all, nil, 0)
			e := &sources.Event{Topic: sources.Topic{Kind: "line", Name: "door"}, Source: "gpio:door", Standing: sources.Begins, Press: sources.Up, Borrowed: true,
				Fields: []sources.Field{{Name: "LEVEL", Value: sources.Int(1)}, {Name: "EDGE", Value: sources.Text("rising")}}}
			for b.Loop() {
				e.Time++
				e.Press = sources.Down + sources.Up - e.Press
				table.Take(e)
			}
		})
	}
}

// What nobody has seen is absent for as long as the table has looked.
func TestUntilWhatIsAbsent(t *testing.T) {
	r := newRig(t)
	r.reload(time.Second)
	q := &sources.Question{Kind: "mount", Absent: sources.Yes, For: time.Minute, All: true}
	q.IsOneOf("unmounted")
	over := false
	if _, waits := r.table.Until(q, 2*time.Second, func() { over = true }); !waits {
		t.Fatal("it did not wait")
	}
	if at, ok := r.table.Due(); !ok || at != time.Minute+time.Second {
		t.Fatalf("due at %v", at)
	}
	r.play("61s")
	if !over {
		t.Error("it waits on")
	}
}

// A wait whose state has lasted long enough in one place and not in another does
// not keep the loop awake.
func TestUntilAllDoesNotSpin(t *testing.T) {
	r := newRig(t)
	r.reload(time.Second)
	q := &sources.Question{Kind: "link", For: time.Minute, All: true}
	q.IsOneOf("down")
	r.play("1s begins link eth0 down", "2s begins link wlan0 up")
	over := false
	r.table.Until(q, 2*time.Second, func() { over = true })
	r.play("61s", "62s")
	if at, ok := r.table.Due(); ok || over {
		t.Errorf("due at %v, over: %v", at, over)
	}
	r.play("63s begins link wlan0 down")
	if at, ok := r.table.Due(); !ok || at != 123*time.Second {
		t.Errorf("due at %v, %v", at, ok)
	}
	r.play("123s")
	if !over {
		t.Error("it waits on")
	}
}
