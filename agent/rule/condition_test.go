// SPDX-License-Identifier: MIT

package rule

import (
	"log/slog"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // for machines that have no zones

	"reflexd/agent/action"
	"reflexd/config"
	"reflexd/sources"
)

// read returns the hours that a condition `time` says.
func read(t *testing.T, text string) *hours {
	t.Helper()
	ps := &config.Problems{}
	n, ok := config.Parse("f", []byte(text), ps)
	h := &hours{}
	if ok {
		config.Object(h.fields()...).Read(n, ps)
	}
	if ps.Failed() {
		t.Fatal(ps)
	}
	h.check()
	return h
}

// at returns a world whose clock shows the time in the zone.
func at(t *testing.T, zone, text string) *World {
	t.Helper()
	place, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	now, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return &World{Wall: func() time.Time { return now.In(place) }, Log: slog.New(slog.DiscardHandler)}
}

func TestHours(t *testing.T) {
	for _, test := range []struct {
		text, zone, now string
		want            sources.Truth
	}{
		{"time: 08:00-18:30", "UTC", "2026-05-01T07:59:59Z", sources.No},
		{"time: 08:00-18:30", "UTC", "2026-05-01T08:00:00Z", sources.Yes},
		{"time: 08:00-18:30", "UTC", "2026-05-01T18:29:59Z", sources.Yes},
		{"time: 08:00-18:30", "UTC", "2026-05-01T18:30:00Z", sources.No},
		{"time: 22:00-06:00", "UTC", "2026-05-01T21:59:59Z", sources.No},
		{"time: 22:00-06:00", "UTC", "2026-05-01T23:59:59Z", sources.Yes},
		{"time: 22:00-06:00", "UTC", "2026-05-02T00:00:00Z", sources.Yes},
		{"time: 22:00-06:00", "UTC", "2026-05-02T06:00:00Z", sources.No},
		{"time: 22:00-00:00", "UTC", "2026-05-02T00:00:00Z", sources.No},
		{"time: 00:00-24:00", "UTC", "2026-05-02T23:59:59Z", sources.Yes},
		{"time: [06:00-07:00, 20:00-21:00]", "UTC", "2026-05-02T20:30:00Z", sources.Yes},
		// The 1st of May 2026 is a Friday.
		{"{time: 22:00-06:00, days: [mon, fri]}", "UTC", "2026-05-01T23:00:00Z", sources.Yes},
		{"{time: 22:00-06:00, days: [mon, fri]}", "UTC", "2026-05-01T03:00:00Z", sources.No},
		{"{time: 22:00-06:00, days: [mon, fri]}", "UTC", "2026-05-02T03:00:00Z", sources.Yes},
		{"{time: 22:00-06:00, days: [mon, fri]}", "UTC", "2026-05-02T23:00:00Z", sources.No},
		{"{time: 22:00-06:00, days: sat}", "UTC", "2026-05-03T03:00:00Z", sources.Yes},
		{"{time: 08:00-10:00, days: sun}", "UTC", "2026-05-03T09:00:00Z", sources.Yes},
		// It is the board's own day.
		{"{time: 00:00-02:00, days: sat}", "Asia/Tokyo", "2026-05-01T15:30:00Z", sources.Yes},
		// Berlin's clock goes from 2:00 to 3:00 at 1:00 UTC: 2:30 never is.
		{"time: 02:00-03:00", "Europe/Berlin", "2026-03-29T00:59:59Z", sources.No},
		{"time: 02:00-03:00", "Europe/Berlin", "2026-03-29T01:00:00Z", sources.No},
		{"time: 22:00-06:00", "Europe/Berlin", "2026-03-29T04:00:00Z", sources.No},
		{"time: 22:00-06:00", "Europe/Berlin", "2026-03-29T03:59:59Z", sources.Yes},
		// And back from 3:00 to 2:00: 2:30 is twice.
		{"time: 02:00-03:00", "Europe/Berlin", "2026-10-25T00:30:00Z", sources.Yes},
		{"time: 02:00-03:00", "Europe/Berlin", "2026-10-25T01:30:00Z", sources.Yes},
		{"time: 02:00-03:00", "Europe/Berlin", "2026-10-25T02:00:00Z", sources.No},
		// A clock that was never set.
		{"time: 00:00-24:00", "UTC", "1970-01-01T00:00:10Z", sources.Unknown},
		{"time: 00:00-24:00", "UTC", "2024-12-31T23:59:59Z", sources.Unknown},
	} {
		if got := read(t, test.text).holds(at(t, test.zone, test.now), nil); got != test.want {
			t.Errorf("%s at %s (%s): %d, want %d", test.text, test.now, test.zone, got, test.want)
		}
	}
}

