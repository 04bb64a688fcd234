// SPDX-License-Identifier: MIT

package scenario

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"reflexd/agent"
	"reflexd/agent/action"
	"reflexd/config"
)

const world = `
location: {latitude: 52.5, longitude: 13.4}
lines: {bell: {button: GPIO1}, second: {button: GPIO8}, door: {contact: GPIO2}, lamp: {output: GPIO3}, meter: {contact: GPIO7, active: low}}
encoders: {volume: {a: GPIO5, b: GPIO6}}
inputs: {remote: {name: "*IR*"}, scanner: {name: "*Scan*", text: {}}}
netlink: {drv: {protocol: usersock, groups: [21]}}
files: {pipe: {path: /dev/x, watch: epoll}, attribute: {path: /sys/x, watch: priority}, port: {path: /dev/ttyS1, serial: {speed: 9600}, read: line}}
sensors: {cpu: {thermal: cpu-thermal}}
counters: {gas: {line: meter, scale: 0.01, rate: 10s}}
pwm: {fan: {chip: p}}
vars: {n: {initial: 1, keep: true}}
mqtt: {broker: mqtt://broker}
`

// Each trigger, in each of its states, is fired by steps.
func TestEveryTriggerCanBeFired(t *testing.T) {
	const found = "found at the start"
	table := []struct{ trigger, steps string }{
		{"{line: door, is: on}", "{line: door, is: on}"},
		{"{line: door, is: off}", "{line: door, is: on}, {line: door, is: off}"},
		{"{line: door, is: rising}", "{line: door, is: on}, {line: door, is: off}"},
		{"{line: door, is: falling}", "{line: door, is: on}, {line: door, is: off}"},
		{"{line: door, is: changed}", "{line: door, is: on}"},
		{"{line: bell, is: pressed}", "{press: bell}"},
		{"{line: bell, is: released}", "{click: bell}"},
		{"{line: bell, is: clicked}", "{click: bell}, {wait: 1s}"},
		{"{line: bell, is: double-clicked}", "{double-click: bell}, {wait: 1s}"},
		{"{line: bell, is: triple-clicked}", "{triple-click: bell}, {wait: 1s}"},
		{"{line: bell, is: held, for: 3s}", "{hold: {bell: 4s}}"},
		{"{lines: [bell, second], together: true, is: pressed}", "{press: bell}, {press: second}, {wait: 1s}"},
		{"{lines: [bell, second], together: true, is: released}", "{press: bell}, {press: second}, {wait: 200ms}, {release: bell}, {release: second}"},
		{"{lines: [bell, second], together: true, is: held, for: 1s}", "{press: bell}, {press: second}, {wait: 2s}"},
		{"{lines: [bell, second], in_order: true, is: pressed}", "{click: bell}, {click: second}, {wait: 1s}"},
		{"{button: GPIO9, is: pressed}", "{press: GPIO9}"},
		{"{button: GPIO9, is: released}", "{click: GPIO9}"},
		{"{button: GPIO9, is: on}", "{line: GPIO9, is: on}"},
		{"{button: GPIO9, is: off}", "{click: GPIO9}"},
		{"{button: GPIO9, is: rising}", "{click: GPIO9}"},
		{"{button: GPIO9, is: falling}", "{click: GPIO9}"},
		{"{button: GPIO9, is: changed}", "{click: GPIO9}"},
		{"{button: GPIO9, is: clicked}", "{click: GPIO9}, {wait: 1s}"},
		{"{button: GPIO9, is: double-clicked}", "{double-click: GPIO9}, {wait: 1s}"},
		{"{button: GPIO9, is: triple-clicked}", "{triple-click: GPIO9}, {wait: 1s}"},
		{"{button: GPIO9, is: held}", "{hold: {GPIO9: 4s}}"},
		{"{encoder: volume, is: turned}", "{encoder: volume, steps: 1}"},
		{"{encoder: volume, is: clockwise}", "{encoder: volume, steps: 1}"},
		{"{encoder: volume, is: counter-clockwise}", "{encoder: volume, steps: -1}"},
		{"{key: KEY_OK, is: pressed, from: remote}", "{key: KEY_OK, is: pressed, from: remote}"},
		{"{key: KEY_OK, is: released, from: remote}", "{click: {key: KEY_OK, from: remote}}"},
		{"{key: KEY_OK, is: clicked}", "{click: {key: KEY_OK, from: remote}}, {wait: 1s}"},
		{"{key: KEY_OK, is: double-clicked}", "{double-click: {key: KEY_OK}}, {wait: 1s}"},
		{"{key: KEY_OK, is: triple-clicked}", "{triple-click: {key: KEY_OK}}, {wait: 1s}"},
		{"{key: KEY_OK, is: held}", "{hold: {key: KEY_OK, for: 4s}}"},
		{"{key: KEY_OK, is: repeated}", "{key: KEY_OK, is: pressed}, {key: KEY_OK, is: repeated}"},
		{"{key: \"nec:0x4012\", is: pressed}", "{press: {key: \"nec:0x4012\", from: remote}}"},
		{"{keys: [KEY_A, KEY_B], together: true, is: pressed}", "{press: {key: KEY_A}}, {press: {key: KEY_B}}, {wait: 1s}"},
		{"{keys: [KEY_A, KEY_B], together: true, is: released}", "{press: {key: KEY_A}}, {press: {key: KEY_B}}, {wait: 200ms}, {release: {key: KEY_A}}, {release: {key: KEY_B}}"},
		{"{keys: [KEY_A, KEY_B], together: true, is: held}", "{press: {key: KEY_A}}, {press: {key: KEY_B}}, {wait: 4s}"},
		{"{switch: SW_LID, is: on}", "{switch: SW_LID, is: on}"},
		{"{switch: SW_LID, is: off}", "{switch: SW_LID, is: on}, {switch: SW_LID, is: off}"},
		{"{switch: SW_LID, is: changed, from: remote}", "{switch: SW_LID, is: on, from: remote}"},
		{"{axis: ABS_X, is: changed}", "{axis: ABS_X, value: 7}"},
		{"{axis: ABS_X, above: 5}", "{axis: ABS_X, value: 1}, {axis: ABS_X, value: 7}"},
		{"{input: remote, is: absent}", "{input: remote, is: absent}"},
		{"{input: remote, is: present}", "{input: remote, is: absent}, {input: remote, is: present}"},
		{"{input: remote, is: idle, for: 1m}", "{wait: 2m}"},
		{"{input: remote, is: active, for: 1m}", "{wait: 2m}, {press: {key: KEY_A, from: remote}}"},
		{"{input: scanner, is: typed, where: {TEXT: \"Ab 1\"}}", "{input: scanner, is: typed, text: Ab 1}"},
		{"{uevent: {ACTION: add, SUBSYSTEM: tty}}", "{uevent: {ACTION: add, SUBSYSTEM: tty}}"},
		{"{uevent: {ACTION: add, SUBSYSTEM: tty}, stage: udev}", "{uevent: {ACTION: add, SUBSYSTEM: tty, STAGE: udev}}"},
		{"{link: eth0, is: up}", "{link: eth0, is: up}"},
		{"{link: eth0, is: down}", "{link: eth0, is: up}, {link: eth0, is: down}"},
		{"{link: eth0, is: added}", "{link: eth0, is: added}"},
		{"{link: eth0, is: removed}", "{link: eth0, is: added}, {link: eth0, is: removed}"},
		{"{link: lan0, is: renamed, where: {PREVIOUS: eth0}}", "{link: eth0, is: added}, {link: lan0, is: renamed, fields: {PREVIOUS: eth0}}"},
		{"{link: eth0, is: changed, where: {MTU: 1400}}", "{link: eth0, is: changed, fields: {MTU: 1400}}"},
		{"{link: eth0, is: address-added, where: {ADDRESS: 10.0.0.1}}", "{link: eth0, is: address-added, fields: {ADDRESS: 10.0.0.1}}"},
		{"{link: eth0, is: address-removed}", "{link: eth0, is: address-removed, fields: {ADDRESS: 10.0.0.1}}"},
		{"{netlink: drv}", "{netlink: drv, text: x}"},
		{"{netlink: drv, is: message}", "{netlink: drv, text: x}"},
		{"{netlink: drv, is: error, where: {ERRNO: ENODEV}}", "{netlink: drv, is: error, fields: {ERRNO: ENODEV}}"},
		{"{netlink: drv, is: done}", "{netlink: drv, is: done}"},
		{"{signal: SIGUSR1, where: {VALUE: 5}}", "{signal: SIGUSR1, value: 5}"},
		{"{file: pipe}", "{file: pipe, text: x}"},
		{"{file: pipe, is: readable}", "{file: pipe, text: x}"},
		{"{file: pipe, is: writable}", "{file: pipe, is: writable}"},
		{"{file: pipe, is: urgent}", "{file: pipe, is: urgent}"},
		{"{file: pipe, is: hung-up}", "{file: pipe, is: hung-up}"},
		{"{file: attribute, is: changed}", "{file: attribute, text: x}"},
		{"{timer: 10s}", "{wait: 10s}"},
		{"{time: \"12:05\"}", "{wait: 10m}"},
		{"{sun: rise}", "{wait: 24h}"},
		{"{sun: set}", "{wait: 24h}"},
		{"{sensor: cpu, is: changed}", "{sensor: cpu, value: 41}"},
		{"{sensor: cpu, is: on}", "{sensor: cpu, value: 0}, {sensor: cpu, value: 1}"},
		{"{sensor: cpu, is: off}", "{sensor: cpu, value: 0}"},
		{"{sensor: cpu, is: absent}", "{sensor: cpu, is: absent}"},
		{"{sensor: cpu, is: present, at_start: false}", "{sensor: cpu, is: absent}, {sensor: cpu, value: 1}"},
		{"{sensor: cpu, above: 75}", "{sensor: cpu, value: 76}"},
		{"{var: n}", "{var: n, is: 5}"},
		{"{var: n, is: 5, for: 1m}", "{var: n, is: 5}, {wait: 1m}"},
		{"{mqtt: play/+}", "{mqtt: play/a, text: x}"},
		{"{broker: connected}", "{broker: connected}"},
		{"{broker: disconnected}", "{broker: connected}, {broker: disconnected}"},
		{"{counter: gas, every: 1}", "{counter: gas, pulses: 100}"},
		{"{counter: gas, above: 2}", "{counter: gas, total: 2.01}"},
		{"{counter: gas, rate: {above: 0.5}}", "{wait: 20s}, {counter: gas, pulses: 100}, {wait: 10s}"},
		{"{mount: /media/A, is: mounted}", "{mount: /media/A, is: mounted}"},
		{"{mount: /media/A, is: unmounted}", "{mount: /media/A, is: unmounted}"},
		{"{mount: /media/A, is: failed}", "{mount: /media/A, is: failed}"},
		{"{mount: /media/A, is: yanked}", "{mount: /media/A, is: yanked}"},
		{"{mount: /media/A, is: ignored}", "{mount: /media/A, is: ignored}"},
		{"{event: go}", "{event: go}"},
		{"{agent: started}", found},
		{"{agent: reloaded}", "{reload: c.yaml}"},
		{"{agent: stopping}", "{agent: stopping}"},
		{"{loss: gpio}", "{loss: gpio}"},
	}
	fired := map[string]bool{}
	for _, c := range table {
		steps := c.steps + ", "
		if c.steps == found {
			steps = ""
		}
		f := load(t, world+"rules: [{name: it, when: "+c.trigger+", do: {log: it}}]", `tests: [{name: x, given: {inputs: {remote: present, scanner: present}, sensors: {cpu: 40}}, steps: [`+
			steps+`{expect: {log: it}}]}]`)
		playOne(t, c.trigger, f)
		ps := &config.Problems{}
		n, _ := config.Parse("f", []byte(c.trigger), ps)
		is := ""
		for _, e := range n.Entries[1:] {
			if e.Key == "is" {
				is = e.Value.Text
			}
		}
		fired[n.Entries[0].Key+" "+is] = true
	}
	for _, v := range language(t, "when").Variants {
		states := []string{""}
		for _, f := range v.Fields() {
			shape := f.Value.Shape()
			if shape.Elem != nil {
				shape = *shape.Elem
			}
			if (f.Name == "is" || f.Name == v.Key) && len(shape.Words) > 0 {
				states = shape.Words
			}
		}
		for _, is := range states {
			if !fired[v.Key+" "+is] && !fired[v.Key+" "] && v.Key != "keys" && v.Key != "lines" {
				t.Errorf("no step fires the trigger %s in the state %q", v.Key, is)
			}
		}
	}
}

