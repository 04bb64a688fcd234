// SPDX-License-Identifier: MIT

//go:build lab

package trial

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	simulation "reflexd/agent"
	"reflexd/agent/recording"
	"reflexd/agent/rule"
	"reflexd/agent/scenario"
	"reflexd/config"
	"reflexd/lab"
)

const gestures = `
lines:
  power: {button: GPIO22, bias: as-is, debounce: 0s}
  door: {contact: GPIO23, debounce: 0s}
  lamp: {output: GPIO27}
rules:
  - {name: pressed, when: {line: power, is: pressed}, do: {set: {line: lamp, to: toggle}}}
  - {name: clicked, when: {line: power, is: clicked}, do: {log: clicked}}
  - {name: double, when: {line: power, is: double-clicked}, do: {log: double}}
  - {name: held, when: {line: power, is: held, for: 300ms}, do: {log: held}}
  - {name: long, when: {line: power, is: held, for: 700ms, repeat: 200ms}, do: {log: long}}
  - {name: open, when: {line: door, is: on, for: 500ms}, do: {log: open}}
  - {name: ajar, when: {line: door, is: on, for: 4s, repeat: 1s}, do: {log: ajar}} # begins before the recording
  - {name: shut, when: {line: door, is: off}, if: {line: lamp, is: on}, do: {log: shut}}
  - {name: end, when: {event: end}, do: {log: the end}}
`

// train is a random train of edges of the button and the door. What is nearer
// to the time of a gesture than a busy board is exact is not in it.
func train(r *rand.Rand) []lab.Pull {
	pulls := []lab.Pull{{After: 4500 * time.Millisecond, Offset: 23, Up: false}}
	downs := []time.Duration{80, 450, 1000}
	ups := []time.Duration{120, 900}
	for range 12 {
		if r.IntN(3) == 0 {
			pulls = append(pulls, lab.Pull{After: 900 * time.Millisecond, Offset: 23, Up: true},
				lab.Pull{After: []time.Duration{250, 750}[r.IntN(2)] * time.Millisecond, Offset: 23, Up: false})
		}
		pulls = append(pulls, lab.Pull{After: ups[r.IntN(2)] * time.Millisecond, Offset: 22, Up: false},
			lab.Pull{After: downs[r.IntN(3)] * time.Millisecond, Offset: 22, Up: true})
	}
	return append(pulls, lab.Pull{After: time.Second, Offset: 23, Up: false})
}

// What a board records, rules do on this machine too: the same ones in the same
// order.
func TestRecordingOfABoard(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		b.pull(t, 22, true)
		b.pull(t, 23, true)
		a := b.start(t, gestures)
		file := a.dir + "/recording"
		b.shell(t, "reflexd record --socket "+a.dir+"/socket -o "+file+" 2>"+a.dir+"/recorder & echo")
		if _, err := b.AwaitMatch(t.Context(), a.dir+"/recorder", "recording the running agent"); err != nil {
			t.Fatal(err)
		}
		seed := rand.Uint64()
		b.play(t, train(rand.New(rand.NewPCG(seed, 0))))
		a.verb("emit", "end")
		if _, err := b.AwaitMatch(t.Context(), file, `"rule":"end","outcome":"done"`); err != nil {
			t.Fatal(err)
		}
		text := b.shell(t, "cat "+file)
		a.finish()
		compareWithBoard(t, seed, text)
	})
}

func compareWithBoard(t *testing.T, seed uint64, text string) {
	path := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(path, []byte(gestures), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := recording.Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c, err := simulation.LoadForSimulation([]string{path})
	if err != nil {
		t.Fatal(err)
	}
	p := &recording.Replay{}
	if err := r.Replay(c, p); err != nil {
		t.Fatal(err)
	}
	before, _ := r.Recorded()
	got, want := fired(p.Now), fired(before)
	if !slices.Equal(got, want) || len(want) < 20 || len(p.Notes) > 0 {
		t.Errorf("seed %d: fired\n%v\non the board\n%v\n%q", seed, got, want, p.Notes)
	}
	if changes := recording.Diff(before, p.Now); len(changes) > 0 {
		t.Error("seed", fmt.Sprint(seed), changes)
	}
	// In a test, states begin with it.
	began := func(name string) bool { return name == "open" || name == "ajar" }
	if tested, want := slices.DeleteFunc(asTest(t, r, path), began), slices.DeleteFunc(want, began); !slices.Equal(tested, want) {
		t.Errorf("seed %d: as a test\n%v\non the board\n%v", seed, tested, want)
	}
}

// asTest makes a test of r, plays it, and returns the rules that acted, in their order.
func asTest(t *testing.T, r *recording.Recording, path string) (names []string) {
	text, err := r.TestFile([]string{path}, "the train")
	if err != nil {
		t.Fatal(err)
	}
	ps := &config.Problems{}
	f := scenario.Parse("train.test.yaml", []byte(text), nil, ps)
	if ps.Failed() {
		t.Fatal(ps)
	}
	o, err := f.Play(f.Tests[0], scenario.NewCoverage())
	if err != nil || o.Failure != "" {
		t.Fatal(err, o.Failure)
	}
	for line := range strings.Lines(o.Trace) {
		if _, name, ok := strings.Cut(strings.TrimSpace(line), ", by rule "); ok && strings.Contains(line, " do ") {
			names = append(names, strings.Trim(name, `"`))
		}
	}
	return names
}

// fired returns the rules in the order in which they fired.
func fired(all []recording.Firing) (names []string) {
	for _, f := range all {
		if f.What == rule.Fired {
			names = append(names, f.Rule)
		}
	}
	return names
}
