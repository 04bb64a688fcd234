// SPDX-License-Identifier: MIT

package recording

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"reflexd/agent"
	"reflexd/agent/rule"
)

const rules = `
lines: {power: {button: GPIO3}, door: {contact: GPIO4}, lamp: {output: GPIO5}}
inputs: {remote: {name: "*IR*"}}
vars: {n: {initial: 0}}
rules:
  - {name: held, when: {line: power, is: held, for: 1s}, do: {run: [poweroff]}}
  - {name: open, when: {line: door, is: on, for: 2s}, if: {var: n, is: {below: 2}}, do: [{set: {line: lamp, to: on}}, {var: {n: {add: 1}}}]}
  - {name: play, when: {key: KEY_PLAY, is: pressed, from: remote}, mode: single, do: {run: [mpc, toggle]}, on_failure: {log: failed}}
`

// recorded is what a board with these rules records: a hold, a door that was
// open at the start and is closed and opened, and keys.
const recorded = `{"recording":1,"reflexd":"1.0","kernel":"Linux 6.1","time":100.000000000,"wall":"2026-03-01T12:00:00Z","zone":"UTC","rules":["held","open","play"],"lines":{"door":"on","power":"off","lamp":"off"},"vars":{"n":"0"},"inputs":{"remote":"present"}}
{"type":"event","time":101.000000000,"kind":"line","name":"power","state":"falling","source":"gpio:power","fields":{"LINE":"power","LEVEL":0}}
{"type":"event","time":101.000000000,"kind":"line","name":"power","state":"pressed","source":"gpio:power","fields":{"LINE":"power","LEVEL":0}}
{"type":"event","time":102.000000000,"kind":"line","name":"power","state":"held 1s","source":"gpio:power","fields":{"HELD_MS":1000}}
{"type":"rule","time":102.000100000,"kind":"line","name":"power","state":"held 1s","source":"gpio:power","rule":"held","outcome":"fired"}
{"type":"rule","time":102.004000000,"kind":"line","name":"power","state":"held 1s","source":"gpio:power","rule":"held","outcome":"done"}
{"type":"rule","time":102.001000000,"kind":"line","name":"door","state":"on","source":"gpio:door","rule":"open","outcome":"fired"}
{"type":"event","time":103.000000000,"kind":"line","name":"power","state":"rising","source":"gpio:power","fields":{"LINE":"power","LEVEL":1}}
{"type":"event","time":104.000000000,"kind":"key","name":"KEY_PLAY","state":"pressed","source":"input:remote","names":["remote"],"fields":{"KEY":"KEY_PLAY","VALUE":1}}
{"type":"rule","time":104.000010000,"kind":"key","name":"KEY_PLAY","state":"pressed","source":"input:remote","rule":"play","outcome":"fired"}
{"type":"event","time":104.100000000,"kind":"key","name":"KEY_PLAY","state":"released","source":"input:remote","names":["remote"],"fields":{"KEY":"KEY_PLAY","VALUE":0}}
{"type":"event","time":104.200000000,"kind":"key","name":"KEY_PLAY","state":"pressed","source":"input:remote","names":["remote"],"fields":{"KEY":"KEY_PLAY","VALUE":1}}
{"type":"rule","time":104.200010000,"kind":"key","name":"KEY_PLAY","state":"pressed","source":"input:remote","rule":"play","outcome":"dropped","why":"still running"}
{"type":"event","time":104.300000000,"kind":"key","name":"KEY_PLAY","state":"released","source":"input:remote","names":["remote"],"fields":{"KEY":"KEY_PLAY","VALUE":0}}
{"type":"action","time":105.000000000,"kind":"key","name":"KEY_PLAY","state":"pressed","source":"input:remote","rule":"play","action":"run mpc toggle","took":1.000000000,"why":"exit status 1"}
{"type":"rule","time":105.000000000,"kind":"key","name":"KEY_PLAY","state":"pressed","source":"input:remote","rule":"play","outcome":"failed","why":"exit status 1"}
`

