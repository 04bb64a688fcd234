// SPDX-License-Identifier: MIT

package rule

import (
	"log/slog"
	"strings"
	"testing"

	"reflexd/agent/action"
	"reflexd/config"
	"reflexd/sources"
)

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
	yes := question{&sources.Question{Ask: func() sources.Truth { return sources.Yes }}}
	all = append(all, anyOf{not{yes}, yes}, placed{not{yes}, config.Pos{}, "", "", ""})
	r := &Rule{Name: "r", If: all}
	env := &action.Env{Log: slog.New(slog.NewTextHandler(&strings.Builder{}, nil))}
	runner := NewRunner(env, &World{}, false)
	runner.Adopt(NewIndex([]*Rule{r}))
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
