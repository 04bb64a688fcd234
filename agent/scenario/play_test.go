// SPDX-License-Identifier: MIT

package scenario

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"reflexd/config"
)

const everything = `
lines: {bell: {button: GPIO1}, door: {contact: GPIO2}, lamp: {output: GPIO3}, far: {output: GPIO4}, meter: {contact: GPIO7, active: low}}
encoders: {volume: {a: GPIO5, b: GPIO6, detent: 2}}
inputs: {remote: {name: "*IR*"}, lid: {id: "1:2"}}
netlink: {drv: {protocol: usersock, groups: [21]}}
files: {sensor: {path: /dev/sensor}}
sensors: {cpu: {thermal: cpu-thermal}}
counters: {gas: {line: meter, scale: 0.01, unit: m³, rate: 10s}}
pwm: {fan: {chip: p, initial: 20%}}
vars: {mode: {values: [day, night]}, n: {initial: 1}}
mqtt: {broker: mqtt://broker}
rules:
  - {name: asked, when: {mqtt: play/+}, do: {publish: {topic: answer, text: "${PAYLOAD}"}}}
  - {name: offline, when: {broker: disconnected, for: 5m}, if: {broker: disconnected}, do: {log: "offline"}}

  - {name: clicked, when: {line: bell, is: double-clicked}, do: {set: {line: lamp, to: toggle}}}
  - {name: lit, when: {line: lamp, is: on, for: 1m}, do: {set: {line: far, to: on}}}
  - {name: turned, when: {encoder: volume, is: turned}, do: {log: "${DIRECTION} ${STEPS}"}}
  - {name: key, when: {key: KEY_OK, is: held, for: 1s, from: remote}, do: {key: KEY_ENTER}}
  - {name: lid, when: {switch: SW_LID, is: on, from: lid, for: 10s}, do: {run: [suspend]}}
  - {name: gone, when: {input: remote, is: absent, for: 5s}, do: {log: "no remote"}}
  - {name: idle, when: {input: remote, is: idle, for: 10m}, do: {log: idle}}
  - {name: loud, when: {axis: ABS_VOLUME, above: 50}, do: {log: "loud ${VALUE}"}}
  - {name: net, when: {link: eth0, is: down, for: 2m}, do: {run: [reboot]}}
  - {name: hot, when: {sensor: cpu, above: 75}, do: {log: "hot ${VALUE} ${UNIT}"}}
  - {name: gas, when: {counter: gas, every: 1}, do: [{log: "${TOTAL} ${UNIT}"}, {fade: {pwm: fan, to: 100%, over: 2s}}]}
  - {name: flow, when: {counter: gas, rate: {above: 0.05}}, do: {log: "flows ${RATE}"}}
  - {name: blind, when: {sensor: cpu, is: absent}, do: {log: blind}}
  - {name: usr, when: {signal: SIGUSR1}, do: {log: "value ${VALUE}"}}
  - {name: msg, when: {netlink: drv}, do: {send: {netlink: drv, text: "re ${TEXT}"}}}
  - {name: read, when: {file: sensor}, do: {write: {path: /tmp/x, text: "${TEXT}"}}}
  - {name: stick, when: {uevent: {ACTION: add, SUBSYSTEM: block}}, do: {log: "${DEVNAME}"}}
  - {name: photos, when: {mount: "/media/*", is: mounted}, do: [{run: {command: [cp, "${MOUNTPOINT}/DCIM"], timeout: 10m}}, {unmount: "${DEVNAME}"}], on_failure: {log: "failed: ${ERROR}"}}
  - {name: sent, when: {event: go, where: {TO: "l*"}}, if: {var: mode, is: night}, do: {emit: went}}
  - {name: went, when: {event: went}, do: {var: {n: 2}}}
  - {name: var, when: {var: n, is: 2}, do: [{wait: {line: door, is: off}}, {log: "closed"}]}
  - {name: lost, when: {loss: gpio}, do: {log: "lost ${COUNT}"}}
  - {name: tick, when: {timer: 1h}, if: {time: "13:30-14:30"}, do: {log: tick}}
`

