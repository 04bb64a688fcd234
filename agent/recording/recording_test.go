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

// load loads yaml for virtual time.
func load(t testing.TB, yaml string) *agent.Configuration {
	t.Helper()
	path := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := agent.LoadForSimulation([]string{path})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// replayed returns what the rules of yaml make of r.
func replayed(t testing.TB, r *Recording, yaml string) *Replay {
	t.Helper()
	c := load(t, yaml)
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
	f.Add(kindsRecorded)
	f.Add(strings.ReplaceAll(strings.TrimSpace(lastingHead), "\n", "") + "\n" + `{"type":"rule","time":8001,"of":8000.5,"rule":"x","outcome":"fired"}` + "\n")
	path := filepath.Join(f.TempDir(), "c.yaml")
	if err := os.WriteFile(path, []byte(kindsRules+strings.SplitAfter(lastingRules, "rules:\n")[1]), 0o600); err != nil {
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
		_, _ = r.TestFile([]string{path}, "fuzz")
		before, _ := r.Recorded()
		Write(&out, Diff(before, nil), []Firing{{What: rule.Unmet}})
	})
}

// lastingRules has rules for what has lasted, in several ways.
const lastingRules = `
lines: {door: {contact: GPIO4}, window: {contact: GPIO5}, bell: {button: GPIO6}}
inputs: {lid: {name: "*Lid*"}}
vars: {mode: {values: [day, night]}}
sensors: {cpu: {thermal: cpu-thermal}}
counters: {gas: {line: window}}
rules:
  - {name: long, when: {line: door, is: on, for: 10m}, do: {log: long}}
  - {name: over, when: {line: door, is: on, for: 5m}, do: {log: over}}
  - {name: again, when: {line: door, is: on, for: 5m, repeat: 4m}, do: {log: again}}
  - {name: found, when: {line: door, is: on, at_start: true}, do: {log: found}}
  - {name: started, when: {agent: started}, do: {log: started}}
  - {name: asked, when: {line: bell, is: pressed}, if: [{line: door, is: on, for: 8m}, {var: mode, is: night, for: 1h}, {line: window, is: off, for: 1h}, {switch: SW_LID, is: on, from: lid, for: 1h}], do: {log: asked}}
  - {name: new, when: {link: eth0, is: down, for: 3h}, do: {log: new}}
  - {name: uptime, when: {agent: started, for: 2h}, do: {log: uptime}}
  - {name: warm, when: {sensor: cpu, above: 75}, do: {log: hot}}
  - {name: count, when: {counter: gas, every: 100}, do: {log: count}}
`

// The agent started two hours before, less ten seconds; the door has been open for
// eight minutes.
const lastingHead = `{"recording":1,"reflexd":"1.0","kernel":"Linux 6.1","time":8000.000000000,"wall":"2026-03-01T12:00:00Z","zone":"UTC",
"rules":["long"],"lines":{"door":"on","window":"off","bell":"off"},"vars":{"mode":"night"},"sensors":{"cpu":"80"},"counters":{"gas":"99"},"links":{"eth0":"down"},"inputs":{"lid":"present"},
"started":810.000000000,"states":[{"kind":"agent","state":"started","since":810.000000000},{"kind":"line","name":"door","state":"on","since":7520.000000000},
{"kind":"line","name":"window","state":"off","since":810.000000000},{"kind":"line","name":"bell","state":"off","since":7900.000000000},
{"kind":"link","name":"eth0","state":"down","since":810.000000000},{"kind":"var","name":"mode","state":"night","since":1000.000000000},
{"kind":"sensor","name":"cpu","state":"changed","since":7999.000000000},{"kind":"switch","name":"SW_LID","state":"on","since":900.0,"names":["lid"]}]}
`

