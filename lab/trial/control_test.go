// SPDX-License-Identifier: MIT

//go:build lab

package trial

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

// What scripts set and ask is what the pins are; orders of scripts and rules
// count alike.
func TestScriptsAskTheAgent(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		for _, program := range []string{"/usr/bin/reflexd", "/usr/bin/reflexd6"} {
			a := b.startProgram(t, program, `
lines:
  lamp: {output: GPIO27, active: low, on_exit: off}
  door: {input: GPIO22}
rules:
  - {name: rest, when: {event: rest}, do: {set: {line: lamp, to: off}}}
`)
			b.awaitLine(t, 27, true)
			a.verb("set", "lamp", "on")
			b.awaitLine(t, 27, false)
			lamp := a.verb("get", "--json", "lamp")
			for _, want := range []string{`"state": "on"`, `"chip": "gpiochip[0-9]+"`, `"offset": 27`, `"level": "low"`, `"set_by": "uid 0"`} {
				if !regexp.MustCompile(want).MatchString(lamp) {
					t.Errorf("no %s in %s", want, lamp)
				}
			}
			if !strings.Contains(a.verb("status"), "set by uid 0") {
				t.Error("status does not say who set it")
			}
			a.verb("set", "lamp", "toggle")
			b.awaitLine(t, 27, true)
			a.verb("blink", "lamp", "--every", "200ms")
			b.awaitLine(t, 27, false)
			b.awaitLine(t, 27, true)
			b.awaitLine(t, 27, false)
			a.verb("emit", "rest")
			b.awaitLine(t, 27, true)
			if lamp := a.verb("get", "--json", "lamp"); strings.Contains(lamp, "set_by") || strings.Contains(lamp, "playing") || !strings.Contains(lamp, `"off"`) {
				t.Error("after a rule's order:", lamp)
			}
			if out := b.shell(t, "reflexd get -q door --socket "+a.dir+"/socket; echo $?"); out != "3\n" {
				t.Errorf("door: %q", out)
			}
			b.shell(t, "reflexd watch --json door --socket "+a.dir+"/socket > "+a.dir+"/stream 2>&1 & echo")
			if _, err := b.AwaitMatch(t.Context(), a.dir+"/stream", "watching"); err != nil {
				t.Fatal(err)
			}
			b.pull(t, 22, true)
			if _, err := b.AwaitMatch(t.Context(), a.dir+"/stream", `"name":"door","state":"rising","source":"gpio:door","names":\["door"\],"fields":`); err != nil {
				t.Fatal(err)
			}
			if out := a.verb("get", "door"); out != "on\n" {
				t.Errorf("door: %q", out)
			}
			b.pull(t, 22, false)
			a.finish()
		}
	})
}

// A line that another program holds is requested when that releases it, long
// before the next try.
func TestHeldLineIsRequestedWhenReleased(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		const tries = 3 // now and then an emulated board stands still
		for try := range tries {
			holder := b.start(t, "lines: {x: {input: GPIO22}}\n")
			waiting := b.start(t, "lines: {x: {input: GPIO22}}\n")
			if log := waiting.log(); !strings.Contains(log, `held by \"reflexd\"`) {
				t.Fatal("it is not held:", log)
			}
			holder.finish()
			open := logTime(t, waiting.expect("line is open"))
			released := logTime(t, regexp.MustCompile("time=.*msg=stopping.*").FindString(holder.log()))
			waiting.finish()
			took := open.Sub(released)
			t.Log(took)
			if took < 400*ms {
				return
			}
			if try == tries-1 {
				t.Error("it was requested", took, "after it was released")
			}
		}
	})
}

// logTime returns the time of a line of the log.
func logTime(t *testing.T, line string) time.Time {
	t.Helper()
	m := regexp.MustCompile(`time=(\S+)`).FindStringSubmatch(line)
	if m == nil {
		t.Fatalf("no time in %q", line)
	}
	at, err := time.Parse(time.RFC3339, m[1])
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// Somebody who may read the agent's state sees that a key of a keyboard went
// down, but not which, unless a rule names it.
func TestWatchIsNoKeyLogger(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		b.shell(t, `grep -q ^spy: /etc/passwd || echo 'spy:x:54321:54321::/:/bin/sh' >> /etc/passwd`)
		a := b.start(t, `
control: {allow: [{uid: 54321, may: read}]}
rules:
  - {name: named, when: {key: KEY_M, is: pressed, exact: true}, do: {log: pressed}}
  - {name: spy, when: {event: spy}, do: {run: {command: [reflexd, watch, --json, --socket, "${SOCKET}"], user: spy, timeout: none}}}
`)
		b.keyboard(t, "typed")
		a.verb("emit", "spy", "SOCKET="+a.dir+"/socket")
		a.expect("type.*watching")
		b.holdKey(t, a.proc.Log, "p", "event=.key KEY_P pressed")
		b.key(t, "p", false)
		b.key(t, "m", true)
		a.expect(`type.*event.*"name.*KEY_M`)
		b.key(t, "m", false)
		seen := 0
		for line := range strings.Lines(a.log()) {
			if !strings.Contains(line, `rule=spy`) || !strings.Contains(line, "input:/dev/input") {
				continue
			}
			seen++
			if masked := strings.Contains(line, "masked"); masked == strings.Contains(line, "KEY_M") || masked && regexp.MustCompile("KEY|CODE|VALUE").MatchString(line) {
				t.Error("seen:", line)
			}
		}
		if seen < 3 {
			t.Errorf("seen %d notices:\n%s", seen, a.log())
		}
	})
}