func read(t testing.TB, text string) *Recording {
	t.Helper()
	r, err := Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// replayed returns what the rules of yaml make of r.
func replayed(t testing.TB, r *Recording, yaml string) *Replay {
	t.Helper()
	path := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := agent.LoadForSimulation([]string{path})
	if err != nil {
		t.Fatal(err)
	}
	p := &Replay{}
	if err := r.Replay(c, p); err != nil {
		t.Fatal(err)
	}
	return p
}

// The same rules do the same, with what their actions came to.
func TestReplay(t *testing.T) {
	r := read(t, recorded)
	p := replayed(t, r, rules)
	var got []string
	for _, f := range p.Now {
		got = append(got, fmt.Sprint(f.At, " ", f.Rule, " ", f.What))
	}
	want := []string{"2s held fired", "2s held done", "2s open fired", "2s open done", "4s play fired", "4.2s play dropped", "5s play failed"}
	slices.Sort(got[:4])
	slices.Sort(want[:4])
	if !slices.Equal(got, want) || len(p.Notes) > 0 {
		t.Errorf("%q\nwant %q\n%v", got, want, p.Notes)
	}
	before, ok := r.Recorded()
	if changes := Diff(before, p.Now); !ok || len(changes) > 0 {
		t.Error(ok, changes)
	}
}

// Other rules are shown rule by rule: what they did, what they do and why not.
func TestDiff(t *testing.T) {
	r := read(t, recorded)
	other := strings.NewReplacer("for: 1s}", "for: 1.5s}", "below: 2", "below: 0").Replace(rules)
	p := replayed(t, r, other)
	before, _ := r.Recorded()
	var out bytes.Buffer
	Write(&out, Diff(before, p.Now), p.Now)
	want := []string{
		`rule "held":`, `-     2.000000  fired (line power held 1s)`, `+     2.500000  fired (line power held 1500ms)`,
		`rule "open":`, `-     2.001000  fired (line door on); now unmet: `,
	}
	for _, line := range want[:2] {
		if !strings.Contains(out.String(), line) {
			t.Errorf("no %q in\n%s", line, &out)
		}
	}
	if !strings.Contains(out.String(), "+     2.500000  fired") || !strings.Contains(out.String(), want[4]) {
		t.Error(out.String())
	}
}

// What the configuration does not have is noted, once.
func TestReplayWithoutDevices(t *testing.T) {
	p := replayed(t, read(t, recorded), "rules: [{when: {signal: SIGUSR1}, do: {log: x}}]")
	if len(p.Now) > 0 || !slices.ContainsFunc(p.Notes, func(s string) bool { return strings.Contains(s, "line power is not a declared input") }) {
		t.Errorf("%v\n%q", p.Now, p.Notes)
	}
	masked := recorded[:strings.IndexByte(recorded, '\n')+1] + `{"type":"event","time":101,"kind":"key","state":"pressed","masked":true}` + "\n"
	if p := replayed(t, read(t, masked), rules); len(p.Notes) != 1 || !strings.Contains(p.Notes[0], "--keys") {
		t.Errorf("%q", p.Notes)
	}
}

// A recording that the power cut is read up to its last whole line, wherever it
// ends.
func TestCut(t *testing.T) {
	first := strings.IndexByte(recorded, '\n') + 1
	for end := first; end < len(recorded); end += 7 {
		r := read(t, recorded[:end])
		if whole := strings.Count(recorded[:end], "\n") - 1; len(r.Notices) != whole || r.Cut != (recorded[end-1] != '\n') {
			t.Fatalf("at %d: %d notices of %d, cut %v", end, len(r.Notices), whole, r.Cut)
		}
	}
}

func TestWhatIsNoRecording(t *testing.T) {
	head := recorded[:strings.IndexByte(recorded, '\n')+1]
	for text, want := range map[string]string{
		"":                           "1: this is no recording: it has no first line",
		"{}\n":                       "1: this is no recording: it does not begin with",
		"rules:\n":                   "1: this is no recording",
		"{\"recording\": 7}\n":       "1: the recording has version 7, and this program reads version 1",
		head + "{}\nx\n":             "3: no notice: invalid character",
		head + "{\"time\": \"x\"}\n": "2: no notice: ",
		head + strings.Repeat("x", longestLine+1) + "\n": "2: the line is longer than",
	} {
		if _, err := Read(strings.NewReader(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%.40q: %v, want %s", text, err, want)
		}
	}
}

// A head begins a new file, and the oldest is removed.
func TestRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r")
	w, err := Create(path, 3)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		fmt.Fprintf(w, "%s1,\"reflexd\":\"%d\"}\n{\"type\":\"event\",\"time\":%d}\n", headPrefix, i, i)
		fmt.Fprintf(w, "{\"type\":\"event\",\"time\":%d}\n", i)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"": "4", ".1": "3", ".2": "2"} {
		r, err := Load(path + name)
		if err != nil || r.Head.Reflexd != want || len(r.Notices) != 2 {
			t.Errorf("%s: %v %+v", name, err, r)
		}
	}
	if _, err := os.Stat(path + ".3"); err == nil {
		t.Error("a fourth file is kept")
	}
}

