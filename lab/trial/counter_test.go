// SPDX-License-Identifier: MIT

//go:build lab

package trial

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"reflexd/lab"
)

// Pulses are counted exactly: slow ones of a debounced contact, those of a fan, and
// those that the kernel's queue has no room for while the agent is stopped.
func TestCounters(t *testing.T) {
	b := on(t, lab.Virt)
	const raw, slow = 20, 21
	rules := fmt.Sprintf(`
lines:
  fan: {input: "%[1]s:20", bias: pull-down, edges: rising}
  meter: {contact: "%[1]s:21", bias: pull-down, debounce: 1ms}
counters:
  fan: {line: fan, scale: 0.5, rate: 1s}
  gas: {line: meter, scale: 0.01, unit: m³}
rules:
  - {when: {counter: gas, every: 1}, do: {log: "gas ${TOTAL}"}}
  - {when: {counter: fan, every: 1000000}, do: {log: "never"}}
`, "header")
	a := b.start(t, rules)
	total := func(name string) (n float64) {
		t.Helper()
		m := regexp.MustCompile(name + `.*line \w+, ([0-9.]+)`).FindStringSubmatch(a.verb("status"))
		if m == nil {
			t.Fatalf("no %s in\n%s", name, a.verb("status"))
		}
		if _, err := fmt.Sscan(m[1], &n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	pulses := func(offset, n int, half time.Duration) {
		t.Helper()
		var all []lab.Pull
		for range n {
			all = append(all, lab.Pull{After: half, Offset: offset, Up: true}, lab.Pull{After: half, Offset: offset})
		}
		if err := b.header.Play(t.Context(), all...); err != nil {
			t.Fatal(err)
		}
	}
	pulses(slow, 100, 100*time.Millisecond)
	a.expect(`msg="gas 1"`)
	pulses(raw, 300, 8*time.Millisecond)
	before := total("fan")
	if before > 150 || before < 148 { // on a busy machine the simulated chip merges edges
		t.Errorf("300 pulses at 60 Hz: %v turns", before)
	}
	pid := a.proc.PID
	b.shell(t, fmt.Sprintf("kill -STOP %d", pid))
	pulses(raw, 1500, 2*time.Millisecond)
	b.shell(t, fmt.Sprintf("kill -CONT %d", pid))
	line := a.expect("events lost.* name=fan count=")
	var lost int
	if _, err := fmt.Sscanf(line[strings.Index(line, "count="):], "count=%d", &lost); err != nil {
		t.Fatal(err)
	}
	if lost < 300 || lost > 476 {
		t.Errorf("%d edges were dropped", lost)
	}
	// The kernel numbers edges before its queue of 1024 drops them: none is missing, once all of the queue is read.
	want := before + float64(1024+lost)*0.5
	got := total("fan")
	for range 100 {
		if got >= want {
			break
		}
		got = total("fan")
	}
	if got != want {
		t.Errorf("%v turns, want %v: %d edges were dropped", got, want, lost)
	}
}

// What is kept is on the disk when the line that announces a power failure has been
// acted on: nothing is missing after SIGKILL.
func TestPowerFail(t *testing.T) {
	b := on(t, lab.Virt)
	const meter, supply = 20, 21
	b.shell(t, "rm -f /root/state")
	rules := `
state_file: /root/state
lines:
  meter: {input: "header:20", bias: pull-down, edges: rising}
  supply: {contact: "header:21", bias: pull-down, debounce: 1ms}
vars: {mode: {values: [day, night], keep: true}}
counters: {gas: {line: meter, scale: 0.01, keep: true}}
rules:
  - {when: {line: supply, is: on}, do: [{var: {mode: night}}, {save: kept}, {log: "saved ${counter.gas}"}], on_failure: {log: "failed: ${ERROR}"}}
  - {when: {agent: started}, do: {log: "began with ${counter.gas} ${var.mode}"}}
`
	a := b.start(t, rules)
	a.expect(`msg="began with 0 day"`)
	pull := func(offset, times int) {
		t.Helper()
		var all []lab.Pull
		for range times {
			all = append(all, lab.Pull{After: 10 * time.Millisecond, Offset: offset, Up: true}, lab.Pull{After: 10 * time.Millisecond, Offset: offset})
		}
		if err := b.header.Play(t.Context(), all...); err != nil {
			t.Fatal(err)
		}
	}
	pull(meter, 42)
	if err := b.header.Pull(t.Context(), supply, true); err != nil {
		t.Fatal(err)
	}
	a.expect(`msg="saved 0.42"`)
	a.kill()
	if err := b.header.Pull(t.Context(), supply, false); err != nil {
		t.Fatal(err)
	}
	a = b.start(t, rules)
	a.expect(`msg="began with 0.42 night"`)
	b.shell(t, "mount -t tmpfs -o ro none /root")
	t.Cleanup(func() { b.shell(t, "umount /root") })
	pull(meter, 1)
	if err := b.header.Pull(t.Context(), supply, true); err != nil {
		t.Fatal(err)
	}
	a.expect(`failed: save variables: .*read-only file system`)
	if err := b.header.Pull(t.Context(), supply, false); err != nil {
		t.Fatal(err)
	}
}
