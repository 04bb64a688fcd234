// SPDX-License-Identifier: MIT

//go:build lab

// States of lines and links: what is there at start, how long it lasts, and
// what an agent that was killed makes of it.

package trial

import (
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"reflexd/lab"
)

// programs are the builds of the agent that a board runs: 64 bits and 32.
var programs = []string{"/usr/bin/reflexd", "/usr/bin/reflexd6"}

// never fails the test if the log has one of the patterns.
func (a *agent) never(patterns ...string) {
	a.t.Helper()
	for _, pattern := range patterns {
		if line := regexp.MustCompile(pattern).FindString(a.log()); line != "" {
			a.t.Errorf("the log has %q", line)
		}
	}
}

// between returns how long after the first match of one pattern in the log the
// first of another came, by the board's clock.
func (a *agent) between(from, to string) time.Duration {
	a.t.Helper()
	at := func(pattern string) time.Time {
		m := regexp.MustCompile(`time=(\S+) .*` + pattern).FindStringSubmatch(a.log())
		if m == nil {
			a.t.Fatalf("the log has no %q", pattern)
		}
		t, err := time.Parse(time.RFC3339Nano, m[1])
		if err != nil {
			a.t.Fatal(err)
		}
		return t
	}
	return at(to).Sub(at(from))
}

// A door that is open at start and one that is closed, and a button that is
// held: not by a bias, which the simulated chip takes for its pull.
func TestContactsAtStart(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		for _, program := range programs {
			b.pull(t, 22, true)
			b.pull(t, 23, false)
			b.pull(t, 24, false)
			b.pull(t, 25, false)
			a := b.startProgram(t, program, `
lines: {open: {contact: GPIO22}, closed: {contact: GPIO23}, bell: {button: GPIO24, bias: as-is}, tank: {input: GPIO25, active: low}}
rules:
  - {name: began, when: {line: "*", is: on}, do: {log: "began ${LINE}"}}
  - {name: there, when: {line: "*", is: on, at_start: true}, do: {log: "there ${LINE} ${SYNTHETIC:-new}"}}
  - {name: lasts, when: {line: "*", is: on, for: 500ms}, do: {log: "lasts ${LINE} ${SYNTHETIC:-new} ${LASTED_MS}"}}
  - {name: ended, when: {line: "*", is: off}, do: {log: "ended ${LINE}"}}
  - {name: released, when: {line: "*", is: released}, do: {log: "released ${LINE} ${HELD_MS}"}}
  - {name: pressed, when: {line: "*", is: pressed}, do: {log: "pressed ${LINE}"}}
`)
			for _, line := range []string{"bell", "open", "tank"} {
				if !strings.Contains(a.log(), `msg="there `+line+` 1"`) {
					t.Errorf("no %s at the start:\n%s", line, a.log())
				}
			}
			a.expect(`msg="lasts open 1 500"`)
			b.pull(t, 22, false)
			a.expect(`msg="released open [1-9][0-9]+"`)
			a.expect(`msg="ended open"`)
			b.pull(t, 25, true)
			a.expect(`msg="released tank [1-9][0-9]+"`)
			a.expect(`msg="ended tank"`)
			b.pull(t, 24, true) // a state ends, and no gesture
			a.expect(`msg="ended bell"`)
			a.never(`msg="(began|pressed) `, "released bell", "closed")
			b.pull(t, 23, true)
			a.expect(`msg="pressed closed"`)
			a.expect(`msg="began closed"`)
			a.expect(`msg="there closed new"`)
			a.expect(`msg="lasts closed new 500"`)
			a.finish()
		}
	})
}

