// SPDX-License-Identifier: MIT

package scenario

import (
	"strings"
	"testing"

	"reflexd/config"
)

// playAll plays the tests of a configuration, all of which must pass.
func playAll(t *testing.T, yaml, tests string) {
	t.Helper()
	f := load(t, yaml, "config: c.yaml\ntests:\n"+tests)
	for _, one := range f.Tests {
		o, err := f.Play(one, NewCoverage())
		if err != nil {
			t.Fatal(err)
		}
		if o.Failure != "" {
			t.Errorf("%s: %s: %s\n%s", one.Name, o.At, o.Failure, o.Trace)
		}
	}
}

// Drives go through the policies of automount, up to the calls of the kernel.
func TestDrives(t *testing.T) {
	playAll(t, `
automount:
  - {match: {ID_BUS: usb}, types: [vfat, ext4], at: "/media/${LABEL:-${UUID}}", max: 2}
  - {match: {LABEL: ARCHIVE}, at: /mnt/archive, read_only: true}
rules:
  - {name: all, when: {mount: "*", is: [mounted, unmounted, failed, yanked]}, do: {log: "${REFLEXD_EVENT} ${DEVNAME} ${READ_ONLY:-} ${WHY:-} ${REASON:-}"}}
  - {name: there, when: {event: there}, if: {mount: /media/A, is: mounted}, do: {log: there}}
  - {name: away, when: {event: away}, do: {unmount: all}}
  - {name: out, when: {event: out}, do: [{eject: /dev/sda}, {log: out}]}
  - {name: by hand, when: {event: by hand}, do: {mount: {device: /dev/sdz1, at: /mnt/z}}}
`, `
  - name: it is mounted, and unmounted on request
    steps:
      - plug: {DEVNAME: /dev/sda1, ID_BUS: usb, FSTYPE: vfat, LABEL: A}
      - expect: {log: "*mounted /dev/sda1 0*"}
      - {event: there}
      - expect: {log: there}
      - {event: away}
      - expect: [{unmount: all}, {log: "*unmounted* /dev/sda1*"}]
      - {event: there}
      - expect: nothing
      - pull: /dev/sda1
      - expect: nothing
  - name: one that is pulled
    steps:
      - plug: {DEVNAME: /dev/sda, ID_BUS: usb}
      - plug: {DEVNAME: /dev/sda1, ID_BUS: usb, FSTYPE: vfat, LABEL: A}
      - plug: {DEVNAME: /dev/sda2, ID_BUS: usb, FSTYPE: ext4, UUID: 1-2}
      - expect: [{log: "*mounted* /dev/sda1*"}, {log: "*mounted* /dev/sda2*"}]
      - plug: {DEVNAME: /dev/sdb1, ID_BUS: usb, FSTYPE: vfat, LABEL: A}
      - expect: {log: "*failed* /dev/sdb1 *max: 2*"}
      - pull: /dev/sda
      - {expect: [{log: "*yanked* /dev/sda2*"}, {log: "*mounted* /dev/sdb1*"}], within: 3s}
  - name: names that are taken, other types and none
    steps:
      - plug: {DEVNAME: /dev/sda1, ID_BUS: usb, FSTYPE: vfat, LABEL: A}
      - plug: {DEVNAME: /dev/sdb1, ID_BUS: usb, FSTYPE: vfat, LABEL: A, DIRTY: 1}
      - expect: [{log: "*mounted /dev/sda1*"}, {log: "*mounted /dev/sdb1 1 it was not unmounted*"}]
      - expect: [{mount: /media/A, is: mounted}, {mount: /media/A-2, is: mounted}]
      - plug: {DEVNAME: /dev/sdc1, ID_BUS: usb, FSTYPE: ntfs, LABEL: B}
      - plug: {DEVNAME: /dev/sdd1, ID_BUS: usb}
      - plug: {DEVNAME: /dev/sde1, ID_BUS: ata, FSTYPE: vfat}
      - expect: nothing
      - plug: {DEVNAME: /dev/nvme0n1p1, FSTYPE: ntfs, LABEL: ARCHIVE}
      - expect: [{log: "*mounted /dev/nvme0n1p1 1*"}, {mount: /mnt/archive, is: mounted}]
  - name: there at the start
    given:
      uevents: [{SUBSYSTEM: block, DEVNAME: /dev/sda1, ID_BUS: usb, FSTYPE: vfat, LABEL: A}]
    steps:
      - expect: {log: "*mounted /dev/sda1*"}
      - {event: out}
      - expect: [{eject: /dev/sda}, {log: out}]
  - name: mounted before the start
    given: {mounts: {/media/A: {LABEL: A}}}
    steps:
      - expect: nothing
      - {event: there}
      - expect: {log: there}
      - {event: away}
      - expect: {log: "*unmounted* /dev/sda1*"}
  - name: unmounting takes its time
    results: [{unmount: all, after: 3s}]
    steps:
      - plug: {DEVNAME: /dev/sda1, ID_BUS: usb, FSTYPE: vfat, LABEL: A}
      - {event: away}
      - expect: {unmount: all}
      - wait: 2.9s
      - expect: [{mount: /media/A, is: mounted}]
      - {expect: {log: "*unmounted*"}, within: 200ms}
  - name: unmounting fails
    results: [{unmount: all, fails: busy}]
    steps:
      - plug: {DEVNAME: /dev/sda1, ID_BUS: usb, FSTYPE: vfat, LABEL: A}
      - {event: away}
      - expect: [{unmount: all}, {mount: /media/A, is: mounted}]
  - name: what nobody plugged in is mounted, and that is all
    steps:
      - {event: by hand}
      - expect: {mount: /dev/sdz1}
`)
}