// Each kind of step fires, those of drives and answers in plug_test.go, what it would fire on a board.
const everyStep = `
config: c.yaml
tests:
  - name: all steps
    given: {time: "2026-03-01 12:00", zone: UTC, vars: {mode: night}, lines: {door: on, far: off}, inputs: {remote: present, lid: present}, counters: {gas: 11.95}, pwm: {fan: 40%}, links: {eth0: up}, mounts: {/media/A: {LABEL: A}}}
    results: [{run: [cp, "/media/B*"], fails: no room, after: 1s, output: "copying\n"}]
    steps:
      - expect: [{line: door, is: on}, {input: remote, is: present}, {link: eth0, is: up}, {mount: /media/A, is: mounted}, {var: mode, is: night}]
      - double-click: bell
      - expect: [{set: {line: lamp}}, {line: lamp, is: on}]
      - {expect: {line: far, is: on}, within: 61s}
      - {mqtt: play/a, text: tune}
      - {mqtt: play/b, text: old, retained: true}
      - expect: {publish: {topic: answer, text: tune}}
      - {broker: connected}
      - {broker: disconnected}
      - wait: 5m
      - expect: {log: offline}
      - {encoder: volume, steps: 1}
      - {encoder: volume, steps: -2}
      - expect: [{log: "clockwise 1"}, {log: "counter-clockwise -1"}, {log: "counter-clockwise -1"}]
      - hold: {key: KEY_OK, from: remote, for: 1.5s}
      - expect: {key: KEY_ENTER}
      - {switch: SW_LID, is: on, from: lid}
      - {expect: {run: [suspend]}, within: 10s}
      - {axis: ABS_VOLUME, value: 40}
      - expect: nothing
      - {axis: ABS_VOLUME, value: 60}
      - expect: {log: loud 60}
      - {link: eth0, is: down}
      - {expect: {run: [reboot]}, within: 2m}
      - {signal: SIGUSR1, value: -5}
      - expect: {log: value -5}
      - {sensor: cpu, value: 76}
      - expect: {log: hot 76 °C}
      - {sensor: cpu, is: absent}
      - expect: [{log: blind}, {sensor: cpu, is: absent}]
      - expect: [{counter: gas, total: 11.95}, {pwm: fan, to: 40%}]
      - {counter: gas, pulses: 4, every: 3s}
      - expect: [{counter: gas, total: 11.99, rate: 0.03}]
      - {counter: gas, total: 12}
      - expect: [{log: 12 m³}, {fade: {pwm: fan}}, {counter: gas, total: 12.00}]
      - {expect: {pwm: fan, to: on}, within: 2s}
      - {counter: gas, total: 12.2}
      - {expect: {log: "flows *"}, within: 10s}
      - {netlink: drv, text: hello}
      - expect: {send: {netlink: drv, text: re hello}}
      - {file: sensor, text: "42"}
      - expect: {write: {path: /tmp/*, text: "42"}}
      - uevent: {ACTION: add, SUBSYSTEM: block, DEVNAME: sda1}
      - expect: {log: /dev/sda1}
      - {mount: /media/B, is: mounted, fields: {DEVNAME: /dev/sdb1}}
      - expect: {run: [cp, /media/B/DCIM]}
      - {expect: {log: "failed: no room"}, within: 1s}
      - {mount: /media/C, is: mounted, fields: {DEVNAME: /dev/sdc1}}
      - expect: [{run: [cp]}, {unmount: /dev/sdc1}]
      - {event: go, fields: {TO: right}}
      - expect: nothing
      - {event: go, fields: {TO: left}}
      - expect: [{emit: went}, {var: {n: 2}}, {wait: {line: door}}, {var: n, is: 2}]
      - {line: door, is: off}
      - expect: {log: closed}
      - {var: mode, is: day}
      - {event: go, fields: {TO: left}}
      - expect: nothing
      - {loss: "gpio:bell", count: 3}
      - expect: {log: lost 3}
      - {input: remote, is: absent}
      - {expect: {log: no remote}, within: 5s}
      - {time: "13:00"}
      - {expect: {log: tick}, within: 1h}
      - expect: {rule: tick, fired: 1}
`

