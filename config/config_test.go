// SPDX-License-Identifier: MIT

package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/google/go-cmp/cmp"
)

// sample is a small language with every kind of value.
type sample struct {
	Words []string
	Count int
	Span  time.Duration
	On    bool
	Mode  string
	Named map[string]*entry
	Kind  string
	Arg   string
}

type entry struct {
	Pos  Pos
	Text string
}

func (s *sample) value() Value {
	at := func(e *entry) *Pos { return &e.Pos }
	elem := func(_ string, e *entry) Value {
		return Object(Field{Name: "text", Value: Text(&e.Text), Required: true})
	}
	variants := []Variant{
		{Key: "say", Fields: func() []Field { return []Field{{Name: "say", Value: Text(&s.Arg)}} }},
		{Key: "wait", Fields: func() []Field { return []Field{{Name: "wait", Value: Duration(&s.Span)}} }},
	}
	common := []Field{{Name: "quietly", Value: Bool(&s.On)}}
	return Object(
		Field{Name: "words", Value: OneOrMore(&s.Words, Text)},
		Field{Name: "list", Value: ListOf(&s.Words, Text)},
		Field{Name: "count", Value: Int(&s.Count, 1, 9)},
		Field{Name: "span", Value: Duration(&s.Span)},
		Field{Name: "on", Value: Bool(&s.On)},
		Field{Name: "mode", Value: OneOf(&s.Mode, "single", "queued", "restart")},
		Field{Name: "one", Value: Int(&s.Count, 1, 1)},
		Field{Name: "press", Value: OneOf(&s.Mode, "pressed", "released", "held", "clicked", "double-clicked")},
		Field{Name: "named", Value: MapOf(&s.Named, at, elem)},
		Field{Name: "either", Value: Either(Text(&s.Arg), Object(Field{Name: "count", Value: Int(&s.Count, 1, 9)}))},
		Field{Name: "act", Value: Choice("action", variants, common, func(key string, _ Pos) []Field {
			s.Kind = key
			for _, v := range variants {
				if v.Key == key {
					return v.Fields()
				}
			}
			return nil
		})},
	)
}

func read(text string) (sample, *Problems) {
	var s sample
	ps := &Problems{}
	if n, ok := Parse("f.yaml", []byte(text), ps); ok {
		s.value().Read(n, ps)
	}
	return s, ps
}

func TestReadingValues(t *testing.T) {
	s, ps := read(`
words: [chmod, 0644, yes, ~, 1e3]
count: 3
span: 1h30m
on: on
mode: single
named: {a: {text: x}, b: {text: ""}}
either: {count: 9}
act: {say: hello, quietly: off}
`)
	if len(ps.All()) > 0 {
		t.Fatal(ps)
	}
	if got := strings.Join(s.Words, " "); got != "chmod 0644 yes ~ 1e3" {
		t.Errorf("words are not as they were written: %q", got)
	}
	if s.Count != 9 || s.Span != 90*time.Minute || s.Mode != "single" || s.Kind != "say" || s.Arg != "hello" || s.On {
		t.Errorf("%+v", s)
	}
	if len(s.Named) != 2 || s.Named["a"].Text != "x" || s.Named["b"].Pos != (Pos{"f.yaml", 7, 23}) {
		t.Errorf("named: %+v %+v", s.Named["a"], s.Named["b"])
	}
}

func TestAliasesStandForWholeValues(t *testing.T) {
	s, ps := read("words: &w [a, b]\nlist: *w\n")
	if len(ps.All()) > 0 || strings.Join(s.Words, "") != "abab" {
		t.Errorf("%v %v", s.Words, ps)
	}
}

