// SPDX-License-Identifier: MIT

//go:build lab

package trial

import (
	"fmt"
	"regexp"
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
	pulses(raw, 1500, 2*time.Millisecond)
	b.shell(t, fmt.Sprintf("kill -CONT %d", pid))
	a.expect("events lost.*source=gpio:fan count=476")
	if got := total("fan"); got != "900" {
		t.Errorf("1500 more, of which the queue had room for 1024: %s", got)
	}
}
