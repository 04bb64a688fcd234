// SPDX-License-Identifier: MIT

package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"reflexd/sources"
)

// diagnose returns what doctor finds while the agent runs, a line each.
func (r *rig) diagnose(file string) string {
	r.t.Helper()
	c, ps, err := Load([]string{file})
	if err != nil || ps.Failed() {
		r.t.Fatal(err, ps)
	}
	var b strings.Builder
	for _, f := range (Machine{Socket: filepath.Join(r.dir, "socket")}).Examine(c, ps) {
		fmt.Fprintf(&b, "%s %s: %s; %s\n", f.Mark, f.Subject, f.Found, f.Advice)
	}
	return b.String()
}

const observed = `
files: {plain: {path: DIR/plain, watch: priority}}
vars: {mode: {values: [day, night]}}
netlink: {drv: {protocol: usersock, groups: [3]}}
rules:
  - {name: off, when: {event: a}, do: {log: x}}
  - {name: unmet, when: {event: b}, if: {var: mode, is: night}, do: {run: [ls]}}
  - {name: never, enabled: false, when: {signal: SIGRTMIN+4}, do: {log: x}}
`

func TestDoctorAsksTheRunningAgent(t *testing.T) {
	r := start(t, observed)
	r.do(func() { _ = r.agent.enableRule("off", false) })
	r.send("b")
	r.do(func() {}) // the event has had its turn
	found := r.diagnose(r.file)
	for _, want := range []string{
		fmt.Sprintf("ok running agent: process %d, with %s", os.Getpid(), r.file),
		"ok netlink drv: held by the running agent",
		`note rule off: it was disabled; reflexd enable "off"`,
		"note rule unmet: its trigger matched, but its `if` did not hold: 1 times",
		"note rule never: it is disabled by enabled: false",
		"BAD file plain: open " + r.dir + "/plain: no such file or directory",
	} {
		if !strings.Contains(found, want) {
			t.Errorf("no %q in\n%s", want, found)
		}
	}
	// The agent of a test makes no cgroups; another one may.
	if !strings.Contains(found, "note programs: ") && !strings.Contains(found, "ok programs: ") {
		t.Errorf("nothing is said of cgroups:\n%s", found)
	}
	if strings.Contains(found, "the running agent waits") || strings.Contains(found, "has changed") {
		t.Error(found)
	}
}

// What only opening a file can show, the running agent knows.
func TestDoctorTellsWhatTheAgentWaitsFor(t *testing.T) {
	r := start(t, strings.Replace(observed, "DIR/plain", "/dev/null", 1))
	r.expect("cannot use file", "file=plain")
	if found := r.diagnose(r.file); !strings.Contains(found, "BAD file plain: the running agent waits: open /dev/null: ") {
		t.Error(found)
	}
}

func TestDoctorSeesThatAReloadWasForgotten(t *testing.T) {
	r := start(t, observed)
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(r.file, later, later); err != nil {
		t.Fatal(err)
	}
	if found := r.diagnose(r.file); !strings.Contains(found, "BAD configuration: the file has changed since the running agent read it; reflexd reload") {
		t.Error(found)
	}
	other := filepath.Join(r.dir, "other.yaml")
	if err := os.WriteFile(other, []byte("rules: [{when: {event: a}, do: {log: x}}]"), 0o644); err != nil {
		t.Fatal(err)
	}
	if found := r.diagnose(other); !strings.Contains(found, "note running agent: it runs with another configuration: "+r.file) {
		t.Error(found)
	}
}

// Warnings of check are worth knowing here, too, and no trouble.
func TestDoctorPassesWarningsOn(t *testing.T) {
	file := filepath.Join(t.TempDir(), "reflexd.yaml")
	if err := os.WriteFile(file, []byte("rules: [{when: {event: a}, do: {emit: a}}]"), 0o644); err != nil {
		t.Fatal(err)
	}
	c, ps, err := Load([]string{file})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range (Machine{Socket: file + ".socket"}).Examine(c, ps) {
		if f.Mark == sources.Note && strings.Contains(f.Found, "fires itself without end") && f.At.Line == 1 {
			return
		}
	}
	t.Error("the warning is missing")
}