func TestComplaints(t *testing.T) {
	for text, want := range map[string]string{
		"wrods: x":                     `f.yaml:1:1: unknown key "wrods"; did you mean "words"?`,
		"span: 10":                     `f.yaml:1:7: "10" has no unit: write 10ms, 10s or 10m`,
		"span: soon":                   `f.yaml:1:7: expected a duration such as 200ms, 3s or 1h30m, found "soon"`,
		"span: -3s":                    "expected a duration",
		"count: 12":                    `f.yaml:1:8: expected an integer from 1 to 9, found "12"`,
		"count: 99999999999999999999":  "expected an integer",
		"count: [1]":                   "f.yaml:1:8: expected an integer from 1 to 9, found a list",
		"count:":                       "found nothing",
		"on: maybe":                    `expected on or off, found "maybe"`,
		"mode: quued":                  `expected single, queued or restart, found "quued"; did you mean "queued"?`,
		"count: 1\nspan: 1s\ncount: 2": `f.yaml:3:1: duplicate key "count", first at line 1`,
		"named: {a: {}}":               `f.yaml:1:12: the key "text" is missing`,
		"named: {a: {text: 1}, a: {}}": `f.yaml:1:23: "a" is already declared at f.yaml:1:9`,
		"named: x":                     "expected a mapping from names, NAME: …, found \"x\"",
		"act: {}":                      "no action in the mapping: expected one of the keys say, wait",
		"act: {sya: x}":                `unknown action "sya"; did you mean "say"?`,
		"act: {dance: x}":              `unknown action "dance"; known: say, wait`,
		"act: {say: x, wait: 1s}":      `both "say" and "wait": a mapping can be only one action`,
		"act: {say: x, quitely: on}":   `unknown key "quitely"; did you mean "quietly"?`,
		"act: say":                     "expected a mapping with one of say, wait, found \"say\"",
		"words: []":                    "the list is empty",
		"- a":                          "f.yaml:1:1: expected a mapping with keys among words,",
		"a: &a [*a]":                   "f.yaml:1:8: the alias *a is inside the value that it repeats",
		"a: {<<: {b: c}}":              "merge keys (<<) are not supported",
		"? [a]\n: b":                   "a key must be a plain word",
		"count: 1\n---\ncount: 2":      "a second document",
		"act: {say: ${X}}":             `f.yaml:1:12: YAML: quote a string with ${…} here: "${X}"`,
		"count: 1\n# x\n# y\nnamed:\n  a: {text: 1}\n b: {text: 2}\n": "f.yaml:6:2: YAML: the indentation matches nothing above",
		"count: 1\nact: {say: a: b}\nspan: 1s\n":                      "f.yaml:2:13: YAML: a second `: ` in one entry: a comma is missing before it",
		"named:\n  a: {text: :}\n":                                    "f.yaml:2:3: YAML: did not find expected node content",
		"act: {say:hello}":                                            `unknown action "say:hello"; a space is missing after the colon: say: hello`,
		"count: 1\n\tspan: 1s\n":                                      "f.yaml:2:1: YAML: a tab in the indentation: use spaces",
		"count: 1\nact: {say: \xe9}\n":                                "f.yaml:2:12: the byte 0xe9 is not UTF-8",
		"words: [a":                                                   "f.yaml:",
		"act: {say: !!binary aGk=}":                                   "f.yaml:1:12: the YAML tag !!binary is not supported",
		"count: !mine 5":                                              "the YAML tag !mine is not supported",
		"words: !!set {a, b}":                                         "the YAML tag !!set is not supported",
		"one: 2":                                                      `f.yaml:1:6: expected the integer 1, found "2"`,
		"press: long-pressed":                                         `found "long-pressed"; did you mean "held"?`,
		"press: ON":                                                   `found "ON"; did you mean "pressed"?`,
		"press: Double_Click":                                         `did you mean "double-clicked"?`,
		"press: presed":                                               `did you mean "pressed"?`,
		strings.Repeat("[", 10_000):                                   "f.yaml",
		"a: " + strings.Repeat("- ", 99):                              "f.yaml:1",
	} {
		_, ps := read(text)
		if !strings.Contains(ps.Error(), want) || !ps.Failed() {
			t.Errorf("%.40q: %q lacks %q", text, ps.Error(), want)
		}
	}
}

func TestAliasesOfAliasesAreBounded(t *testing.T) {
	text := "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
	for c := 'b'; c < 'k'; c++ {
		text += strings.ReplaceAll(strings.ReplaceAll("N: &N [*P, *P, *P, *P, *P, *P, *P, *P, *P, *P]\n", "N", string(c)), "P", string(c-1))
	}
	_, ps := read(text)
	if !strings.Contains(ps.Error(), "more than 250000 values") {
		t.Error(ps)
	}
}

