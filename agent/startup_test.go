// SPDX-License-Identifier: MIT

package agent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"reflexd/client"
	"reflexd/sources"
)

const heard = `
netlink: {drv: {protocol: usersock, groups: [3]}}
rules: [{when: {netlink: drv}, do: {log: "heard {TEXT}"}}]
`

// Whoever waits for the agent's word that it has started may send at once.
func TestStartedMeansListening(t *testing.T) {
	for i := range 20 {
		r := start(t, heard)
		r.do(func() {
			if s := r.agent.netlink.Status()[0]; !s.OK {
				t.Errorf("start %d: %+v", i, s)
			}
		})
		r.stop()
	}
}

// The same holds for a reload; and one that is asked for while another is
// under way is done after it, for the file may have changed meanwhile.
func TestReloadsFollowEachOther(t *testing.T) {
	r := start(t, "rules: []")
	results := make(chan string, 3)
	r.do(func() {
		for i := range cap(results) {
			if i == 1 {
				r.write(heard)
			}
			r.agent.reload(fmt.Sprint("test ", i), false, func(err error) {
				results <- fmt.Sprint(i, err, len(r.agent.netlink.Status()))
			})
		}
	})
	var all []string
	for range cap(results) {
		all = append(all, answer(t, results))
	}
	if got := strings.Join(all[1:], " "); got != "1 <nil> 1 2 <nil> 1" {
		t.Errorf("the reloads ended with %s", got)
	}
	r.expect("msg=reloaded", `why="test 1"`)
	if r.count("msg=reloaded") != 2 {
		t.Errorf("two of three can be done in one go:\n%s", r.log)
	}
}

// answer returns what comes through c.
func answer[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatal("nobody was told how the reload ended")
		panic("unreachable")
	}
}

// hanging is a source that does not get its device open.
type hanging struct{ sources.Source }

func (hanging) Started() bool { return false }

// What hangs in a driver holds nobody up for ever: rules least of all, and not
// whoever waits for a reload, also if the agent stops.
func TestStartHasALimit(t *testing.T) {
	r := start(t, "rules: [{when: {agent: reloaded}, do: {log: first of all}}]")
	results := make(chan error, 2)
	reload := func(why string) {
		r.do(func() {
			r.agent.sources[0] = hanging{r.agent.sources[0]}
			r.agent.reload(why, false, func(err error) { results <- err })
		})
	}
	reload("first")
	for unsettled := false; !unsettled; {
		r.do(func() { unsettled = r.agent.startup.limit != nil })
	}
	r.expect("first of all")
	if len(results) != 0 || r.count("msg=reloaded") != 0 {
		t.Fatal("the reload did not wait")
	}
	r.do(func() { r.agent.startup.late = true })
	if err := answer(t, results); err != nil {
		t.Error(err)
	}
	r.expect("no longer waiting", "source="+kinds[0].Name)

	reload("second")
	r.stop()
	if err := answer(t, results); err != errStopping {
		t.Errorf("the reload ended with %v", err)
	}
}

// A configuration without rules is hardly meant where there were some: the
// file is incomplete, or the folder is not mounted yet.
func TestReloadToNoRules(t *testing.T) {
	for _, none := range []string{"", "rules: []\n", "automount: true\n", "# rules: …\n"} {
		r := start(t, "rules: [{name: a, when: {event: e}, do: {log: here}}]\n")
		r.write(none)
		if err := r.tryReload(); !errors.Is(err, client.ErrConfiguration) || !strings.Contains(err.Error(), "no rules") {
			t.Errorf("%q: %v", none, err)
		}
		r.agent.loop.Post(func() { r.agent.reload("SIGHUP", false, func(error) {}) })
		r.expect("level=ERROR", "not reloaded", "why=SIGHUP", "no rules")
		r.send("e")
		r.expect("msg=here")
		force := client.Request{Verb: "reload", Arguments: []byte(`{"force":true}`)}
		if err := client.Call(r.agent.opts.Socket, force, nil, patience); err != nil {
			t.Errorf("%q, forced: %v", none, err)
		}
		if err := r.tryReload(); err != nil {
			t.Errorf("%q, from none to none: %v", none, err)
		}
		r.stop()
	}
}

// A reload does not take a file that is being written.
func TestReloadWhileTheFileIsWritten(t *testing.T) {
	r := start(t, "rules: [{name: a, when: {event: e}, do: {log: here}}]\n")
	for range 10 {
		f, err := os.Create(r.file)
		if err != nil {
			t.Fatal(err)
		}
		reloaded := make(chan error, 1)
		go func() { reloaded <- r.tryReload() }()
		last, longest := time.Now(), time.Duration(0)
		for _, part := range []string{"rules:\n", "- {name: a, when: {event: e}, do: {log: here}}\n", "- {name: b, when: {event: e}, do: {log: there}}\n"} {
			time.Sleep(5 * time.Millisecond) // a slow writer
			if _, err := f.WriteString(part); err != nil {
				t.Fatal(err)
			}
			longest, last = max(longest, time.Since(last)), time.Now()
		}
		f.Close()
		if err := <-reloaded; err != nil {
			t.Fatal(err)
		}
		if longest > 50*time.Millisecond {
			continue // a busy machine made a pause after which the file counts as complete
		}
		var s Status
		if err := client.Call(r.agent.opts.Socket, client.Request{Verb: "status"}, &s, patience); err != nil || len(s.Rules) != 2 {
			t.Fatalf("%d rules, want 2: %v", len(s.Rules), err)
		}
	}
}

func TestNoRulesIsAWarning(t *testing.T) {
	for text, want := range map[string]bool{"": true, "lines: {a: {output: GPIO4}}\n": true, "automount: true\n": false,
		"mqtt: {broker: 'mqtt://a', expose: [v]}\nvars: {v: {}}\n": false, "mqtt: {broker: 'mqtt://a'}\nvars: {v: {}}\n": true, "rules: [{when: {event: e}, do: {log: x}}]\n": false} {
		file := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, ps, err := Load([]string{file})
		if err != nil || ps.Failed() || strings.Contains(ps.Error(), "warning: no rules") != want {
			t.Errorf("%q: %v %v", text, err, ps)
		}
	}
}

// The longest time is one that does not come.
func TestLongestDurations(t *testing.T) {
	r := start(t, strings.ReplaceAll(`
lines: {}
gestures: {hold: LONG, click_gap: LONG}
rules:
  - {name: timer, when: {timer: LONG}, do: {log: EARLY}}
  - {name: wait, when: {event: e}, do: [{wait: LONG}, {log: EARLY}]}
  - {name: program, when: {event: e}, do: [{run: {command: [sleep, "0.2"], timeout: LONG}}, {log: ended}], on_failure: {log: EARLY}}
  - {name: lasting, when: {var: v, is: a, for: LONG, repeat: LONG}, do: {log: EARLY}}
  - {name: condition, when: {event: e}, if: {var: v, is: a, for: LONG}, do: {log: EARLY}}
  - {name: cooldown, when: {event: f}, cooldown: LONG, do: {log: once}}
  - {name: limit, when: {event: f}, limit: 1/LONG, do: {log: once too}}
vars: {v: {initial: a}}
`, "LONG", "876000h"))
	r.send("e")
	r.send("f")
	r.send("f")
	r.expect("msg=once ")
	r.expect(`msg="once too"`)
	r.expect("msg=ended ") // after what must not happen
	if r.count("EARLY") > 0 || r.count("msg=once ") != 1 || r.count(`msg="once too"`) != 1 {
		t.Error(r.log)
	}
}