// What is not known is neither true nor false, through any nesting.
func TestUnknownIsNeither(t *testing.T) {
	is := func(truth sources.Truth) condition {
		return question{&sources.Question{Ask: func() sources.Truth { return truth }}}
	}
	yes, no, unknown := is(sources.Yes), is(sources.No), is(sources.Unknown)
	for name, test := range map[string]struct {
		condition
		want sources.Truth
	}{
		"all of nothing":        {allOf{}, sources.Yes},
		"not unknown":           {not{unknown}, sources.Unknown},
		"not not unknown":       {not{not{unknown}}, sources.Unknown},
		"unknown and no":        {allOf{unknown, no}, sources.No},
		"unknown and yes":       {allOf{yes, unknown}, sources.Unknown},
		"unknown or yes":        {anyOf{unknown, yes}, sources.Yes},
		"unknown or no":         {anyOf{no, unknown}, sources.Unknown},
		"not (unknown or no)":   {not{anyOf{no, unknown}}, sources.Unknown},
		"not (unknown and no)":  {not{allOf{no, unknown}}, sources.Yes},
		"not (yes and not yes)": {not{allOf{yes, not{yes}}}, sources.Yes},
	} {
		if got := test.holds(nil, nil); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}

// conditional returns a runner and a rule with conditions of all kinds of
// which none but the last says no.
func conditional(t testing.TB) (*Runner, []*Rule, *sources.Event) {
	ps := &config.Problems{}
	n, _ := config.Parse("f", []byte(`{where: {N: {above: 1, below: 9}, LINE: "do*"}}`), ps)
	c := &Compiler{Problems: ps}
	var specs []*ifSpec
	ifValue(&specs, NewKinds(nil, nil)).Read(n, ps)
	all := compileAll(specs, c, nil)
	if ps.Failed() || len(all) != 1 {
		t.Fatal(ps)
	}
	h := &hours{spans: []span{{22 * 60, 6 * 60}, {6 * 60, 22 * 60}}}
	h.check()
	all = append(all, anyOf{not{h}, question{&sources.Question{Ask: func() sources.Truth { return sources.Yes }}}}, placed{not{h}, config.Pos{}})
	r := &Rule{Name: "r", If: all}
	env := &action.Env{Log: slog.New(slog.NewTextHandler(&strings.Builder{}, nil))}
	runner := NewRunner(env, &World{Wall: time.Now, Log: env.Log}, false)
	runner.Adopt([]*Rule{r})
	fields := []sources.Field{{Name: "LINE", Value: sources.Text("door")}, {Name: "N", Value: sources.Int(5)}}
	return runner, []*Rule{r}, &sources.Event{Topic: sources.Topic{Kind: "event", Name: "x", State: "sent"}, Fields: fields}
}

func TestConditionsAllocateNothing(t *testing.T) {
	runner, rules, e := conditional(t)
	if n := testing.AllocsPerRun(1000, func() { runner.Fire(rules, e) }); n != 0 {
		t.Errorf("%v allocations an event", n)
	}
	if s := runner.Status(rules)[0]; s.Unmet != 1001 || s.Fired != 0 {
		t.Errorf("%+v", s)
	}
}

func BenchmarkConditions(b *testing.B) {
	runner, rules, e := conditional(b)
	b.ReportAllocs()
	for b.Loop() {
		runner.Fire(rules, e)
	}
}