// playOne plays the only test of f, which shows what.
func playOne(t *testing.T, what string, f *File) {
	o, err := f.Play(f.Tests[0], NewCoverage())
	switch {
	case err != nil:
		t.Errorf("%s: %v", what, err)
	case o.Failure != "":
		t.Errorf("%s: %s\n%s", what, o.Failure, o.Trace)
	}
}

// language returns the shape of an entry of a key of rules.
func language(t *testing.T, key string) *config.Shape {
	for _, section := range agent.Language().Fields {
		if section.Name == "rules" {
			for _, f := range section.Value.Shape().Elem.Fields {
				if f.Name == key {
					return f.Value.Shape().Elem
				}
			}
		}
	}
	t.Fatal("rules have no", key)
	return nil
}

// Each action is seen by `expect`, by some of what it says.
func TestEveryActionCanBeExpected(t *testing.T) {
	table := map[string][2]string{ // what is done, and what is expected
		"run":     {"[cp, -a, x]", "[cp]"},
		"shell":   {`"cp x y | cat"`, `"cp *"`},
		"set":     {"{led: ACT, to: 40%}", "{led: ACT}"},
		"fade":    {"{pwm: fan, to: 40%, over: 2s}", "{pwm: fan, to: 40%}"},
		"pulse":   {"{line: lamp, for: 2s}", "{line: lamp}"},
		"blink":   {"{line: lamp, every: 1s}", "{line: lamp}"},
		"key":     {"KEY_A", "{keys: KEY_A}"},
		"log":     {`"it is ${NAME:-so}"`, `"* so"`},
		"write":   {"{path: /tmp/x, text: a}", "{path: /tmp/*}"},
		"emit":    {"{name: went, fields: {A: 1}}", "went"},
		"wait":    {"{line: door, is: off}", "{line: door}"},
		"signal":  {"{signal: SIGUSR1, to: /run/x.pid}", "{to: /run/*}"},
		"var":     {"{n: 2}", "{n: 2}"},
		"counter": {"{gas: 12}", "{gas: 12}"},
		"rule":    {"{disable: it}", "{disable: it}"},
		"source":  {"{close: drv}", "{close: drv}"},
		"mount":   {"{device: /dev/sdz1, at: /mnt/z}", "/dev/sdz1"},
		"unmount": {"/dev/sdz1", "/dev/sdz*"},
		"eject":   {"/dev/sdz", "{device: /dev/sdz}"},
		"send":    {"{netlink: drv, text: hello}", "{netlink: drv}"},
		"publish": {"{topic: a, text: b}", "{topic: a}"},
		"save":    {"kept", "kept"},
	}
	for _, kind := range action.Kinds() {
		c, ok := table[kind]
		if !ok {
			t.Errorf("the action %s is not tried", kind)
			continue
		}
		f := load(t, world+fmt.Sprintf("rules: [{name: it, when: {event: go}, do: {%s: %s}}]", kind, c[0]),
			fmt.Sprintf("tests: [{name: x, steps: [{event: go}, {expect: {%s: %s}}]}]", kind, c[1]))
		playOne(t, kind, f)
	}
	if !slices.ContainsFunc(language(t, "do").Variants, func(v config.Variant) bool { return strings.HasPrefix(v.Key, "run") }) {
		t.Error("no actions in the language")
	}
}
