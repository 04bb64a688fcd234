// SPDX-License-Identifier: MIT

// Which outputs the actions set, pulse and blink mean.

package action

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"reflexd/agent/output"
	"reflexd/config"
	"reflexd/sources"
)

// panel is the lines of a board, of which some are broken, and a loop without
// time.
type panel struct {
	sources.Loop
	broken []string
	orders []string
}

func (p *panel) Set(name string, on bool, _ sources.Cause) error {
	if slices.Contains(p.broken, name) {
		return errors.New(name + " is broken")
	}
	p.orders = append(p.orders, fmt.Sprint(name, " ", on))
	return nil
}

func (p *panel) Toggle(name string, _ sources.Cause) error { return p.Set(name+" toggled", true, nil) }

func (p *panel) Level(string) (on, ok bool) { return false, true }

func (p *panel) Now() time.Duration { return 0 }

func (p *panel) After(time.Duration, func()) sources.Timer { return forever{} }

type forever struct{}

func (forever) Stop() bool { return true }

// build reads one action, on the lines relay1, relay2, lamp and busy.
func build(t *testing.T, yaml string) (List, *config.Problems) {
	t.Helper()
	ps := &config.Problems{}
	n, ok := config.Parse("f", []byte(yaml), ps)
	if !ok {
		t.Fatal(ps)
	}
	var s Spec
	s.Value(NewLanguage(nil)).Read(n, ps)
	lines := &Outputs{What: "output line", ByName: map[string]*struct{}{"relay2": nil, "relay1": nil, "lamp": nil, "busy": nil}, Example: "%s"}
	return s.Build(&Check{Problems: ps, Known: Known{Outputs: lines, References: &References{}, Uses: &Uses{}}}), ps
}

// do does the first of list upon an event with the field LINE.
func (p *panel) do(list List, line string) error {
	p.orders = nil
	log := slog.New(slog.DiscardHandler)
	r := &Run{
		Env:   &Env{Loop: p, Log: log, Outputs: output.New(p, log, p, nil, "/nowhere")},
		Event: &sources.Event{Fields: []sources.Field{{Name: "LINE", Value: sources.Text(line)}}}, Fresh: true,
	}
	_, err := list[0].Start(r)
	return err
}

func TestTargets(t *testing.T) {
	for _, c := range []struct{ yaml, line, orders, failure string }{
		{`{set: {line: lamp, to: on}}`, "", "lamp true", ""},
		{`{set: {line: [lamp, busy], to: off}}`, "", "lamp false, busy false", ""},
		{`{set: {line: "relay*", to: on}}`, "", "relay1 true, relay2 true", ""},
		{`{set: {line: [relay2, "*"], to: on}}`, "", "relay2 true, busy true, lamp true, relay1 true", ""},
		{`{set: {line: "${LINE}", to: toggle}}`, "lamp", "lamp toggled true", ""},
		{`{set: {line: ["relay*", "${LINE}"], to: toggle}}`, "relay2", "relay1 toggled true, relay2 toggled true", ""}, // once
		{`{set: {line: "relay${LINE}", to: on}}`, "2", "relay2 true", ""},
		{`{set: {line: "${LINE}", to: on}}`, "relay*", "", `line "relay*" is not a declared output`},
		{`{set: {line: [lamp, "${LINE}", busy], to: on}}`, "door", "lamp true, busy true", `line "door" is not a declared output`},
		{`{pulse: {line: [lamp, "${LINE}", busy], for: 1s}}`, "", "lamp true, busy true", `line "" is not a declared output`},
		{`{set: {line: ["${LINE}", busy, broken2, lamp], to: on}}`, "x", "", "f:1:"},
		{`{set: {line: "*", to: on}}`, "", "busy true, lamp true, relay2 true", "relay1 is broken"},
		{`{pulse: {line: "*", for: 1s}}`, "", "busy true, lamp true, relay2 true", "relay1 is broken"},
		{`{blink: {line: [relay1, "${LINE}", lamp], every: 1s}}`, "?", "lamp true", "relay1 is broken"}, // the first of two
	} {
		list, ps := build(t, c.yaml)
		if ps.Failed() {
			if !strings.Contains(ps.Error(), c.failure) || c.failure == "" {
				t.Errorf("%s: %v", c.yaml, ps)
			}
			continue
		}
		p := &panel{}
		if strings.Contains(c.failure, "broken") {
			p.broken = []string{"relay1"}
		}
		err := p.do(list, c.line)
		if got := strings.Join(p.orders, ", "); got != c.orders {
			t.Errorf("%s: %s, want %s", c.yaml, got, c.orders)
		}
		if err == nil && c.failure != "" || err != nil && !strings.Contains(err.Error(), cmp.Or(c.failure, "no failure")) {
			t.Errorf("%s: %v, want %s", c.yaml, err, c.failure)
		}
	}
}