func write(t testing.TB, files map[string]string) string {
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func load(t testing.TB, yaml, tests string) *File {
	dir := write(t, map[string]string{"c.yaml": yaml, "c.test.yaml": tests})
	ps := &config.Problems{}
	f, err := Load(filepath.Join(dir, "c.test.yaml"), nil, ps)
	if err != nil || ps.Failed() {
		t.Fatal(err, ps)
	}
	return f
}

func TestEveryStep(t *testing.T) {
	f := load(t, everything, everyStep)
	o, err := f.Play(f.Tests[0], NewCoverage())
	if err != nil {
		t.Fatal(err)
	}
	if o.Failure != "" {
		t.Errorf("%s: %s\n%s", o.At, o.Failure, o.Trace)
	}
	for _, k := range stepKinds() {
		if !strings.Contains(everyStep, k.key+":") && !strings.Contains("press release click triple-click wait reload plug pull answer agent", k.key) {
			t.Errorf("the step %s is not tried", k.key)
		}
	}
}

// Two runs never differ.
func TestTraceIsAlwaysTheSame(t *testing.T) {
	f := load(t, everything, everyStep)
	first, err := f.Play(f.Tests[0], NewCoverage())
	if err != nil {
		t.Fatal(err)
	}
	for range 50 { // and a thousand of TestOwnTestsAreAlwaysTheSame
		again := load(t, everything, everyStep)
		again.Path, again.Config = f.Path, f.Config
		o, err := again.Play(again.Tests[0], NewCoverage())
		if err != nil {
			t.Fatal(err)
		}
		if o.Trace != first.Trace {
			t.Fatalf("first\n%s\nthen\n%s", first.Trace, o.Trace)
		}
	}
}

// A configuration that is reloaded in a test goes on as it does on a board.
func TestReload(t *testing.T) {
	const rules = "lines: {door: {contact: X}}\nrules: [{when: {line: door, is: on, for: 1h}, do: {log: open}}"
	dir := write(t, map[string]string{
		"c.yaml": rules + "]", "more.yaml": rules + ", {when: {agent: reloaded}, do: {log: again}}]",
		"c.test.yaml": `tests: [{name: x, steps: [{line: door, is: on}, {wait: 50m}, {reload: more.yaml}, {expect: {log: again}}, {expect: {log: open}, within: 10m}]}]`,
	})
	ps := &config.Problems{}
	f, err := Load(filepath.Join(dir, "c.test.yaml"), nil, ps)
	if err != nil || ps.Failed() {
		t.Fatal(err, ps)
	}
	if o, err := f.Play(f.Tests[0], NewCoverage()); err != nil || o.Failure != "" {
		t.Error(err, o.Failure, o.Trace)
	}
}

// A step that asks for what is not declared fails its test, and says why.
func TestStepsThatCannotBe(t *testing.T) {
	for step, want := range map[string]string{
		"{press: bel}":                         "line bel is not a declared input",
		"{press: lamp}":                        "line lamp is not a declared input",
		"{press: {key: KEY_OKK}}":              `no key is called "KEY_OKK"`,
		"{press: {key: KEY_OK, from: remote}}": "the input remote is absent",
		"{input: remot, is: present}":          `no input "remot" is declared`,
		"{encoder: vol, steps: 1}":             `no encoder "vol" is declared`,
		"{signal: SIGKILL}":                    "SIGKILL",
		"{netlink: drv, data: xyz}":            "data: ",
		"{file: sensor, is: created}":          "created never happens",
		"{uevent: {ACTION: add}}":              "a uevent has an ACTION and a SUBSYSTEM",
		"{var: mode, is: noon}":                `"noon" is not one of its values`,
		"{loss: gpoi}":                         `no source is called "gpoi"`,
		"{time: noon}":                         "expected a time such as",
		"{expect: {rule: no, fired: 1}}":       `no rule is called "no"`,
		"{expect: {var: no, is: 1}}":           `no variable "no" is declared`,
		"{reload: no.yaml}":                    "no.yaml",
		"{counter: gass, pulses: 1}":           `no counter "gass" is declared`,
		"{counter: gas}":                       "expected one of the keys pulses and total",
		"{counter: gas, total: 1.005}":         "no number of pulses makes the total of counter gas 1.005: it is 0, and each adds 0.01",
		"{counter: gas, total: -1}":            "the total of counter gas is 0 already",
		"{counter: gas, total: 100000}":        "needs 10000000 pulses for that",
		"{expect: {counter: gas, total: 1}}":   "the total of counter gas is 0",
		"{expect: {counter: gas, rate: 1}}":    "the rate of counter gas is not known",
		"{expect: {counter: no, total: 1}}":    `no counter "no" is declared`,
		"{expect: {pwm: fan, to: 60%}}":        "pwm fan is at 20%",
		"{expect: {pwm: no, to: 60%}}":         `no pwm output "no" is declared`,
	} {
		f := load(t, everything, fmt.Sprintf("tests: [{name: x, steps: [%s]}]", step))
		if o, err := f.Play(f.Tests[0], NewCoverage()); err != nil || !strings.Contains(o.Failure, want) {
			t.Errorf("%s: %v, failed with %q, want %q", step, err, o.Failure, want)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(everyStep)
	f.Add("tests: [{name: a, each: [{x: 1}], steps: [{expect: nothing}, {press: \"${x}\"}]}]")
	f.Add("tests: [{name: a, results: [{run: x, exit: 1}], steps: [{hold: {a: 1s}}]}]")
	f.Add("tests: [{name: a, given: {time: '0001-01-01 00:00'}, steps: [{counter: gas, total: 1e9}, {agent: stopping}, {expect: {log: x}, within: 9h}]}]")
	f.Add("tests: [{name: a, given: {counters: {gas: 1}, pwm: {fan: 4%}}, steps: [{input: remote, is: typed, text: x}, {link: a, is: renamed, fields: {PREVIOUS: b}}, {expect: {pwm: fan, to: on}}]}]")
	f.Fuzz(func(t *testing.T, text string) {
		dir := write(t, map[string]string{"c.yaml": everything, "c.test.yaml": text})
		ps := &config.Problems{}
		file, err := Load(filepath.Join(dir, "c.test.yaml"), nil, ps)
		if err != nil || ps.Failed() {
			return
		}
		for _, one := range file.Tests[:min(3, len(file.Tests))] {
			if len(one.steps) < 10 {
				_, _ = file.Play(one, NewCoverage())
			}
		}
	})
}

func BenchmarkPlay(b *testing.B) {
	f := load(b, everything, everyStep)
	for b.Loop() {
		if o, err := f.Play(f.Tests[0], NewCoverage()); err != nil || o.Failure != "" {
			b.Fatal(err, o.Failure)
		}
	}
}
