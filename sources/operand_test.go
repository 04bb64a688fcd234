// SPDX-License-Identifier: MIT

package sources

import (
	"testing"

	"reflexd/config"
)

// referringWhere reads a Where whose references are fields of the event.
func referringWhere(t *testing.T, yaml string) Where {
	t.Helper()
	ps := &config.Problems{}
	n, ok := config.Parse("t.yaml", []byte(yaml), ps)
	if !ok {
		t.Fatalf("%s: %v", yaml, ps)
	}
	var w Where
	ReferringWhere(&w).Read(n, ps)
	if ps.Failed() {
		t.Fatal(ps)
	}
	w.Bind(func(text string, _ config.Pos) Operand {
		name := text[len("${") : len(text)-1]
		return func(e *Event) (Value, bool) { return e.Lookup(name) }
	})
	return w
}

func TestReferences(t *testing.T) {
	for yaml, want := range map[string]bool{
		`{VALUE: "${VALUE}"}`:                          true,
		`{VALUE: "${SIZE}"}`:                           false,
		`{VALUE: {below: "${SIZE}"}}`:                  true,
		`{VALUE: {above: "${SIZE}"}}`:                  false,
		`{SIZE: {above: "${TENTHS}"}}`:                 true,
		`{TENTHS: {above: "${DEVPATH}"}}`:              false,
		`{TENTHS: {below: "${DEVPATH}"}}`:              false,
		`{VALUE: {above: "${MISSING}"}}`:               false,
		`{LABEL: "${MISSING}"}`:                        false,
		`{VALUE: [1, {not: ["${SIZE}", "x*"]}]}`:       true,
		`{VALUE: {above: 1, below: "${TENTHS}"}}`:      false,
		`{DEVPATH: "${DEVPATH}", LABEL: "${DEVPATH}"}`: false,
	} {
		if got := referringWhere(t, yaml).Match(&event); got != want {
			t.Errorf("%s: %v, want %v", yaml, got, want)
		}
	}
	w := referringWhere(t, `{VALUE: {below: "${SIZE}"}, DEVPATH: "${DEVPATH}"}`)
	if n := testing.AllocsPerRun(100, func() { w.Match(&event) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A reload reads the same words again: what they are bound to is other code.
func TestWhereEqual(t *testing.T) {
	all := []string{`{A: x}`, `{B: x}`, `{A: x, B: x}`, `{A: x*}`, `{A: [x, y*]}`, `{A: [x, z*]}`, `{A: {not: x}}`, `{A: {not: [x]}}`, `{A: {above: 1}}`, `{A: {below: 1}}`,
		`{A: {above: 1.5}}`, `{A: "${X}"}`, `{A: "${Y}"}`, `{A: {above: "${X}"}}`, `{A: {below: "${X}"}}`, `{A: {not: "${X}"}}`, `{A: ["${X}"]}`}
	for i, one := range all {
		for j, other := range all {
			if got := referringWhere(t, one).Equal(referringWhere(t, other)); got != (i == j) {
				t.Errorf("%s and %s are equal: %v", one, other, got)
			}
		}
	}
}