// LEDs that an event names are names, whatever it holds.
func TestLEDsThatEventsName(t *testing.T) {
	list, ps := build(t, `{set: {led: [ACT, "*::caps", ACT, "${LINE}"], to: on}}`)
	if ps.Failed() {
		t.Fatal(ps)
	}
	r := &Run{Event: &sources.Event{Fields: []sources.Field{{Name: "LINE", Value: sources.Text("")}}}}
	for value, want := range map[string]string{
		"PWR": "ACT *::caps PWR", "ACT": "ACT *::caps", "*": `ACT *::caps "*" is not the name of a LED`,
		"../x": `ACT *::caps "../x" is not the name of a LED`, "": `ACT *::caps "" is not the name of a LED`,
	} {
		r.Event.Fields[0].Value = sources.Text(value)
		var got []string
		for _, f := range list[0].Action.(*set).outputs(r) {
			if f.err != nil {
				got = append(got, f.err.Error())
				continue
			}
			got = append(got, f.LED)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
}

func TestTargetsInWords(t *testing.T) {
	e := &sources.Event{Fields: []sources.Field{{Name: "LINE", Value: sources.Text("busy")}}}
	for yaml, want := range map[string]string{
		`{set: {line: lamp, to: on}}`:                             "set lamp to on",
		`{set: {line: ["relay*", "${LINE}"], to: on}}`:            "set relay*, busy to on",
		`{pulse: {led: [ACT, PWR], for: 1s}}`:                     "pulse LED ACT, LED PWR for 1s",
		`{blink: {line: [lamp, busy], every: 200ms, times: 2}}`:   "blink lamp, busy: ",
		`{set: {led: "${LINE}", brightness: 10%, trigger: none}}`: "set LED busy to on",
	} {
		list, ps := build(t, yaml)
		if got := list[0].Describe(e); ps.Failed() || !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s: %v", yaml, got, want, ps)
		}
	}
	list, _ := build(t, `[{set: {line: ["relay*", "${LINE}"], to: on}}, {set: {line: relay1, to: off}}, {set: {line: lamp, to: toggle}}, {log: x}, {set: {line: busy, to: on}}]`)
	if got := list.Sets(); !maps.Equal(got, map[string]string{"relay1": "off", "relay2": "on"}) {
		t.Error(got)
	}
}

// A list or a pattern of lines is set without allocating.
func TestSettingLinesAllocatesNothing(t *testing.T) {
	list, _ := build(t, `{set: {line: "*", to: on}}`)
	p := &panel{broken: []string{"lamp", "busy", "relay1", "relay2"}}
	r := &Run{Env: &Env{Outputs: output.New(p, nil, quiet{}, nil, "/nowhere")}}
	if n := testing.AllocsPerRun(100, func() { _, _ = list[0].Start(r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// quiet is lines that take every order.
type quiet struct{}

func (quiet) Set(string, bool, sources.Cause) error { return nil }
func (quiet) Toggle(string, sources.Cause) error    { return nil }
func (quiet) Level(string) (on, ok bool)            { return false, true }
