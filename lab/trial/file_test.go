// SPDX-License-Identifier: MIT

//go:build lab

package trial

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"reflexd/lab"
)

// cleanupContext is the test's context, or one that still lives when the test
// is being cleaned up.
func cleanupContext(t *testing.T) context.Context {
	if t.Context().Err() != nil {
		return context.Background()
	}
	return t.Context()
}

const sensorRules = `
files:
  sensor: {path: /dev/sensor, read: record}
  level: {path: /sys/class/misc/sensor/level, watch: priority}
rules:
  - name: sample
    when: {file: sensor, is: readable}
    do: {emit: {name: sample, fields: {LEVEL: "${TEXT}"}}}
  - name: high sample
    when: {event: sample, where: {LEVEL: {above: 90}}}
    do: {log: "level ${LEVEL}"}
  - name: let go
    when: {signal: SIGUSR1}
    do:
      - source: {close: sensor}
      - run: [rmmod, sensor]
  - name: take
    when: {signal: SIGUSR2}
    do: {source: {open: sensor}}
  - {name: attribute, when: {file: level, is: changed}, do: {log: "attribute ${TEXT} ${CODE}"}}
`

// The module is not there at start, is loaded, is let go of and unloaded, and
// loaded again.
func TestFileBySIGIO(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		module := b.module(t, "sensor")
		for _, program := range []string{"/usr/bin/reflexd", "/usr/bin/reflexd6"} {
			a := b.startProgram(t, program, sensorRules)
			a.expect("file is not there yet.*file=sensor")
			b.sh(t, "insmod "+module+"; echo 95 > /proc/sensor")
			a.expect("file opened.*file=sensor")
			a.expect(`msg="level 95"`)
			b.sh(t, "echo 12 > /proc/sensor; echo 91 > /proc/sensor")
			a.expect(`msg="attribute 91 POLL_PRI"`)
			if n := count(a.log(), `msg="level 91"`); n != 1 {
				t.Errorf("level 91 was told %d times", n)
			}
			if out, err := b.Shell(t.Context(), "rmmod sensor"); err == nil {
				t.Errorf("the module could be unloaded while its file is open: %s", out)
			}
			b.signal(t, a, "USR1")
			a.expect("file closed.*file=sensor")
			a.expect("program=rmmod .*status=0")
			if st := a.verb("status"); !strings.Contains(st, "closed by the action") {
				t.Errorf("status:\n%s", st)
			}
			b.sh(t, "insmod "+module+"; echo 97 > /proc/sensor")
			b.signal(t, a, "USR2")
			a.expect("file opened.*file=sensor")
			a.expect(`msg="level 97"`)
			a.finish()
			b.sh(t, "rmmod sensor")
		}
	})
}

func (b *board) signal(t *testing.T, a *agent, name string) {
	t.Helper()
	b.sh(t, fmt.Sprintf("kill -%s %d", name, a.proc.PID))
}

// A burst of records arrives whole, in order, and a full queue of signals is
// told and made up for. The limit counts for the user pi, who may not raise
// it.
func TestFileBurst(t *testing.T) {
	b := on(t, lab.Virt)
	b.sh(t, "insmod "+b.module(t, "sensor"))
	const rules = `
files: {sensor: {path: /dev/sensor}}
rules:
  - {name: sample, when: {file: sensor}, mode: parallel, max: 1000, do: {log: "sample ${TEXT}"}}
  - {name: lost, when: {loss: file}, do: {log: "lost ${SOURCE} ${COUNT}; ${KNOB}"}}
`
	a := b.start(t, rules)
	a.expect("file opened")
	b.sh(t, "echo burst 2000 > /proc/sensor")
	a.expect(`msg="sample 2000"`)
	expectSamples(t, a.log(), 2000)
	if strings.Contains(a.log(), "msg=\"lost ") {
		t.Error("a loss was told of")
	}
	a.finish()
}

func expectSamples(t *testing.T, log string, want int) {
	t.Helper()
	next := 1
	for line := range strings.Lines(log) {
		if strings.Contains(line, fmt.Sprintf(`msg="sample %d"`, next)) {
			next++
		}
	}
	if next != want+1 {
		t.Errorf("sample %d is missing", next)
	}
}