// A contact that bounces while the agent starts: what it fires alternates, and
// in the end it is what the line is.
func TestContactThatChangesDuringTheStart(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		for i := range 4 {
			last := i%2 == 0
			var pulls []lab.Pull
			for n := range 400 {
				pulls = append(pulls, lab.Pull{After: 3 * time.Millisecond, Offset: 22, Up: n%2 == 0})
			}
			played := make(chan error, 1)
			go func() {
				played <- b.header.Play(t.Context(), append(pulls, lab.Pull{After: 30 * time.Millisecond, Offset: 22, Up: last})...)
			}()
			a := b.start(t, `
lines: {door: {contact: GPIO22, debounce: 0s}}
rules:
  - {name: "on", when: {line: door, is: on, at_start: true}, do: {log: "door on"}}
  - {name: "off", when: {line: door, is: off, at_start: true}, do: {log: "door off"}}
  - {name: "yes", when: {signal: SIGUSR1}, if: {line: door, is: on}, do: {log: "is on"}}
  - {name: "no", when: {signal: SIGUSR1}, if: {line: door, is: off}, do: {log: "is off"}}
`)
			if err := <-played; err != nil {
				t.Fatal(err)
			}
			b.pull(t, 22, last)
			want := map[bool]string{true: "on", false: "off"}[last]
			b.shell(t, "sleep 0.2")
			if err := a.proc.Signal(t.Context(), syscall.SIGUSR1); err != nil {
				t.Fatal(err)
			}
			a.expect(`msg="is ` + want + `"`)
			states := regexp.MustCompile(`msg="door (on|off)"`).FindAllStringSubmatch(a.log(), -1)
			for j := 1; j < len(states); j++ {
				if states[j][1] == states[j-1][1] {
					t.Fatalf("state %d is %s again", j, states[j][1])
				}
			}
			if len(states) == 0 || states[len(states)-1][1] != want {
				t.Errorf("%d states, the last is not %s", len(states), want)
			}
			a.finish()
			b.pull(t, 22, false)
		}
	})
}

// An agent that is killed counts from its next start.
func TestForOfAnAgentThatIsKilled(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		for _, program := range programs {
			const rules = `
lines: {door: {contact: GPIO22}}
rules:
  - {name: open, when: {line: door, is: on, for: 5s}, do: {log: "open for ${LASTED_MS}, ${SYNTHETIC:-seen}"}}
  - {name: soon, when: {line: door, is: on, for: 1500ms}, do: {log: "open a while"}}
  - {name: opened, when: {line: door, is: on}, do: {log: opened}}
`
			b.pull(t, 22, false)
			a := b.startProgram(t, program, rules)
			b.pull(t, 22, true)
			a.expect("msg=opened")
			a.expect("open a while")
			a.kill()
			a.never("open for")
			a = b.startProgram(t, program, rules)
			a.expect(`msg="open for 5000, 1"`)
			if d := a.between("msg=started", `msg="open for`); d < 4*time.Second {
				t.Errorf("it fired %v after the start", d)
			}
			a.never("msg=opened")
			a.finish()
			b.pull(t, 22, false)
		}
	})
}

// An output's states, by whatever it is set, and what it began as.
func TestStatesOfAnOutput(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		a := b.start(t, `
lines: {lamp: {output: GPIO27, on_exit: off}, sign: {output: GPIO21, on_exit: off}, fan: {output: GPIO26, initial: on, on_exit: off}}
rules:
  - {name: lit, when: {line: [lamp, sign], is: on}, do: {log: "${LINE} lit ${LEVEL}"}}
  - {name: dark, when: {line: [lamp, sign], is: off}, do: {log: "${LINE} dark ${LEVEL}"}}
  - {name: long, when: {line: lamp, is: on, for: 700ms}, do: [{log: "lit for ${LASTED_MS}"}, {set: {line: lamp, to: off}}]}
  - {name: runs, when: {line: fan, is: on, at_start: true}, do: {log: "the fan is on"}}
  - {name: "on", when: {event: "on"}, do: {set: {line: lamp, to: on}}}
  - {name: twice, when: {event: twice}, do: [{blink: {line: sign, every: 4s, times: 2}}, {log: blinks}]}
  - {name: asked, when: {event: ask}, if: {line: fan, is: on, for: 1ms}, do: {log: "the fan is still on"}}
`)
		if !strings.Contains(a.log(), "the fan is on") {
			t.Errorf("no state at the start:\n%s", a.log())
		}
		a.verb("emit", "ask")
		a.expect("the fan is still on")
		a.verb("emit", "on")
		a.expect(`msg="lamp lit 1"`)
		a.expect(`msg="lit for 700"`)
		a.expect(`msg="lamp dark 0"`)
		b.awaitLine(t, 27, false)
		a.verb("emit", "twice")
		for range 2 { // slowly: a busy board leaves out flashes that it is too late for
			a.expect(`msg="sign lit 1"`)
			a.expect(`msg="sign dark 0"`)
		}
	})
}

