// SPDX-License-Identifier: MIT

package counter

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"reflexd/agent/loop"
	"reflexd/config"
	"reflexd/sources"
	"reflexd/sources/plantest"
)

// rig is the source under test on a loop in virtual time.
type rig struct {
	t        testing.TB
	loop     *loop.Loop
	source   *Source
	plan     *Plan
	triggers []sources.Trigger
	fired    []string
	events   int
	kept     map[string]string
	flush    func()
	both     bool
}

func newRig(t testing.TB) *rig {
	r := &rig{t: t, loop: loop.NewVirtual(time.Hour), kept: map[string]string{}, both: true}
	r.restart()
	return r
}

func (r *rig) restart() {
	r.source = Open(sources.Host{Loop: r.loop, Emit: r.emit, Log: slog.New(slog.DiscardHandler)})
	r.source.KeepIn(r)
}

// The rig is the store.

func (r *rig) AlsoKept(name string) (string, bool) { v, ok := r.kept[name]; return v, ok }
func (r *rig) KeepAlso(name, value string)         { r.kept[name] = value }
func (r *rig) BeforeSave(flush func())             { r.flush = flush }

func (r *rig) emit(e *sources.Event) {
	r.events++
	for _, f := range e.Fields {
		if !slices.Contains(fieldNames, f.Name) {
			r.t.Errorf("the field %s is not declared", f.Name)
		}
	}
	plantest.Fired(r.triggers, e, func(i int) {
		v, _ := e.Lookup("VALUE")
		r.fired = append(r.fired, string(rune('a'+i))+" "+v.String())
	})
}

func (r *rig) apply(declared string, triggers ...string) *rig {
	r.t.Helper()
	r.plan = &Plan{}
	if ps := plantest.Read(r.plan.Sections()[0].Value, declared, r.plan.Resolve); ps.Failed() {
		r.t.Fatal(ps)
	}
	r.plan.Check(func(string) (Pulse, error) { return Pulse{"rising", r.both}, nil }, &config.Problems{})
	r.triggers = plantest.Triggers(r.t, r.plan.Triggers()[0], triggers)
	r.source.Apply(r.plan)
	return r
}

// pulses sends edges as the GPIO source does, every so often.
func (r *rig) pulses(n int, every time.Duration) {
	for range n {
		r.loop.Advance(r.loop.Now()+every, func() {})
		up := &sources.Event{Time: r.loop.Now(), Topic: sources.Topic{Kind: "line", Name: "m", State: "rising"}}
		if r.both {
			up.Press = sources.Down
		}
		r.source.Notify(up)
		if r.both {
			r.source.Notify(&sources.Event{Time: r.loop.Now(), Topic: sources.Topic{Kind: "line", Name: "m", State: "falling"}, Press: sources.Up})
		}
	}
}

func (r *rig) total(name string) string { return r.source.tallies[name].total().String() }

func (r *rig) expect(want ...string) {
	r.t.Helper()
	if !slices.Equal(r.fired, want) {
		r.t.Errorf("fired %q, want %q", r.fired, want)
	}
	r.fired = nil
}

func TestMultiples(t *testing.T) {
	r := newRig(t)
	r.apply("gas: {line: m, scale: 0.01}", "{counter: gas, every: 1}", "{counter: gas, every: 0.25}", "{counter: gas, above: 0.5}")
	if err := r.source.Set("gas", sources.FromFixed(12345, 1)); err != nil { // 1234.5
		t.Fatal(err)
	}
	r.pulses(1, time.Second)
	r.expect() // to set it is not to count
	r.pulses(49, time.Second)
	r.expect("b 1234.75", "a 1235", "b 1235")
	r.source.Set("gas", sources.Number{})
	r.pulses(60, time.Second)
	r.expect("b 0.25", "b 0.5", "c 0.51")
	// A reload that asks for the same, with another scale, goes on.
	r.apply("gas: {line: m, scale: 0.1}", "{counter: gas, every: 1}", "{counter: gas, every: 0.25}", "{counter: gas, above: 0.5}")
	r.pulses(4, time.Second)
	r.expect("b 0.8", "a 1", "b 1")
}