// Rules see a device as they would on a board: what the kernel announces, what
// coldplug finds, ID_ fields where a rule names them, udev's events of their
// own.
func TestDevices(t *testing.T) {
	playAll(t, `
rules:
  - {name: cold, when: {uevent: {SUBSYSTEM: net, ACTION: add}, coldplug: true}, do: {log: "cold ${INTERFACE} ${COLDPLUG:-0}"}}
  - {name: hot, when: {uevent: {SUBSYSTEM: net, ACTION: add}}, do: {log: "hot ${INTERFACE}"}}
  - {name: id, when: {uevent: {SUBSYSTEM: tty, ACTION: add, ID_VENDOR_ID: "12d1"}}, do: {log: "modem ${DEVNAME}"}}
  - {name: udev, when: {uevent: {SUBSYSTEM: tty, ACTION: add}, stage: udev}, do: {log: "udev ${ID_MM}"}}
`, `
  - name: at the start
    given: {uevents: [{SUBSYSTEM: net, INTERFACE: wlan0}, {SUBSYSTEM: tty, DEVNAME: ttyUSB0, ID_VENDOR_ID: "12d1"}]}
    steps:
      - expect: {log: cold wlan0 1}
      - uevent: {ACTION: add, SUBSYSTEM: net, INTERFACE: eth1}
      - expect: [{log: cold eth1 0}, {log: hot eth1}]
      - uevent: {ACTION: add, SUBSYSTEM: tty, DEVNAME: ttyUSB1, ID_VENDOR_ID: "12d1"}
      - expect: {log: modem /dev/ttyUSB1}
      - uevent: {ACTION: add, SUBSYSTEM: tty, DEVNAME: ttyUSB1, ID_MM: "1", STAGE: udev}
      - expect: {log: udev 1}
`)
}

// The last message that was sent is answered, once.
func TestAnswer(t *testing.T) {
	const rules = `
netlink: {talk: {protocol: 25}}
rules:
  - {when: {event: ask}, do: {send: {netlink: talk, text: "hello"}}}
  - {when: {netlink: talk}, do: {log: "${TEXT} ${SEQ}"}}
`
	playAll(t, rules, `
  - name: answered
    steps:
      - {event: ask}
      - {answer: {netlink: talk, text: you}}
      - expect: [{send: {netlink: talk, text: hello}}, {log: you 1}]
`)
	for steps, want := range map[string]string{
		"{answer: {netlink: talk, text: x}}":                                 "nothing was sent on talk",
		"{event: ask}, {answer: {netlink: talk}}, {answer: {netlink: talk}}": "is answered already",
	} {
		f := load(t, rules, "tests: [{name: x, steps: ["+steps+"]}]")
		if o, err := f.Play(f.Tests[0], NewCoverage()); err != nil || !strings.Contains(o.Failure, want) {
			t.Errorf("%s: %v, failed with %q, want %q", steps, err, o.Failure, want)
		}
	}
}

// Rules act when the agent stops, and nothing follows.
func TestStopping(t *testing.T) {
	playAll(t, `
lines: {busy: {output: X}}
rules:
  - {name: bye, when: {agent: stopping}, do: [{log: bye}, {run: [sync]}]}
  - {name: tick, when: {timer: 1s}, do: {log: tick}}
  - {name: on, when: {event: on}, do: {blink: {line: busy, every: 100ms}}}
`, `
  - name: it says so
    steps:
      - {event: on}
      - expect: {blink: {line: busy}}
      - {agent: stopping}
      - expect: [{log: bye}, {run: [sync]}]
      - wait: 100000h
      - expect: nothing
`)
}

// Parameters that stand for nothing are mistakes.
func TestEach(t *testing.T) {
	for text, want := range map[string]string{
		"tests: [{name: a, each: [], steps: [{expect: nothing}]}]":                                    "c.test.yaml:1:19: `each` is empty",
		"tests: [{name: a, each: [{x: 1}], steps: [{expect: nothing}]}]":                              "c.test.yaml:1:27: the parameter x is not used: write ${x} in the test",
		"tests: [{name: a, each: [{span: 1s}, {spam: 1s}], steps: [{wait: \"${span}\"}]}]":            `c.test.yaml:1:66: no parameter "span" is in ` + "`each`; did you mean \"spam\"?",
		"tests: [{name: a, each: [{X: 1}], steps: [{wait: \"${X}\"}]}]":                               `"X" is no parameter`,
		"tests: [{name: a, each: [{x: [1]}], steps: [{wait: \"${x}\"}]}]":                             "expected",
		"tests: [{name: a, each: 5, steps: [{wait: \"${x}\"}]}]":                                      "expected a list",
		"tests: [{name: a, each: [{x: 1s}, {x: 1s}], steps: [{wait: \"${x}\"}]}]":                     "a test named \"a (x=1s)\" is already there",
		"tests: [{name: a, given: {inputs: {a: there}}, steps: []}]\nconfig: c.yaml\nstrict: perhaps": "unknown key \"strict\"",
	} {
		dir := write(t, map[string]string{"c.yaml": "rules: []", "c.test.yaml": text})
		ps := &config.Problems{}
		if _, err := Load(dir+"/c.test.yaml", nil, ps); err != nil || !strings.Contains(ps.Error(), want) {
			t.Errorf("%s: %v\n%v\nwant %s", text, err, ps, want)
		}
	}
}
