// SPDX-License-Identifier: MIT

package recording

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"reflexd/agent"
	"reflexd/agent/rule"
	"reflexd/client"
)

// manyWays are rules with states that last, limits of all kinds, modes, chains
// and conditions.
const manyWays = `
vars: {mode: {values: [day, night, away]}, n: {initial: 0}}
rules:
  - {name: any, when: {event: a}, do: {var: {n: {add: 1, max: 3, wrap: true}}}}
  - {name: cool, when: [{event: a}, {event: b}], cooldown: 150ms, do: {emit: {name: c, fields: {X: "${var.n}"}}}}
  - {name: limited, when: {event: b}, limit: 2/350ms, do: {log: b}}
  - {name: some, when: {event: c, where: {X: {above: 1}}}, if: {not: {var: mode, is: away}}, do: {emit: d}}
  - {name: lasting, when: {var: mode, is: night, for: 150ms}, do: {emit: d}}
  - {name: lasted, when: {event: a}, if: [{var: mode, is: night, for: 90ms}, {any: [{var: n, is: 1}, {var: n, is: 2}]}], do: {log: x}}
  - {name: single, when: {event: d}, mode: single, do: {run: [sleep, "0.13"]}}
  - {name: queued, when: {event: a}, max: 1, do: {run: [sleep, "0.03"]}}
  - {name: fails, when: {event: b}, mode: restart, do: {run: [sh, -c, "sleep 0.05; exit 1"]}, on_failure: {emit: a2}}
  - {name: failed, when: {event: a2}, do: {log: failed}}
  - {name: var, when: {var: n, is: 3}, do: {var: {mode: night}}}
`

// train has random things happen to the agent and returns what is recorded.
func train(t *testing.T, socket string, r *rand.Rand) *Recording {
	t.Helper()
	watch, acts := dial(t, socket), dial(t, socket)
	// How long states had lasted before, and when rules fired, no recording says.
	if _, err := acts.Set("mode", "day"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(400 * time.Millisecond)
	if err := watch.Watch(client.Filter{Actions: true}); err != nil {
		t.Fatal(err)
	}
	head, err := acts.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	line := func(v any) {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s\n", text)
	}
	line(head)
	ended := make(chan bool)
	go func() {
		defer close(ended)
		for {
			n, err := watch.Next()
			if err != nil || n.Name == "end" {
				return
			}
			line(n)
		}
	}()
	begin := time.Now()
	for i := range 20 {
		// The train. Nothing is waited for: what the rules begin ends between
		// two of its events.
		time.Sleep(time.Until(begin.Add(time.Duration(i) * 100 * time.Millisecond)))
		switch r.IntN(4) {
		case 0, 1:
			_, err = acts.Emit([]string{"a", "b", "c", "d"}[r.IntN(4)], map[string]string{"X": fmt.Sprint(r.IntN(4))})
		case 2:
			_, err = acts.Set("mode", []string{"day", "night", "night", "away"}[r.IntN(4)])
		case 3:
			_, err = acts.Set("n", fmt.Sprint(r.IntN(4)))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(300 * time.Millisecond) // all that they began is over, states have lasted
	if _, err := acts.Emit("end", nil); err != nil {
		t.Fatal(err)
	}
	<-ended
	return read(t, b.String())
}

func dial(t *testing.T, socket string) *client.Conn {
	c, err := client.Dial(socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// margin is how near to each other two things may be if it is to be certain
// which of them the agent saw first, however busy the machine is.
const margin = 5 * time.Millisecond

// uncertain reports whether an action ended, or a state had lasted, when something
// else happened.
func uncertain(r *Recording) bool {
	var events, ends []time.Duration
	for i := range r.Notices {
		n := &r.Notices[i]
		switch {
		case n.Type == "event" && !n.Caused:
			events = append(events, r.at(n))
		case n.Type == "action" && n.Took != nil && *n.Took > 0, n.Type == "rule" && n.Rule == "lasting" && n.Outcome == "fired":
			ends = append(ends, r.at(n))
		}
	}
	return slices.ContainsFunc(ends, func(end time.Duration) bool {
		return slices.ContainsFunc(events, func(e time.Duration) bool { return e > end-margin && e < end+margin })
	})
}

// order is the rules in the order in which they fired.
func order(all []Firing) []string {
	var names []string
	for _, f := range all {
		if f.What == rule.Fired {
			names = append(names, f.Rule)
		}
	}
	return names
}

// Whatever happens, rules fire in virtual time as they did in an agent.
func TestReplayIsWhatHappened(t *testing.T) {
	dir := t.TempDir()
	path, socket := filepath.Join(dir, "c.yaml"), filepath.Join(dir, "s")
	if err := os.WriteFile(path, []byte(manyWays+"  - {name: end, when: {event: end}, do: {log: end}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, ps, err := agent.Load([]string{path})
	if err != nil || ps.Failed() {
		t.Fatal(err, ps)
	}
	ready, over := make(chan bool), make(chan error)
	a, err := agent.New(c, agent.Options{Log: slog.New(slog.DiscardHandler), Version: "test", Socket: socket, Ready: func() { close(ready) }})
	if err != nil {
		t.Fatal(err)
	}
	go func() { over <- a.Run() }()
	<-ready
	defer func() {
		a.Stop()
		if err := <-over; err != nil {
			t.Error(err)
		}
	}()
	seed := rand.Uint64()
	compared := 0
	for i := range uint64(3) {
		r := train(t, socket, rand.New(rand.NewPCG(seed, i)))
		if uncertain(r) {
			continue
		}
		compared++
		p := replayed(t, r, manyWays+"  - {name: end, when: {event: end}, do: {log: end}}\n")
		before, _ := r.Recorded()
		if got, want := order(p.Now), order(before); !slices.Equal(got, want) {
			t.Errorf("seed %d, train %d: fired\n%v\nwhen recorded\n%v", seed, i, got, want)
		}
	}
	t.Logf("%d trains compared", compared)
}
