// SPDX-License-Identifier: MIT

//go:build lab

package trial

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"reflexd/lab"
)

// doctor runs the verb with a configuration and returns what it prints and its
// exit code.
func (b *board) doctor(t *testing.T, program, yaml, socket string) (string, int) {
	t.Helper()
	file := fmt.Sprintf("/tmp/doctor%d.yaml", instances.Add(1))
	if err := b.WriteFile(t.Context(), file, []byte(yaml), 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := b.Run(t.Context(), lab.Command{Args: []string{program, "doctor", "-c", file, "--socket", socket}})
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(r.Stdout)+string(r.Stderr), file, "doctor.yaml"), r.Code
}

// Everything that can be wrong at once, each with what to do.
const sick = `
lines:
  lamp: {output: GPIO22}
  bell: {button: GPIO23}
  typo: {input: header:99}
  near: {input: GPI024}
inputs:
  remote: {name: "*IR Receiver*"}
netlink:
  driver: {protocol: 25}
  family: {family: nlctrl, groups: [notfy]}
files:
  sensor: {path: /dev/sensor0}
  plain: {path: /proc/version, watch: priority}
  folder: {path: /tmp}
pid_file: /run/nowhere/reflexd.pid
automount: {types: [vfat, btrfs], at: "/proc/x/${LABEL}", owner: photos}
rules:
  - {when: {line: bell, is: pressed}, do: {run: {command: [ls], user: photos}}}
  - {when: {key: KEY_COFFEE, is: pressed}, do: [{run: [modprobee, x]}, {run: [/tmp/nothing]}, {run: {command: [ls], cwd: /srv/nowhere}}]}
  - {when: {signal: SIGRTMIN+3}, do: [{set: {led: lamp0, to: on}}, {write: {path: /sys/class/leds/lamp0/brightness, text: "1"}}]}
  - {when: {uevent: {SUBSYSTEM: block}, stage: udev}, do: {signal: {to: nobody, signal: SIGHUP}}}
  - {when: {link: wlan7, is: up}, do: {log: up}}
`

// The same board, well.
const well = `
lines:
  lamp: {output: GPIO22}
  bell: {button: GPIO23}
encoders:
  volume: {a: GPIO5, b: GPIO6}
netlink:
  alarms: {protocol: usersock, groups: [21]}
files:
  null: {path: /tmp/fifo, read: line}
vars: {mode: {keep: true}}
state_file: /tmp/doctor-state
rules:
  - {when: {line: bell, is: pressed}, do: [{run: [ls]}, {shell: "ls"}, {run: [amixer]}, {set: {line: lamp, to: on}}]}
  - {when: {signal: SIGRTMIN+3}, do: {write: {path: /proc/sys/kernel/printk, text: "4"}}}
  - {when: {uevent: {SUBSYSTEM: block}}, do: {log: x}}
  - {when: {link: lo, is: up}, do: {log: up}}
`

func TestDoctor(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		b.shell(t, "mkfifo /tmp/fifo 2>/dev/null; true")
		other := b.start(t, "lines: {lamp: {output: GPIO22}}\nrules: [{when: {timer: 1h}, do: {log: x}}]")
		for _, program := range []string{"/usr/bin/reflexd", "/usr/bin/reflexd6"} {
			out, code := b.doctor(t, program, sick, "/tmp/no-socket")
			if code != 1 {
				t.Errorf("%s ends with %d where much is wrong", program, code)
			}
			golden(t, "doctor/sick-"+strings.ToLower(filepath.Base(t.Name())), out)
		}
		other.finish()

		out, code := b.doctor(t, "/usr/bin/reflexd", well, "/tmp/no-socket")
		if code != 0 {
			t.Errorf("it ends with %d where all is well", code)
		}
		golden(t, "doctor/well-"+strings.ToLower(filepath.Base(t.Name())), out)

		// What the running agent itself holds is no trouble.
		a := b.start(t, well)
		a.expectVerb("groups 21", "status")
		r, err := b.Run(t.Context(), lab.Command{Args: []string{"reflexd", "doctor", "-c", a.file(), "--socket", a.dir + "/socket"}})
		if err != nil || r.Code != 0 {
			t.Errorf("it ends with %d, %v, where the agent runs", r.Code, err)
		}
		golden(t, "doctor/running-"+strings.ToLower(filepath.Base(t.Name())), strings.ReplaceAll(string(r.Stdout), a.file(), "doctor.yaml"))
	})
}

// A power button belongs to the kernel's driver: doctor names its device.
func TestDoctorNamesTheKeysOfTheKernel(t *testing.T) {
	b := on(t, lab.Virt)
	out, code := b.doctor(t, "/usr/bin/reflexd", `
lines: {power: {button: "9030000.pl061:3"}}
rules: [{when: {line: power, is: pressed}, do: {log: x}}]
`, "/tmp/no-socket")
	if code != 1 || !strings.Contains(out, "a key of the kernel's gpio-keys driver: use its keys from /dev/input/event") {
		t.Errorf("it ends with %d: %s", code, out)
	}
}