// The cable is out for a while, and for long enough; and out at the start.
func TestLinkThatStaysDown(t *testing.T) {
	b := on(t, lab.Virt)
	cable := func(in bool) {
		t.Helper()
		if err := b.SetLink(cleanupContext(t), in); err != nil {
			t.Fatal(err)
		}
	}
	cable(true)
	b.shell(t, "ip link set eth0 up")
	if err := b.AwaitText(t.Context(), "/sys/class/net/eth0/carrier", "1"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cable(true); b.shell(t, "ip link set eth0 down") })
	const rules = `
rules:
  - {name: went, when: {link: eth0, is: down}, do: {log: "went down"}}
  - {name: came, when: {link: eth0, is: up}, do: {log: "came up"}}
  - {name: there, when: {link: eth0, is: up, at_start: true}, do: {log: "is up ${SYNTHETIC:-now}"}}
  - {name: late, when: {link: eth0, is: down, for: 5s}, do: {log: "down for ${LASTED_MS} ${SYNTHETIC:-seen}"}}
  - {name: reboot, when: {link: eth0, is: down, for: 4s, at_start: false}, do: {log: "would reboot"}}
  - {name: nothing, when: {link: eth7, is: down, for: 1s}, do: {log: "no ${IFNAME}"}}
`
	a := b.start(t, rules)
	if !strings.Contains(a.log(), `msg="is up 1"`) {
		t.Errorf("no state at the start:\n%s", a.log())
	}
	cable(false)
	a.expect("went down")
	cable(true)
	a.expect("came up")
	a.expect("no eth7")
	a.never("down for", "would reboot")
	cable(false)
	a.expect("would reboot")
	a.expect(`msg="down for 5000 seen"`)
	a.finish()
	a = b.start(t, rules)
	a.expect(`msg="down for 5000 1"`)
	a.never("would reboot", "went down")
}

// The power has failed before the start: the board shuts down when the grace
// time is over, unless the power is back before.
func TestExamplePowerFail(t *testing.T) {
	const battery = 24
	everywhere(t, func(t *testing.T, b *board) {
		// The simulated chip's pull is the one that is asked for, not what is outside.
		yaml := strings.NewReplacer("for: 2m", "for: 5s", "bias: pull-up, ", "").Replace(example(t, "power-fail.yaml"))
		b.noCalls(t)
		b.pull(t, battery, false)
		a := b.start(t, yaml)
		b.awaitCalls(t, "logger -t ups power failed")
		b.pull(t, battery, true)
		b.awaitCalls(t, "logger -t ups power failed", "logger -t ups power is back")
		b.shell(t, "sleep 5.2")
		b.awaitCalls(t, "logger -t ups power failed", "logger -t ups power is back")
		a.finish()
		b.noCalls(t)
		b.pull(t, battery, false)
		a = b.start(t, yaml)
		b.awaitCalls(t, "logger -t ups power failed", "poweroff")
		if d := a.between("msg=started", "msg=fired rule=shutdown"); d < 4*time.Second {
			t.Errorf("it shut down %v after the start", d)
		}
	})
}

// The light goes off some time after the last movement, not after the first,
// and is on if there is movement at the start.
func TestExampleMotionLight(t *testing.T) {
	const motion, light = 23, 5
	everywhere(t, func(t *testing.T, b *board) {
		b.pull(t, motion, true)
		a := b.start(t, strings.Replace(example(t, "motion-light.yaml"), "5m", "1s", 1))
		b.awaitLine(t, light, true)
		var pulls []lab.Pull
		for range 2 {
			pulls = append(pulls, lab.Pull{After: 800 * time.Millisecond, Offset: motion}, lab.Pull{After: 400 * time.Millisecond, Offset: motion, Up: true})
		}
		b.play(t, pulls, []lab.Pull{{After: 1200 * time.Millisecond, Offset: motion, Up: true}})
		a.never("light off")
		b.pull(t, motion, false)
		a.expect(`msg=fired rule="light off"`)
		b.awaitLine(t, light, false)
	})
}
