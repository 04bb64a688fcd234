// SPDX-License-Identifier: MIT

// Package scenario reads tests of rules and plays them, in virtual time, on a
// simulated agent: the verb test.
//
// This file has the form of a test file. It is read by the declarations that
// the documentation of the form is made of.
package scenario

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"reflexd/config"
	"reflexd/regular"
)

// Suffix is how the names of test files end: NAME.test.yaml tests NAME.yaml
// beside it, unless it says otherwise.
const Suffix = config.TestSuffix

// File is one file of tests.
type File struct {
	Path   string
	Config []string // the configuration that it tests
	Tests  []*Test
	// Each, if not nil, is called after each step of a test, with the actions
	// that were done since the last one.
	Each func(step int, done []string)
}

// Test is one test.
type Test struct {
	Name string
	Pos  config.Pos

	given   given
	results []*result
	steps   []*step
	strict  bool
}

// given is what there is at the start.
type given struct {
	time     string
	timeAt   config.Pos
	zone     string
	zoneAt   config.Pos
	vars     map[string]*word
	lines    map[string]*word
	inputs   map[string]*word
	links    map[string]*word
	sensors  map[string]*word
	counters map[string]*word
	pwms     map[string]*word
	mounts   map[string]*mounted
	uevents  []*properties
}

// word is a word with its place.
type word struct {
	at   config.Pos
	text string
}

type mounted struct {
	at     config.Pos
	fields map[string]*word
}

type properties struct {
	at     config.Pos
	values map[string]*word
}

// maxFile is the size in bytes of the longest test file.
const maxFile = 1 << 20

// Load reads a file of tests. with, if not empty, is the configuration that
// they test, whatever they say.
func Load(path string, with []string, ps *config.Problems) (*File, error) {
	text, err := regular.Read(path, maxFile)
	if err != nil {
		return nil, err
	}
	return Parse(path, text, with, ps), nil
}

// Parse is Load for a file with this text.
func Parse(path string, text []byte, with []string, ps *config.Problems) *File {
	f := &File{Path: path}
	node, ok := config.Parse(path, text, ps)
	if !ok {
		return f
	}
	if !strings.HasSuffix(path, Suffix) && !slices.ContainsFunc(node.Entries, func(e config.Entry) bool { return e.Key == "tests" || e.Key == "config" }) {
		ps.Errorf(node.Pos, "this file has no `tests`: those of NAME.yaml belong in NAME%s", Suffix)
		return f
	}
	f.read(node, ps)
	if f.Config = with; len(with) == 0 {
		f.Config = f.configured(node, ps)
	}
	return f
}

// read reads all but `config`.
func (f *File) read(node config.Node, ps *config.Problems) {
	var paths []string
	var tests []config.Node
	fields(&paths, &tests).Read(node, ps)
	names := map[string]config.Pos{}
	for _, n := range tests {
		for _, one := range instances(n, ps) {
			t := &Test{Pos: one.node.Pos}
			t.value().Read(one.node, ps)
			t.Name += one.suffix
			if first, again := names[t.Name]; again && t.Name != "" {
				ps.Errorf(t.Pos, "a test named %q is already there, at %s", t.Name, first)
			}
			names[t.Name] = t.Pos
			f.Tests = append(f.Tests, t)
		}
	}
}

// Shape describes the form of a test file, for the reference page and the
// schema.
func Shape() config.Shape {
	var paths []string
	return config.Object(
		configField(&paths),
		config.Field{Name: "tests", Doc: "the tests", Required: true, Value: config.ListOf(new([]*Test), func(p **Test) config.Value {
			*p = &Test{}
			return (*p).value()
		})},
	).Shape()
}

func configField(paths *[]string) config.Field {
	path := func(p *string) config.Value { return config.Word(p, "a path") }
	return config.Field{Name: "config", Doc: "the configuration that is tested: files or folders, relative to this file; default: NAME.yaml for NAME" + Suffix,
		Value: config.OneOrMore(paths, path)}
}

func fields(paths *[]string, tests *[]config.Node) config.Value {
	return config.Object(
		configField(paths),
		config.Field{Name: "tests", Doc: "the tests", Required: true, Value: config.ListOf(tests, func(n *config.Node) config.Value {
			return config.Func(config.Shape{Type: "mapping"}, func(found config.Node, _ *config.Problems) { *n = found })
		})},
	)
}

// configured returns the configuration that a file names, or that its own name
// stands for.
func (f *File) configured(node config.Node, ps *config.Problems) []string {
	var paths []string
	dir := filepath.Dir(f.Path)
	for _, e := range node.Entries {
		if e.Key == "config" {
			configField(&paths).Value.Read(e.Value, &config.Problems{})
		}
	}
	for i, p := range paths {
		if !filepath.IsAbs(p) {
			paths[i] = filepath.Join(dir, p)
		}
	}
	if len(paths) > 0 {
		return paths
	}
	beside := strings.TrimSuffix(f.Path, Suffix) + ".yaml"
	if _, err := os.Stat(beside); err != nil || beside == f.Path+".yaml" {
		ps.Errorf(node.Pos, "which configuration is tested? %s does not exist: write `config: PATH`, or use -c", beside)
	}
	return []string{beside}
}

