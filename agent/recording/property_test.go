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

	"golang.org/x/sys/unix"

	"reflexd/agent"
	"reflexd/agent/rule"
	"reflexd/client"
)

// manyWays are rules with states that last, limits of all kinds, modes, chains
// and conditions. The programs of single and queued end when the test says so.
const manyWays = `
vars: {mode: {values: [day, night, away]}, n: {initial: 0}}
rules:
  - {name: any, when: {event: a}, do: {var: {n: {add: 1, max: 3, wrap: true}}}}
  - {name: cool, when: [{event: a}, {event: b}], cooldown: 150ms, do: {emit: {name: c, fields: {X: "${var.n}"}}}}
  - {name: limited, when: {event: b}, limit: 2/350ms, do: {log: b}}
  - {name: some, when: {event: c, where: {X: {above: 1}}}, if: {not: {var: mode, is: away}}, do: {emit: d}}
  - {name: lasting, when: {var: mode, is: night, for: 150ms}, do: {emit: d}}
  - {name: lasted, when: {event: a}, if: [{var: mode, is: night, for: 90ms}, {any: [{var: n, is: 1}, {var: n, is: 2}]}], do: {log: x}}
  - {name: single, when: {event: d}, mode: single, do: {run: [sh, -c, "read x <DIR/single"]}}
  - {name: queued, when: {event: a}, max: 1, do: {run: [sh, -c, "read x <DIR/queued"]}}
  - {name: fails, when: {event: b}, mode: restart, do: {run: ["false"]}, on_failure: {emit: a2}}
  - {name: failed, when: {event: a2}, do: {log: failed}}
  - {name: var, when: {var: n, is: 3}, do: {var: {mode: night}}}
  - {name: tick, when: {timer: 40ms}, enabled: off, do: {log: tick}}
  - {name: marker, when: {event: marker}, enabled: off, do: {log: marker}}
  - {name: end, when: {event: end}, do: {log: end}}
`

// held are the rules whose programs wait for the test.
var held = []string{"single", "queued"}

// driver has things happen to an agent that records.
type driver struct {
	t       *testing.T
	acts    *client.Conn
	notices chan client.Notice
	fifos   map[string]*os.File
	running map[string]int // firings that are not over, by rules
	fired   []string       // rules, in their order
	text    strings.Builder
	markers int
	file    string // the configuration
}

// drive starts an agent with manyWays, and a recording of it.
func drive(t *testing.T) (d *driver, yaml string) {
	t.Helper()
	dir := t.TempDir()
	fifos := map[string]*os.File{}
	for _, rule := range held {
		path := filepath.Join(dir, rule)
		if err := unix.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		fifos[rule] = f
	}
	yaml = strings.ReplaceAll(manyWays, "DIR", dir)
	d = launch(t, yaml)
	d.fifos = fifos
	return d, yaml
}

// launch starts an agent, which must have a rule marker, and a recording of it.
func launch(t *testing.T, yaml string) *driver {
	t.Helper()
	dir := t.TempDir()
	d := &driver{t: t, notices: make(chan client.Notice), running: map[string]int{}, file: filepath.Join(dir, "c.yaml")}
	d.write(yaml)
	socket := filepath.Join(dir, "s")
	c, ps, err := agent.Load([]string{d.file})
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
	t.Cleanup(func() {
		a.Stop()
		if err := <-over; err != nil {
			t.Error(err)
		}
	})
	watch := dial(t, socket)
	d.acts = dial(t, socket)
	if err := watch.Watch(client.Filter{Actions: true}); err != nil {
		t.Fatal(err)
	}
	d.begin()
	go func() {
		defer close(d.notices)
		for {
			n, err := watch.Next()
			if err != nil {
				return
			}
			d.notices <- n
		}
	}()
	t.Cleanup(func() {
		watch.Close()
		for range d.notices {
		}
	})
	return d
}