// States that began before the recording did go on, and what they fired before is
// not fired again.
func TestReplayOfWhatHadLasted(t *testing.T) {
	events := `{"type":"event","time":8001.000000000,"kind":"line","name":"bell","state":"falling","source":"gpio:bell"}
{"type":"event","time":8002.000000000,"kind":"line","name":"bell","state":"rising","source":"gpio:bell"}
{"type":"event","time":8003.000000000,"kind":"sensor","name":"cpu","state":"changed","source":"sensor:cpu","fields":{"VALUE":"81"}}
{"type":"event","time":8004.000000000,"kind":"line","name":"window","state":"rising","source":"gpio:window"}
{"type":"event","time":8004.000000000,"kind":"counter","name":"gas","state":"counted","source":"counter:gas","fields":{"VALUE":"100","PREVIOUS":"99"}}
{"type":"event","time":8100.000000000,"kind":"sensor","name":"cpu","state":"changed","source":"sensor:cpu","fields":{"VALUE":"60"}}
{"type":"event","time":8101.000000000,"kind":"sensor","name":"cpu","state":"changed","source":"sensor:cpu","fields":{"VALUE":"90"}}
{"type":"event","time":8200.000000000,"kind":"line","name":"bell","state":"falling","source":"gpio:bell"}
`
	p := replayed(t, read(t, strings.ReplaceAll(strings.TrimSpace(lastingHead), "\n", "")+"\n"+events), lastingRules)
	var got []string
	for _, f := range p.Now {
		if f.What != rule.Done {
			got = append(got, fmt.Sprint(f.At, " ", f.Rule, " ", f.What))
		}
	}
	// The window was opened before the bell rang for the second time.
	want := []string{"1s asked fired", "4s count fired", "10s uptime fired", "1m0s again fired", "1m41s warm fired", "2m0s long fired", "3m20s asked unmet"}
	if !slices.Equal(got, want) || len(p.Notes) > 0 {
		t.Errorf("%q\nwant\n%q\n%v", got, want, p.Notes)
	}
}

const kindsRules = `
lines: {meter: {contact: GPIO5}, door: {contact: GPIO4}, window: {contact: GPIO8}, bell: {button: GPIO6}, second: {button: GPIO7}}
inputs: {remote: {name: "*IR*"}, lid: {name: "*Lid*"}}
sensors: {cpu: {thermal: cpu-thermal}}
counters: {gas: {line: meter, scale: 0.01}}
pwm: {fan: {chip: p}}
mqtt: {broker: mqtt://b}
vars: {mode: {values: [day, night]}}
rules:
  - {name: gas, when: {counter: gas, every: 1}, do: [{log: "${TOTAL}"}, {set: {pwm: fan, to: 80%}}]}
  - {name: hot, when: {sensor: cpu, above: 75}, do: {log: "${VALUE} ${pwm.fan}"}}
  - {name: blind, when: {sensor: cpu, is: absent}, do: {log: blind}}
  - {name: both, when: {lines: [bell, second], together: true, is: pressed}, do: {log: both}}
  - {name: up, when: {key: KEY_UP, is: repeated, from: remote}, do: {log: up}}
  - {name: loud, when: {axis: ABS_VOLUME, above: 50, from: remote}, do: {log: loud}}
  - {name: played, when: {mqtt: play/+}, do: {log: "${PAYLOAD}"}}
  - {name: offline, when: {broker: disconnected, for: 1s}, do: {log: offline}}
  - {name: lost, when: {loss: gpio}, do: {log: "${COUNT}"}}
  - {name: address, when: {link: eth0, is: address-added}, do: {log: "${ADDRESS}"}}
`