// wordsValue reads a mapping from names to words.
func wordsValue(m *map[string]*word) config.Value {
	return config.MapOf(m, func(w *word) *config.Pos { return &w.at }, func(_ string, w *word) config.Value { return config.Text(&w.text) })
}

func (t *Test) value() config.Value {
	return config.Object(
		config.Field{Name: "name", Doc: "what it shows", Required: true, Value: config.Word(&t.Name, "a name")},
		config.Field{Name: "given", Doc: "what there is at the start", Value: config.Object(t.given.fields()...)},
		config.Field{Name: "each", Doc: "parameters: the test is played for each mapping of the list, in which ${name} stands for a value",
			Value: config.Func(eachValue(new([]map[string]*word)).Shape(), func(config.Node, *config.Problems) {})},
		config.Field{Name: "results", Doc: "what actions come to; all others succeed at once", Value: config.ListOf(&t.results, func(p **result) config.Value {
			*p = &result{}
			return (*p).value()
		})},
		config.Field{Name: "steps", Doc: "what happens, and what is expected", Required: true, Value: config.ListOf(&t.steps, func(p **step) config.Value {
			*p = &step{}
			return (*p).value()
		})},
		config.Field{Name: "strict", Doc: "an action that no `expect` mentions is a failure", Default: "off", Value: config.Bool(&t.strict)},
	)
}

func (g *given) fields() []config.Field {
	return []config.Field{
		{Name: "time", Doc: "the wall clock: `2026-03-01 23:10`", Default: "2026-01-01 12:00", Value: config.At(&g.timeAt, config.Text(&g.time))},
		{Name: "zone", Doc: "the time zone, such as Europe/Berlin", Default: "UTC", Value: config.At(&g.zoneAt, config.Word(&g.zone, "a time zone"))},
		{Name: "vars", Doc: "values of variables", Value: wordsValue(&g.vars)},
		{Name: "lines", Doc: "lines that are `on` or `off`; others are off, outputs as they are declared", Value: wordsValue(&g.lines)},
		{Name: "inputs", Doc: "inputs that are `present` or `absent`; others are absent", Value: wordsValue(&g.inputs)},
		{Name: "links", Doc: "links that are there: `up` or `down`", Value: wordsValue(&g.links)},
		{Name: "sensors", Doc: "what sensors read, in their units, or `absent`; others are not known before a step", Value: wordsValue(&g.sensors)},
		{Name: "counters", Doc: "totals of counters, in their units; others begin at 0", Value: wordsValue(&g.counters)},
		{Name: "pwm", Doc: "levels of pwm outputs, in percent; others are as they are declared", Value: wordsValue(&g.pwms)},
		{Name: "mounts", Doc: "what is mounted, by mount points, with the fields of its events", Value: config.MapOf(&g.mounts,
			func(m *mounted) *config.Pos { return &m.at }, func(_ string, m *mounted) config.Value { return wordsValue(&m.fields) })},
		{Name: "uevents", Doc: "devices that are there, for `coldplug` and for `automount`: SUBSYSTEM, DEVNAME, FSTYPE and so on", Value: config.ListOf(&g.uevents, func(p **properties) config.Value {
			*p = &properties{}
			return config.At(&(*p).at, wordsValue(&(*p).values))
		})},
	}
}

// clock returns the time at which the test begins.
func (g *given) clock() (time.Time, error) {
	zone, err := time.LoadLocation(g.zone)
	if err != nil || g.zone == "Local" {
		return time.Time{}, fmt.Errorf("%s: unknown time zone %q: it is written as Europe/Berlin is, and found if the package tzdata is installed", g.zoneAt, g.zone)
	}
	if g.time == "" {
		return time.Date(2026, 1, 1, 12, 0, 0, 0, zone), nil
	}
	t, err := parseTime(g.time, time.Time{}, zone)
	if err != nil {
		return t, fmt.Errorf("%s: %w", g.timeAt, err)
	}
	return t, nil
}

// parseTime reads a date and time or, where the date of now will do, a time.
func parseTime(s string, now time.Time, zone *time.Location) (time.Time, error) {
	for _, layout := range []string{"2006-01-02 15:04", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02T15:04:05"} {
		if t, err := time.ParseInLocation(layout, s, zone); err == nil {
			return t, nil
		}
	}
	for _, layout := range []string{"15:04", "15:04:05"} {
		if t, err := time.ParseInLocation(layout, s, zone); err == nil && !now.IsZero() {
			return time.Date(now.Year(), now.Month(), now.Day(), t.Hour(), t.Minute(), t.Second(), 0, zone), nil
		}
	}
	return time.Time{}, fmt.Errorf("expected a time such as \"2026-03-01 23:10\", found %q", s)
}