func (d *driver) write(yaml string) {
	if err := os.WriteFile(d.file, []byte(yaml), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// begin begins a recording.
func (d *driver) begin() {
	head, err := d.acts.Snapshot()
	if err != nil {
		d.t.Fatal(err)
	}
	d.text.Reset()
	d.line(head)
}

func dial(t *testing.T, socket string) *client.Conn {
	c, err := client.Dial(socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func (d *driver) line(v any) {
	text, err := json.Marshal(v)
	if err != nil {
		d.t.Fatal(err)
	}
	fmt.Fprintf(&d.text, "%s\n", text)
}

// next records the next notice and returns it.
func (d *driver) next() client.Notice {
	n, ok := <-d.notices
	if !ok {
		d.t.Fatal("the stream ended")
	}
	if n.Name != "marker" {
		d.line(n)
	}
	if n.Type == "rule" {
		switch n.Outcome {
		case "fired":
			d.running[n.Rule]++
			if n.Rule != "marker" {
				d.fired = append(d.fired, n.Rule)
			}
		case "done", "failed", "stopped":
			d.running[n.Rule]--
		}
	}
	return n
}

// settle returns when all has followed that follows at once.
func (d *driver) settle() {
	for quiet := false; !quiet; {
		d.markers++
		if _, err := d.acts.Emit("marker", map[string]string{"N": fmt.Sprint(d.markers)}); err != nil {
			d.t.Fatal(err)
		}
		quiet = true
		for {
			n := d.next()
			if n.Name == "marker" && text(&n, "N") == fmt.Sprint(d.markers) {
				break
			}
			quiet = quiet && (n.Kind == "timer" || n.Kind == "marker")
		}
		for d.running["fails"] > 0 {
			quiet = false
			d.next()
		}
	}
}

// release has the program of a rule end, if one runs.
func (d *driver) release(rule string) {
	before := d.running[rule]
	if before == 0 {
		return
	}
	if _, err := d.fifos[rule].WriteString("\n"); err != nil {
		d.t.Fatal(err)
	}
	for d.running[rule] >= before {
		d.next()
	}
}

// pass lets so many ticks pass.
func (d *driver) pass(ticks int) {
	for ticks > 0 {
		if n := d.next(); n.Type == "event" && n.Kind == "timer" {
			ticks--
		}
	}
}

// train has random things happen and returns what is recorded.
func (d *driver) train(r *rand.Rand) *Recording {
	var err error
	for range 40 {
		switch r.IntN(6) {
		case 0, 1:
			_, err = d.acts.Emit([]string{"a", "b", "c", "d"}[r.IntN(4)], map[string]string{"X": fmt.Sprint(r.IntN(4))})
		case 2:
			_, err = d.acts.Set("mode", []string{"day", "night", "night", "away"}[r.IntN(4)])
		case 3:
			_, err = d.acts.Set("n", fmt.Sprint(r.IntN(4)))
		case 4:
			d.release(held[r.IntN(len(held))])
		case 5:
			d.pass(1 + r.IntN(4))
		}
		if err != nil {
			d.t.Fatal(err)
		}
		d.settle()
	}
	d.pass(5) // what has not lasted yet does not
	for d.settle(); d.running["single"]+d.running["queued"] > 0; d.settle() {
		d.release("single")
		d.release("queued")
	}
	if _, err := d.acts.Emit("end", nil); err != nil {
		d.t.Fatal(err)
	}
	for n := d.next(); n.Rule != "end" || n.Outcome != "done"; n = d.next() {
	}
	return read(d.t, d.text.String())
}

// lateness returns how much later the agent came to something than it was. What a
// rule did then may have been nearer to a limit of time than on an idle machine.
func lateness(r *Recording) (late time.Duration) {
	for i := range r.Notices {
		if n := &r.Notices[i]; n.Of > 0 && n.Outcome != "done" && n.Outcome != "failed" && n.Outcome != "stopped" {
			late = max(late, time.Duration(n.Time-n.Of))
		}
	}
	return late
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
	const wanted, most, idle = 3, 12, 5 * time.Millisecond
	seed := rand.Uint64()
	same, differed := 0, 0
	for i := uint64(0); i < most && same < wanted; i++ {
		d, yaml := drive(t)
		r := d.train(rand.New(rand.NewPCG(seed, i)))
		p := replayed(t, r, yaml)
		before, _ := r.Recorded()
		switch got, want := order(p.Now), order(before); {
		case slices.Equal(got, want) && len(want) > 4:
			same++
		case lateness(r) > idle:
			t.Logf("train %d: the machine was busy for %v", i, lateness(r))
		case differed == 0: // two things in one millisecond, on a busy machine
			differed++
			t.Logf("seed %d, train %d: fired\n%v\nwhen recorded\n%v", seed, i, got, want)
		default:
			t.Fatalf("seed %d, train %d too: fired\n%v\nwhen recorded\n%v", seed, i, got, want)
		}
	}
	if same < wanted {
		t.Errorf("seed %d: only %d trains were the same", seed, same)
	}
}