// The test that is made of a recording passes.
func TestTestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(path, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := read(t, recorded).TestFile([]string{path}, "a: recording")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"- {line: power, is: on}\n", "- expect: [{run: [poweroff]}", "- press: {key: KEY_PLAY, from: remote}\n", "lines: {door: on"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

// vcd is what a dump says, as another program reads it.
type vcd struct {
	names  map[string]string // by identifiers
	values map[string][]string
}

// readVCD is a reader of VCD that shares nothing with the writer: it goes by
// words, as IEEE 1364-2005, 18.2 has them.
func readVCD(t *testing.T, text string) *vcd {
	v := &vcd{names: map[string]string{}, values: map[string][]string{}}
	words := bufio.NewScanner(strings.NewReader(text))
	words.Split(bufio.ScanWords)
	var scope string
	now, dumping := int64(-1), false
	next := func() string { words.Scan(); return words.Text() }
	for words.Scan() {
		switch w := words.Text(); {
		case w == "$scope":
			next()
			scope = next()
			next()
		case w == "$var":
			if kind, size := next(), next(); kind != "wire" || size != "1" {
				t.Errorf("a variable of %s %s", kind, size)
			}
			id, name := next(), next()
			if v.names[id] != "" {
				t.Errorf("%s is used twice", id)
			}
			v.names[id] = scope + "." + name
			next()
		case w == "$dumpvars":
			dumping = true
		case w == "$end":
			dumping = false
		case w[0] == '$':
			for next() != "$end" {
			}
		case w[0] == '#':
			at, err := strconv.ParseInt(w[1:], 10, 64)
			if err != nil || at <= now {
				t.Errorf("time %s after %d", w, now)
			}
			now = at
		default:
			name := v.names[w[1:]]
			if name == "" || w[0] != '0' && w[0] != '1' || !dumping && now < 0 {
				t.Errorf("unexpected %q", w)
			}
			if !dumping {
				v.values[name] = append(v.values[name], fmt.Sprintf("%c@%v", w[0], time.Duration(now)))
			}
		}
	}
	return v
}

func TestVCD(t *testing.T) {
	var out bytes.Buffer
	if err := read(t, recorded).WriteVCD(&out); err != nil {
		t.Fatal(err)
	}
	got := readVCD(t, out.String()).values
	for name, want := range map[string]string{
		"line.power":   "[0@1s 1@3s]",
		"key.KEY_PLAY": "[1@4s 0@4.1s 1@4.2s 0@4.3s]",
		"rule.held":    "[1@2.0001s 0@2.005s]",
		"rule.play":    "[1@4.00001s 0@5.001s]",
		"dropped.play": "[1@4.20001s 0@4.20101s]",
	} {
		if fmt.Sprint(got[name]) != want {
			t.Errorf("%s: %v, want %s", name, got[name], want)
		}
	}
	if !strings.Contains(out.String(), "$timescale 1 ns $end") {
		t.Error(out.String())
	}
}

// Identifiers of wires differ, however many there are.
func TestIdentifiersOfWires(t *testing.T) {
	seen := map[string]bool{}
	for n := range 20_000 {
		id := code(n)
		if seen[id] || strings.ContainsFunc(id, func(r rune) bool { return r < '!' || r > '~' }) {
			t.Fatalf("%d: %q", n, id)
		}
		seen[id] = true
	}
}

func FuzzRead(f *testing.F) {
	f.Add(recorded)
	f.Add(recorded[:strings.IndexByte(recorded, '\n')+1] + `{"type":"event","time":-1e300,"kind":"encoder","name":"x","state":"clockwise","fields":{"STEPS":1e300}}` + "\n")
	path := filepath.Join(f.TempDir(), "c.yaml")
	if err := os.WriteFile(path, []byte(rules), 0o600); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := Read(strings.NewReader(text))
		if err != nil || len(r.Notices) > 50 {
			return
		}
		var out bytes.Buffer
		_ = r.WriteVCD(&out)
		c, err := agent.LoadForSimulation([]string{path})
		if err != nil {
			t.Fatal(err)
		}
		_ = r.Replay(c, &Replay{})
		before, _ := r.Recorded()
		Write(&out, Diff(before, nil), []Firing{{What: rule.Unmet}})
	})
}