func TestAllComplaintsAtOnceAndInOrder(t *testing.T) {
	_, ps := read("mode: x\ncount: 0\nspan: 1\nfoo: 1\n")
	var lines []int
	for _, p := range ps.All() {
		lines = append(lines, p.Pos.Line)
	}
	if len(lines) != 4 || lines[0] != 1 || lines[1] != 2 || lines[2] != 3 || lines[3] != 4 {
		t.Errorf("complaints at lines %v: %v", lines, ps)
	}
}

// counter counts how often it is made into text.
type counter int

func (c *counter) String() string { *c++; return "hint" }

func TestOfVeryManyComplaintsOnlyTheFirstAreWorkedOut(t *testing.T) {
	const many = 5000
	var ps Problems
	var hints counter
	for i := range many {
		ps.Errorf(Pos{"f.yaml", i + 1, 1}, "wrong%s", &hints)
		ps.Errorf(Pos{"f.yaml", i + 1, 1}, "wrong%s", &hints) // as an alias has it twice
	}
	ps.Warnf(Pos{"f.yaml", 1, 1}, "doubtful")
	all := ps.All()
	if len(all) != mostProblems+2 || hints > 2*mostProblems {
		t.Errorf("%d complaints, %d hints worked out", len(all), hints)
	}
	if last, want := all[len(all)-1].String(), fmt.Sprintf("f.yaml: and %d more problems", many-mostProblems); last != want {
		t.Errorf("the last is %q, want %q", last, want)
	}
	if all[1].Message != "doubtful" {
		t.Errorf("errors leave no room for a warning: %v", all[1])
	}
}

func TestWarningsLeaveRoomForErrors(t *testing.T) {
	var ps Problems
	for i := range mostProblems + 1 {
		ps.Warnf(Pos{"f.yaml", i + 1, 1}, "doubtful")
	}
	if ps.Errorf(Pos{"f.yaml", 1, 1}, "wrong"); !ps.Failed() {
		t.Error("an error after many warnings is lost")
	}
}

func TestEmptyFileIsAnEmptyConfiguration(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "---\n", "~"} {
		if _, ps := read(text); len(ps.All()) > 0 {
			t.Errorf("%q: %v", text, ps)
		}
	}
}

func TestNamesAreUniqueOverFiles(t *testing.T) {
	var s sample
	ps := &Problems{}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"10-a.yaml": "named: {x: {text: a}}\n", "20-b.yaml": "named: {x: {text: b}}\n", "30-c.txt": "nonsense", ".hidden.yaml": "[", "10-a.test.yaml": "[",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	files, err := Files([]string{dir})
	if err != nil || len(files) != 2 || filepath.Base(files[0]) != "10-a.yaml" {
		t.Fatal(files, err)
	}
	ReadFiles(files, s.value(), ps)
	want := "20-b.yaml:1:9: \"x\" is already declared at " + files[0] + ":1:9"
	if !strings.Contains(ps.Error(), want) {
		t.Errorf("%v lacks %q", ps, want)
	}
}

func TestFilesThatCannotBeRead(t *testing.T) {
	if _, err := Files([]string{"/nowhere/x.yaml"}); err == nil || err.Error() != "read configuration /nowhere/x.yaml: no such file or directory" {
		t.Error(err)
	}
	if _, err := Files([]string{t.TempDir()}); err == nil || !strings.Contains(err.Error(), "no *.yaml file") {
		t.Error(err)
	}
	ps := &Problems{}
	ReadFiles([]string{"/nowhere/x.yaml"}, Object(), ps)
	if ps.Error() != "/nowhere/x.yaml: no such file or directory" {
		t.Error(ps)
	}
}

// A complaint quotes no more than anyone reads, whatever it complains of.
func TestComplaintsAreShort(t *testing.T) {
	huge := strings.Repeat("long ", 180_000)
	for _, format := range []string{"%s", "'%s'", "{%s: 1}", "count: %s", "span: %s", "on: %s", "mode: %s", "act: {say: %s, x: 1}", "act: {%s: x}", "named: {a: %s}", "words: {%s: x}"} {
		_, ps := read(fmt.Sprintf(format, strings.TrimSpace(huge)))
		if n := len(ps.Error()); n > 2500 || n == 0 {
			t.Errorf("%s: a complaint of %d bytes: %.300s", format, n, ps.Error())
		}
	}
}

