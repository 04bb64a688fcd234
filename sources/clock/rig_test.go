// SPDX-License-Identifier: MIT

// rig is the source under test on a loop and a clock that the test moves.

package clock

import (
	"cmp"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // for machines that have no zones

	"reflexd/config"
	"reflexd/sources"
)

type rig struct {
	t      testing.TB
	now    time.Duration // CLOCK_MONOTONIC
	ahead  time.Time     // what the clock showed when that was 0
	zone   *time.Location
	timers []*call
	log    strings.Builder

	source  *Source
	plan    *Plan
	fired   []string // the events, with what the clock showed
	waiting []sources.Trigger
}

// call is a sources.Timer.
type call struct {
	at   time.Duration
	fire func()
}

// newRig returns a rig whose clock shows a time, in a zone.
func newRig(t testing.TB, zone, now string) *rig {
	t.Helper()
	r := &rig{t: t, now: 1000 * time.Second, plan: &Plan{}}
	r.move(zone)
	r.ahead = moment3339(t, now).Add(-r.now)
	r.source = open(sources.Host{
		Loop: r, Emit: r.emit, Wall: r.wall,
		Log: slog.New(slog.NewTextHandler(&r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	return r
}

func moment3339(t testing.TB, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func (r *rig) wall() time.Time { return r.ahead.Add(r.now).In(r.zone) }

// move has the clock be in another zone, before the source is told.
func (r *rig) move(zone string) {
	place, err := time.LoadLocation(zone)
	if err != nil {
		r.t.Fatal(err)
	}
	r.zone = place
}

// set sets the clock.
func (r *rig) set(now string) {
	r.ahead = moment3339(r.t, now).Add(-r.now)
	r.source.ClockSet()
}

// pass lets time pass.
func (r *rig) pass(d time.Duration) {
	for end := r.now + d; ; {
		next := slices.MinFunc(append(r.timers, &call{at: end}), func(a, b *call) int { return cmp.Compare(a.at, b.at) })
		r.now = max(r.now, next.at)
		if next.fire == nil {
			return
		}
		r.drop(next)
		next.fire()
	}
}

// until lets time pass until the clock shows a time.
func (r *rig) until(now string) { r.pass(moment3339(r.t, now).Sub(r.wall())) }

func (r *rig) emit(e *sources.Event) {
	if e.Time > r.now || e.Topic.State == "" {
		r.t.Errorf("%+v", e)
	}
	r.fired = append(r.fired, e.Describe()+" @ "+r.wall().Format(time.RFC3339))
	for _, f := range e.Fields {
		if !slices.ContainsFunc(r.plan.Triggers(), func(k sources.TriggerKind) bool { return slices.Contains(k.Fields, f.Name) }) {
			r.t.Errorf("the field %s is not declared", f.Name)
		}
	}
}

// expect compares what was fired since it was called last.
func (r *rig) expect(want ...string) {
	r.t.Helper()
	if !slices.Equal(r.fired, want) {
		r.t.Errorf("fired\n\t%s\nwant\n\t%s\nlog:\n%s", strings.Join(r.fired, "\n\t"), strings.Join(want, "\n\t"), r.log.String())
	}
	r.fired = nil
}

// section reads a section of the next plan.
func (r *rig) section(name, text string) {
	r.t.Helper()
	i := slices.IndexFunc(r.plan.Sections(), func(f config.Field) bool { return f.Name == name })
	r.read(r.plan.Sections()[i].Value, text)
}

// wait adds triggers to the next plan.
func (r *rig) wait(triggers ...string) *rig {
	r.t.Helper()
	for _, text := range triggers {
		for _, k := range r.plan.Triggers() {
			if key, _, _ := strings.Cut(strings.Trim(text, "{ "), ":"); key == k.Key {
				fields, compile := k.New()
				r.read(config.Object(fields...), text)
				var t sources.Trigger
				r.complain(func(ps *config.Problems) { compile(&t, ps) })
				r.waiting = append(r.waiting, t)
			}
		}
	}
	return r
}

// condition compiles a condition of the next plan.
func (r *rig) condition(text string) func() (truth sources.Truth) {
	r.t.Helper()
	for _, k := range r.plan.Conditions() {
		if key, _, _ := strings.Cut(strings.Trim(text, "{ "), ":"); key == k.Key {
			fields, compile := k.New()
			r.read(config.Object(fields...), text)
			return compile(&config.Problems{}).Ask
		}
	}
	r.t.Fatal("no such condition")
	return nil
}

func (r *rig) read(v config.Value, text string) {
	r.t.Helper()
	r.complain(func(ps *config.Problems) {
		if n, ok := config.Parse("f", []byte(text), ps); ok {
			v.Read(n, ps)
		}
	})
}

func (r *rig) complain(f func(*config.Problems)) {
	r.t.Helper()
	ps := &config.Problems{}
	if f(ps); ps.Failed() {
		r.t.Fatal(ps)
	}
}

// apply applies the plan and begins the next.
func (r *rig) apply() *rig {
	r.source.Apply(r.plan)
	r.plan, r.waiting = &Plan{}, nil
	return r
}

// The rig is the source's loop.

func (r *rig) Now() time.Duration { return r.now }

func (r *rig) Woke() time.Duration { return r.now }

func (r *rig) After(d time.Duration, fire func()) sources.Timer {
	c := &call{r.now + d, fire}
	r.timers = append(r.timers, c)
	return &stopper{r, c}
}

func (r *rig) Watch(int, uint32, func(uint32)) (sources.Watch, error) {
	return nil, fmt.Errorf("a descriptor is watched")
}

func (r *rig) Beside(work, done func()) { work(); done() }

func (r *rig) drop(c *call) bool {
	i := slices.Index(r.timers, c)
	if i >= 0 {
		r.timers = slices.Delete(r.timers, i, i+1)
	}
	return i >= 0
}

type stopper struct {
	rig *rig
	*call
}

func (s *stopper) Stop() bool { return s.rig.drop(s.call) }
