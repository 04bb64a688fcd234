// SPDX-License-Identifier: MIT

package sources

import (
	"path"
	"strings"
	"testing"

	"reflexd/config"
)

func readWhere(t *testing.T, yaml string) (Where, *config.Problems) {
	t.Helper()
	ps := &config.Problems{}
	n, ok := config.Parse("t.yaml", []byte(yaml), ps)
	if !ok {
		t.Fatalf("%s: %v", yaml, ps)
	}
	var w Where
	WhereValue(&w).Read(n, ps)
	return w, ps
}

var event = Event{Fields: []Field{
	{"VALUE", Int(1234)}, {"DEVPATH", Text("/devices/usb1/1-1/block/sda")}, {"LABEL", Text("")}, {"SIZE", Text("2000")},
	{"TENTHS", Text("21.5")},
}}

func TestWhere(t *testing.T) {
	for yaml, want := range map[string]bool{
		`{}`:                                   true,
		`{VALUE: 1234}`:                        true,
		`{VALUE: "1234"}`:                      true,
		`{VALUE: 0x4d2}`:                       true,
		`{VALUE: 1235}`:                        false,
		`{VALUE: text}`:                        false,
		`{VALUE: 12*}`:                         true,
		`{DEVPATH: "*/usb1/*"}`:                true,
		`{DEVPATH: /devices}`:                  false,
		`{VALUE: [1, 1234]}`:                   true,
		`{VALUE: [1, 2]}`:                      false,
		`{VALUE: {above: 1233, below: 1235}}`:  true,
		`{VALUE: {above: 1234}}`:               false,
		`{SIZE: {above: 1000}}`:                true,
		`{DEVPATH: {above: 0}}`:                false,
		`{TENTHS: {above: 21.4, below: 21.6}}`: true,
		`{TENTHS: {above: 21.5}}`:              false,
		`{VALUE: {above: 1233.9}}`:             true,
		`{LABEL: {below: 1}}`:                  false,
		`{VALUE: {not: 1}}`:                    true,
		`{VALUE: {not: [1, 1234]}}`:            false,
		`{LABEL: ""}`:                          true,
		`{MISSING: ""}`:                        false,
		`{MISSING: "*"}`:                       false,
		`{MISSING: {not: "*"}}`:                true,
		`{VALUE: 1234, SIZE: 1}`:               false,
	} {
		w, ps := readWhere(t, yaml)
		if ps.Failed() {
			t.Errorf("%s: %v", yaml, ps)
		}
		if got := w.Match(&event); got != want {
			t.Errorf("%s: %v, want %v", yaml, got, want)
		}
	}
}

func TestWhereComplains(t *testing.T) {
	for yaml, want := range map[string]string{
		`{value: 1}`:           "t.yaml:1:2: \"value\" is not an event field: write it in upper case, VALUE",
		`{VALUE: 1, VALUE: 2}`: "duplicate field",
		`{VALUE: {abvoe: 1}}`:  `unknown comparison "abvoe"; did you mean "above"?`,
		`{VALUE: {above: x}}`:  "above: expected a number",
		`{VALUE: }`:            `an empty one is written ""`,
		`{VALUE: "[a"}`:        "a [ is not closed",
		`{VALUE: {}}`:          "expected one of not, above, below",
		`[1]`:                  "expected a mapping",
	} {
		_, ps := readWhere(t, yaml)
		if !strings.Contains(ps.Error(), want) {
			t.Errorf("%s: %q lacks %q", yaml, ps.Error(), want)
		}
	}
}

func TestExact(t *testing.T) {
	w, _ := readWhere(t, `{A: x, B: [x, y], C: x*, D: {not: x}, E: [x, y*]}`)
	for field, want := range map[string]string{"A": "x", "B": "x y", "C": "", "D": "", "E": "", "F": ""} {
		if got := strings.Join(w.Exact(field), " "); got != want {
			t.Errorf("Exact(%s) = %q, want %q", field, got, want)
		}
	}
}

func TestMatchingAllocatesNothing(t *testing.T) {
	w, _ := readWhere(t, `{VALUE: {above: 1, below: 9999}, DEVPATH: "*usb*sda", SIZE: [1, 2000]}`)
	if n := testing.AllocsPerRun(100, func() { w.Match(&event) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzGlob holds Glob against path.Match, which differs in what * does with a
// slash and in backslashes.
func FuzzGlob(f *testing.F) {
	for _, s := range [][2]string{
		{"*", ""}, {"a*b*c", "aXbXXc"}, {"[!a-c]x", "dx"}, {"[]a]", "]"}, {"[", "["}, {"?", "x"}, {"**a", "bca"}, {"a[", "a["},
	} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		got := Glob(pattern, text)
		if strings.ContainsAny(pattern, `\[]`) || strings.Contains(text, "/") || !ascii(pattern+text) {
			return
		}
		if want, err := path.Match(pattern, text); err == nil && got != want {
			t.Errorf("Glob(%q, %q) = %v, want %v", pattern, text, got, want)
		}
	})
}

func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 })
}

func TestGlobSets(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"sd[a-z]", "sda", true}, {"sd[a-z]", "sd1", false}, {"sd[!a-z]", "sd1", true}, {"[]]", "]", true},
		{"[^a]", "b", true}, {"[a-", "[a-", true}, {"a[", "a[", true}, {"[a]b", "ab", true}, {"*[0-9]", "sda1", true},
		{"*.rules", "x.rules.d", false}, {"*a*a*a*a*a*b", strings.Repeat("a", 5000), false},
	} {
		if got := Glob(c.pattern, c.text); got != c.want {
			t.Errorf("Glob(%q, %.20q) = %v, want %v", c.pattern, c.text, got, c.want)
		}
	}
}
