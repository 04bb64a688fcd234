// SPDX-License-Identifier: MIT

package sources

import (
	"slices"
	"strings"
	"testing"

	"reflexd/config"
)

// refsOf reads refs as a trigger has them, one or a list.
func refsOf(t *testing.T, yaml string) ([]Ref, *config.Problems) {
	t.Helper()
	ps := &config.Problems{}
	n, ok := config.Parse("t.yaml", []byte(yaml), ps)
	if !ok {
		t.Fatalf("%s: %v", yaml, ps)
	}
	var refs []Ref
	config.OneOrMore(&refs, RefValue("the name of a lamp")).Read(n, ps)
	return refs, ps
}

// lamps are declared by name; those that are true can be dimmed.
func lamps(names map[string]bool) *Declared[bool] {
	return &Declared[bool]{
		What: "lamp", ByName: names, Example: "lamps: {%s: {…}}",
		Eligible: func(dims bool) bool { return dims }, Eligibles: "dimmer",
	}
}

func TestRefsFind(t *testing.T) {
	d := lamps(map[string]bool{"door": true, "desk": true, "dark": false, "hall": true, "a*": true, "": true})
	for yaml, want := range map[string][]string{
		`door`:               {"door"},
		`"d*"`:               {"desk", "door"}, // sorted, and none that no pattern may match
		`dark`:               {"dark"},         // but it may be named
		`"[!d]*"`:            {"a*", "hall"},
		`"a*"`:               {"a*"}, // what is called like a pattern is itself
		`[hall, "d*", hall]`: {"hall", "desk", "door"},
		`[door, "*"]`:        {"door", "", "a*", "desk", "hall"},
	} {
		refs, ps := refsOf(t, yaml)
		if got := d.FindAll(refs, ps); !slices.Equal(got, want) || ps.Failed() {
			t.Errorf("%s finds %q, want %q: %v", yaml, got, want, ps)
		}
	}
}

func TestRefsToNothing(t *testing.T) {
	some := lamps(map[string]bool{"door": true, "dark": false})
	all := &Declared[bool]{What: "lamp", ByName: some.ByName}
	for _, test := range []struct {
		d          *Declared[bool]
		yaml, want string
	}{
		{some, `[door, dor]`, `t.yaml:1:8: no lamp "dor" is declared; did you mean "door"?`},
		{some, `darc`, `t.yaml:1:1: no lamp "darc" is declared; declared: door`},
		{all, `darc`, `t.yaml:1:1: no lamp "darc" is declared; did you mean "dark"?`},
		{lamps(nil), `door`, `t.yaml:1:1: no lamp "door" is declared; declare it: lamps: {door: {…}}`},
		{some, `"x*"`, `t.yaml:1:1: no declared dimmer matches "x*"; declared: door`},
		{some, `"dar?"`, `t.yaml:1:1: no declared dimmer matches "dar?"; declared: door`},
		{all, `"x*"`, `t.yaml:1:1: no declared lamp matches "x*"; declared: dark, door`},
		{some, `""`, `t.yaml:1:1: expected the name of a lamp, found empty quotes`}, // and no more
		{some, `{}`, `t.yaml:1:1: expected the name of a lamp, found a mapping`},
	} {
		refs, ps := refsOf(t, test.yaml)
		if got := test.d.FindAll(refs, ps); slices.Contains(got, "") || ps.Error() != test.want {
			t.Errorf("%s finds %q:\n got %s\nwant %s", test.yaml, got, ps.Error(), test.want)
		}
	}
}

// One takes no patterns: where a single thing is asked for, none would do.
func TestRefToOne(t *testing.T) {
	ps := &config.Problems{}
	d := &Declared[int]{What: "lamp", ByName: map[string]int{"door": 7}}
	if got, ok := d.One(Ref{Name: "door"}, ps); got != 7 || !ok || ps.Failed() {
		t.Errorf("door is %d, %v: %v", got, ok, ps)
	}
	if _, ok := d.One(Ref{Name: "d*"}, ps); ok || !strings.Contains(ps.Error(), `no lamp "d*" is declared`) {
		t.Errorf("a pattern is %v: %v", ok, ps)
	}
}