func TestDirectivesAndTags(t *testing.T) {
	for _, text := range []string{"%YAML 1.2\n---\ncount: 3\n", "# x\n%YAML 1.1\n---\ncount: 3", "%YAML 1.2\r\n---\r\ncount: 3", "count: !!str 3", "count: !!int 3", "!!map {count: ! 3}"} {
		if s, ps := read(text); ps.Failed() || s.Count != 3 {
			t.Errorf("%q: %d, %v", text, s.Count, ps)
		}
	}
	if s, ps := read("act: {say: \"%YAML 1.2\"}\nlist:\n- |\n  %YAML 1.2\n"); ps.Failed() || s.Arg != "%YAML 1.2" || s.Words[0] != "%YAML 1.2\n" {
		t.Errorf("%+v, %v", s, ps)
	}
}

func TestSuggest(t *testing.T) {
	known := []string{"debounce", "output", "on_exit", "bias"}
	for word, want := range map[string]string{
		"debuonce": "debounce", "onexit": "on_exit", "OUTPUT": "output", "bais": "bias", "colour": "", "x": "", strings.Repeat("y", 999): "",
	} {
		got := Suggest(word, known)
		if want == "" && got != "" || want != "" && !strings.Contains(got, want) {
			t.Errorf("%.20s: %q, want %q", word, got, want)
		}
	}
}

// FuzzParse holds that no text makes the reader panic or run away.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"a: &a [*a]", "a: !!binary x", "? [x]\n: y", "<<: 1", "a: |\n  text\n", "\x00", "&a a: *a", "%YAML 1.9\n---\n", "a: {<<: *b}",
		"act: {say: ${X}}", "named: {? : {text: 1}}", strings.Repeat("{a: ", 100), "- - - - -", "\"\\U00110000\"",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, ps := read(text)
		for _, p := range ps.All() {
			if p.Message == "" || p.Pos.File != "f.yaml" {
				t.Errorf("complaint without place or message: %+v", p)
			}
		}
	})
}

func TestFileThatIsTooLarge(t *testing.T) {
	path := filepath.Join(t.TempDir(), "large.yaml")
	if err := os.WriteFile(path, make([]byte, maxFileSize+1), 0o600); err != nil {
		t.Fatal(err)
	}
	ps := &Problems{}
	ReadFiles([]string{path}, Object(), ps)
	if got := ps.Error(); got != path+": the file is larger than 4194304 bytes" {
		t.Error(got)
	}
}

// What is no file might never end, and hold up a start or a reload for ever.
func TestPipesAndDevicesAreNoConfiguration(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe.yaml")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, "/dev/zero"} {
		ps := &Problems{}
		ReadFiles([]string{path}, Object(), ps)
		if want := path + ": expected a regular file"; ps.Error() != want {
			t.Errorf("%q, want %q", ps.Error(), want)
		}
	}
}

func TestNULAndWhatCannotBePrinted(t *testing.T) {
	for text, want := range map[string]string{
		`name: "a\0b"`:    `f.yaml:1:7: "a\x00b" holds a NUL`,
		`"a\e[31m": text`: `f.yaml:1:1: the key "a\x1b[31m" holds unprintable characters`,
	} {
		if _, ps := read(text); !strings.Contains(ps.Error(), want) {
			t.Errorf("%s: %v, want %s", text, ps, want)
		}
	}
}

// What one element of a list says, the next does not have, though one Value reads both.
func TestTaken(t *testing.T) {
	type door struct {
		Name string
		Open bool
	}
	d := &door{Open: true}
	blank := *d
	var doors []*door
	list := ListOf(&doors, Taken(Object(
		Field{Name: "name", Value: Word(&d.Name, "a name")},
		Field{Name: "open", Value: Bool(&d.Open)},
	), func() *door {
		read := *d
		*d = blank
		return &read
	}))
	ps := &Problems{}
	n, _ := Parse("doors", []byte("[{name: front, open: off}, {}, {name: back}]"), ps)
	list.Read(n, ps)
	if diff := cmp.Diff([]*door{{"front", false}, {"", true}, {"back", true}}, doors); diff != "" || ps.Failed() {
		t.Error(ps, diff)
	}
}