// Nothing is emitted for pulses that no rule waits for, and nothing is allocated.
func TestPulsesAreCheap(t *testing.T) {
	r := newRig(t)
	r.apply("flow: {line: m}", "{counter: flow, every: 1000000}")
	r.events = 0
	e := &sources.Event{Time: 1, Topic: sources.Topic{Kind: "line", Name: "m", State: "rising"}, Press: sources.Down}
	if n := testing.AllocsPerRun(1000, func() { e.Time++; r.source.Notify(e) }); n > 0 || r.events > 0 {
		t.Errorf("%v allocations and %d events", n, r.events)
	}
	if r.total("flow") != "1001" {
		t.Errorf("total %s", r.total("flow"))
	}
}

// Each of several counters of one line counts all of a loss.
func TestLossOfSeveral(t *testing.T) {
	r := newRig(t)
	r.apply("a: {line: m}\nb: {line: m, scale: 10}\nc: {line: m}")
	r.source.Notify(&sources.Event{Topic: sources.Topic{Kind: "loss", Name: "gpio", State: "lost"}, Source: "gpio:m",
		Fields: []sources.Field{{Name: "COUNT", Value: sources.Int(40)}}})
	if got := r.total("a") + " " + r.total("b") + " " + r.total("c"); got != "20 200 20" {
		t.Errorf("totals %s", got)
	}
}

// Pulses that the kernel's queue had no room for are counted: see gpio.
func TestLoss(t *testing.T) {
	r := newRig(t)
	r.apply("flow: {line: m}", "{counter: flow, every: 100}")
	r.pulses(90, time.Millisecond)
	lost := func(source string, n int64) {
		r.source.Notify(&sources.Event{Topic: sources.Topic{Kind: "loss", Name: "gpio", State: "lost"}, Source: source,
			Fields: []sources.Field{{Name: "COUNT", Value: sources.Int(n)}}})
	}
	lost("gpio:other", 1000)
	lost("gpio:m", 41)
	r.expect("a 110")
	r.both = false
	r.apply("flow: {line: m}")
	lost("gpio:m", 41)
	lost("gpio:m", 0)
	if r.total("flow") != "151" {
		t.Errorf("total %s", r.total("flow"))
	}
}

func TestRate(t *testing.T) {
	r := newRig(t)
	r.apply("fan: {line: m, scale: 0.5, rate: 1m}", "{counter: fan, rate: {below: 300}}", "{counter: fan, rate: {above: 1000, hysteresis: 500}}")
	r.pulses(25*66, time.Second/25) // 750 in a minute
	r.loop.Advance(r.loop.Now(), func() {})
	r.expect()
	if got := r.source.tallies["fan"].rated(); got != "750" {
		t.Errorf("rate %s", got)
	}
	r.pulses(50*60, time.Second/50)
	r.expect("b 1050")
	r.loop.Advance(r.loop.Now()+10*time.Minute, func() {})
	r.expect("a 150.5") // one pulse was at the end of a bucket
	if _, due := r.loop.Due(); due {
		t.Error("something wakes up for a fan that stands")
	}
	r.pulses(50*60, time.Second/50)
	r.expect("b 1050")
}

// A fan that never turned has a rate once its first window is over.
func TestRateOfNothing(t *testing.T) {
	r := newRig(t)
	r.apply("fan: {line: m, rate: 10s}", "{counter: fan, rate: {below: 300}}")
	tally := r.source.tallies["fan"]
	r.loop.Advance(r.loop.Now()+9*time.Second, func() {})
	if tally.rated() != "" {
		t.Error("a rate without a window")
	}
	r.loop.Advance(r.loop.Now()+time.Second, func() {})
	if tally.rated() != "0" {
		t.Errorf("rate %q", tally.rated())
	}
}