const kindsRecorded = `{"recording":1,"reflexd":"1.0","kernel":"Linux 6.1","time":100.000000000,"wall":"2026-03-01T12:00:00Z","zone":"UTC","rules":["gas"],"lines":{"meter":"off","bell":"off","second":"off"},"inputs":{"remote":"present"},"links":{"eth0":"up"},"sensors":{"cpu":"40"},"counters":{"gas":"11.98"},"pwm":{"fan":"20%"},"started":50.0,"states":[]}
{"type":"event","time":101.000000000,"kind":"line","name":"meter","state":"rising","source":"gpio:meter","fields":{"LINE":"meter","LEVEL":1}}
{"type":"event","time":101.100000000,"kind":"line","name":"meter","state":"falling","source":"gpio:meter","fields":{"LINE":"meter","LEVEL":0}}
{"type":"event","time":102.000000000,"kind":"line","name":"meter","state":"rising","source":"gpio:meter","fields":{"LINE":"meter","LEVEL":1}}
{"type":"event","time":102.000000000,"kind":"counter","name":"gas","state":"counted","source":"counter:gas","fields":{"VALUE":"12","PREVIOUS":"11.99"}}
{"type":"event","time":103.000000000,"kind":"sensor","name":"cpu","state":"changed","source":"sensor:cpu","fields":{"VALUE":"76"}}
{"type":"event","time":104.000000000,"kind":"sensor","name":"cpu","state":"absent","source":"sensor:cpu","fields":{"REASON":"gone"}}
{"type":"event","time":105.000000000,"kind":"line","name":"bell","state":"falling","source":"gpio:bell"}
{"type":"event","time":105.020000000,"kind":"line","name":"second","state":"falling","source":"gpio:second"}
{"type":"event","time":105.020000000,"kind":"lines","name":"bell+second","state":"pressed","source":"gpio:bell"}
{"type":"event","time":106.000000000,"kind":"key","name":"KEY_UP","state":"pressed","source":"input:x","names":["remote"],"fields":{"VALUE":1}}
{"type":"event","time":106.300000000,"kind":"key","name":"KEY_UP","state":"repeated","source":"input:x","names":["remote"],"fields":{"VALUE":2}}
{"type":"event","time":107.000000000,"kind":"axis","name":"ABS_VOLUME","state":"changed","source":"input:x","names":["remote"],"fields":{"VALUE":60}}
{"type":"event","time":108.000000000,"kind":"broker","state":"connected","source":"mqtt"}
{"type":"event","time":108.100000000,"kind":"mqtt","name":"play/a","state":"received","source":"mqtt","fields":{"TOPIC":"play/a","PAYLOAD":"tune"}}
{"type":"event","time":109.000000000,"kind":"broker","state":"disconnected","source":"mqtt"}
{"type":"event","time":111.000000000,"kind":"loss","name":"gpio","state":"lost","source":"gpio:bell","fields":{"COUNT":3}}
{"type":"event","time":112.000000000,"kind":"link","name":"eth0","state":"address-added","source":"link:eth0","fields":{"IFNAME":"eth0","ADDRESS":"10.0.0.1"}}
{"type":"event","time":114.000000000,"kind":"event","name":"end","state":"sent","source":"event:end"}
`

// Each kind of event has its rules fire once, in a replay and in the test that is
// made of the recording.
func TestKindsOfEvents(t *testing.T) {
	r := read(t, kindsRecorded)
	p := replayed(t, r, kindsRules)
	want := []string{"gas", "hot", "blind", "both", "up", "loud", "played", "offline", "lost", "address"}
	if got := order(p.Now); !slices.Equal(got, want) || len(p.Notes) > 0 {
		t.Errorf("%q\nwant\n%q\n%q", got, want, p.Notes)
	}
	path := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(path, []byte(kindsRules), 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := r.TestFile([]string{path}, "kinds")
	if err != nil {
		t.Fatal(err)
	}
	for _, log := range []string{`{log: 12}`, "76 80%", "blind", "both", "up", "loud", "tune", "offline", "{log: 3}", "10.0.0.1"} {
		if strings.Count(text, log) < 1 {
			t.Errorf("no %s in\n%s", log, text)
		}
	}
	if strings.Contains(text, "left out") {
		t.Error(text)
	}
}

// An edge that the board read after it had acted upon time that passed is replayed
// after that, in a replay and in a test.
func TestEdgeThatWasReadLate(t *testing.T) {
	const yaml = "lines: {bell: {button: X}}\nrules: [{name: held, when: {line: bell, is: held, for: 1s, repeat: 1s}, do: {log: held}}]\n"
	const late = `{"recording":1,"reflexd":"1.0","kernel":"Linux 6.1","time":100.0,"rules":["held"],"lines":{"bell":"off"}}
{"type":"event","time":101.0,"kind":"line","name":"bell","state":"falling","source":"gpio:bell"}
{"type":"event","time":102.0,"kind":"line","name":"bell","state":"held 1s","source":"gpio:bell","fields":{"HELD_MS":1000}}
{"type":"event","time":103.0,"kind":"line","name":"bell","state":"held 1s","source":"gpio:bell","fields":{"HELD_MS":2000}}
{"type":"event","time":102.5,"kind":"line","name":"bell","state":"rising","source":"gpio:bell"}
`
	r := read(t, late)
	if got := order(replayed(t, r, yaml).Now); !slices.Equal(got, []string{"held", "held"}) {
		t.Errorf("replayed: %v", got)
	}
	path := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := r.TestFile([]string{path}, "late"); err != nil || strings.Count(text, "{log: held}") != 2 {
		t.Errorf("%v\n%s", err, text)
	}
}