// Totals are kept at most once a minute, and when the agent ends.
func TestKept(t *testing.T) {
	r := newRig(t)
	r.apply("gas: {line: m, scale: 0.01, keep: true}\nfan: {line: m}")
	r.pulses(50, time.Second)
	if len(r.kept) > 0 {
		t.Errorf("kept too soon: %v", r.kept)
	}
	r.pulses(11, time.Second)
	if want := "0.6"; r.kept[keptAs("gas")] != want {
		t.Errorf("kept %v", r.kept)
	}
	r.flush()
	r.restart()
	r.apply("gas: {line: m, scale: 0.01, keep: true}\nfan: {line: m}")
	if r.total("gas") != "0.61" || r.total("fan") != "0" {
		t.Errorf("%s and %s after a restart", r.total("gas"), r.total("fan"))
	}
}

// A reload that begins to keep a total keeps the one that there is, and one that
// takes a counter away keeps its last pulses.
func TestKeptOverReload(t *testing.T) {
	r := newRig(t)
	r.apply("gas: {line: m}\nfan: {line: m, keep: true}")
	r.pulses(7, time.Second)
	r.apply("gas: {line: m, keep: true}")
	if r.kept[keptAs("fan")] != "7" {
		t.Errorf("kept %v of a counter that is gone", r.kept)
	}
	r.loop.Advance(r.loop.Now()+savePause, func() {})
	if r.kept[keptAs("gas")] != "7" {
		t.Errorf("kept %v", r.kept)
	}
}

// A trigger that waits for the state to last has a memory of its own.
func TestMemoryOfOneThatLasts(t *testing.T) {
	triggers := []string{"{counter: gas, above: 10, hysteresis: 5, for: 1m}", "{counter: gas, above: 10, hysteresis: 5}"}
	r := newRig(t)
	r.apply("gas: {line: m}", triggers...)
	set := func(to int64) {
		if err := r.source.Set("gas", sources.Integer(to)); err != nil {
			t.Fatal(err)
		}
		r.pulses(1, time.Second)
	}
	set(10)
	r.expect("b 11")
	set(6) // not back by 5
	r.apply("gas: {line: m}", triggers...)
	r.pulses(5, time.Second)
	r.expect()
}

func BenchmarkPulse(b *testing.B) {
	r := newRig(b)
	r.apply("flow: {line: m, scale: 0.001, rate: 1m}", "{counter: flow, every: 1}", "{counter: flow, rate: {above: 3}}")
	e := &sources.Event{Time: 1, Topic: sources.Topic{Kind: "line", Name: "m", State: "rising"}, Press: sources.Down}
	b.ReportAllocs()
	for b.Loop() {
		e.Time++
		r.source.Notify(e)
	}
}

// A late interrupt makes both edges of a pulse look the same: that is one pulse, and
// one edge that never came to the kernel is one too.
func TestEdgesOfALateInterrupt(t *testing.T) {
	for edges, want := range map[string]string{
		"Rf Rf":         "1", // the rising edge was seen as falling
		"Rf":            "1", // both in one interrupt
		"r Fr Fr f":     "2",
		"r f Rf Rf r f": "3",
		"Rf Rf Rf Rf":   "2",
		"Rf r f Rf r f": "4",
		"r Fr f r Fr f": "4",
	} {
		r := newRig(t)
		r.apply("a: {line: m}")
		for _, c := range strings.ReplaceAll(edges, " ", "") {
			e := &sources.Event{Time: r.loop.Now(), Topic: sources.Topic{Kind: "line", Name: "m", State: "falling"}, Press: sources.Up}
			if c == 'r' || c == 'R' {
				e.Topic.State, e.Press = "rising", sources.Down
			}
			if c == 'R' || c == 'F' {
				e.Fields = []sources.Field{{Name: "SYNTHETIC", Value: sources.Int(1)}}
			}
			r.source.Notify(e)
		}
		if got := r.total("a"); got != want {
			t.Errorf("%s: %s pulses, want %s", edges, got, want)
		}
	}
}
