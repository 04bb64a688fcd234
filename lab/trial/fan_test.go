// SPDX-License-Identifier: MIT

//go:build lab

package trial

import (
	"strings"
	"testing"

	"reflexd/lab"
)

const fanRules = `
sensors:
  cpu: {thermal: lab-cpu, every: 200ms}
pwm:
  fan: {chip: "lab-values*", frequency: 25kHz, initial: 40%, polarity: inversed, on_exit: 100%}
  lamp: {chip: "lab-values*", channel: 1}
rules:
  - when: [{sensor: cpu, is: changed, by: 1}, {sensor: cpu, is: present}]
    do: {set: {pwm: fan, map: {from: [40, 80], to: [20%, 100%]}}}
  - {when: {signal: SIGUSR1}, do: {fade: {pwm: lamp, to: 50%, over: 300ms}}}
`

// A fan follows the temperature on a board that starts hot; its chip is there at the
// start, or comes later. The fan is left at full speed.
func TestFan(t *testing.T) {
	b := on(t, lab.Virt)
	module := b.module(t, "values")
	const chip = "/sys/class/pwm/$(basename $(dirname $(ls -d /sys/devices/platform/lab-values*/pwm/pwmchip*/npwm)))/"
	is := func(channel, want string) {
		t.Helper()
		out, err := b.Shell(t.Context(), `i=0; while [ $i -lt 100 ]; do
	have="$(cat `+chip+channel+`/period `+chip+channel+`/duty_cycle `+chip+channel+`/enable `+chip+channel+`/polarity | xargs)"
	[ "$have" = "`+want+`" ] && exit 0; sleep 0.1; i=$((i+1)); done; echo "$have"; exit 1`)
		if err != nil {
			t.Fatalf("%s is %s, want %s", channel, strings.TrimSpace(out), want)
		}
	}
	for _, start := range []struct {
		program string
		late    bool // the chip
	}{{"/usr/bin/reflexd", true}, {"/usr/bin/reflexd6", true}, {"/usr/bin/reflexd", false}} {
		if !start.late {
			b.shell(t, "insmod "+module+" temp=70000")
		}
		a := b.startProgram(t, start.program, fanRules)
		if start.late {
			a.expect("cannot set pwm output.*pwm=fan.*no PWM chip")
			b.shell(t, "insmod "+module+" temp=70000")
		}
		is("pwm0", "40000 32000 1 inversed") // 80%
		b.shell(t, "echo 40000 > /sys/module/values/parameters/temp")
		is("pwm0", "40000 8000 1 inversed")
		b.signal(t, a, "USR1")
		is("pwm1", "1000000 500000 1 normal")
		a.finish()
		is("pwm0", "40000 40000 1 inversed")
		is("pwm1", "1000000 500000 1 normal")                                               // on_exit: keep
		b.shell(t, "cd "+chip+" && echo 0 > unexport && echo 1 > unexport && rmmod values") // exported channels keep the module
	}
}

// A pin leads to the chip and channel that the board's table has for it.
func TestPWMOfAPin(t *testing.T) {
	b := on(t, lab.Virt)
	const rules = `
board: rpi-4b
pwm: {fan: {pwm: pin 33, frequency: 25kHz, initial: 30%}}
rules: [{when: {signal: SIGUSR1}, do: {set: {pwm: fan, to: 60%}}}]
`
	b.shell(t, "insmod "+b.module(t, "values")+" name=fe20c000.pwm")
	a := b.start(t, rules)
	b.signal(t, a, "USR1")
	const channel = "/sys/devices/platform/fe20c000.pwm/pwm/pwmchip*/pwm1/"
	if _, err := b.AwaitMatch(t.Context(), strings.TrimSpace(b.shell(t, "echo "+channel))+"/duty_cycle", "^24000\n"); err != nil {
		t.Fatal(err)
	}
	if st := a.verb("status"); !strings.Contains(st, "pin 33, fe20c000.pwm channel 1, 40µs, 60%") {
		t.Error(st)
	}
	a.configure(strings.Replace(rules, "pin 33", "pin 31", 1))
	if out := b.shell(t, "reflexd check -c "+a.file()+" 2>&1; true"); !strings.Contains(out, "pin 31 has no PWM: on the Raspberry Pi 4 Model B, pin 12 (GPIO18), pin 32 (GPIO12)") {
		t.Error(out)
	}
	a.configure(strings.Replace(rules, "board: rpi-4b", "", 1))
	a.verb("reload")
	a.expect("cannot set pwm output.*pin 33: this board is not in the board tables: use .chip. and .channel., or set .board:")
	a.finish()
	b.shell(t, "cd /sys/devices/platform/fe20c000.pwm/pwm/pwmchip*/ && echo 1 > unexport")
}

const lampRules = `
rules:
  - {name: up, when: {signal: SIGRTMIN+1}, do: {fade: {led: "lab:white", to: 60%, over: 2s}}}
  - {name: down, when: {signal: SIGRTMIN+2}, do: {fade: {led: "lab:white", to: off, over: 2s}}}
  - {name: full, when: {signal: SIGRTMIN+3}, do: {set: {led: "lab:white", to: on}}}
  - {name: slow, when: {signal: SIGRTMIN+4}, do: {fade: {led: "lab:white", to: on, over: 20s}}}
  - {name: blink, when: {signal: SIGRTMIN+5}, do: {blink: {led: "lab:white", every: 100ms, times: 2}}}
`

// An LED fades with the kernel's trigger for patterns, where it is there, and without;
// what comes in between finds it where it is, and it is not dark in between.
func TestFadeOfAnLED(t *testing.T) {
	b := on(t, lab.Virt)
	b.shell(t, "insmod "+b.module(t, "values"))
	const led = "/sys/class/leds/lab:white/"
	is := func(want string) {
		t.Helper()
		if _, err := b.AwaitMatch(t.Context(), led+"brightness", "^"+want+"\n"); err != nil {
			t.Fatal(err)
		}
	}
	for _, kernel := range []bool{false, true} {
		if kernel {
			b.shell(t, "modprobe ledtrig-pattern")
			t.Cleanup(func() { b.shell(t, "rmmod values 2>/dev/null; rmmod ledtrig-pattern") })
		}
		a := b.start(t, lampRules)
		a.signal(real(1))
		is("72") // 60% as light is 28% as bright
		if status := a.verb("status"); strings.Contains(status, "fades") {
			t.Error(status)
		}
		a.signal(real(4))
		is("1..")
		if status := a.verb("status"); !strings.Contains(status, "fades to 100% over 20s") || strings.Contains(status, "by the kernel") != kernel {
			t.Error(status)
		}
		woken := wakeups(t, a)
		is("2..")
		woken = wakeups(t, a) - woken
		t.Logf("kernel %v: %d wake-ups of the agent from brightness 100 to 200", kernel, woken)
		if kernel && woken > 10 || !kernel && woken < 20 {
			t.Errorf("kernel %v: %d wake-ups", kernel, woken)
		}
		a.signal(real(2)) // begins where the other one is
		is("0")
		a.signal(real(1))
		is("[1-9].")
		a.signal(real(3))
		is("255")
		dark := b.shell(t, "cat /sys/module/values/parameters/dark")
		a.signal(real(1))
		is("72")
		a.signal(real(4))
		a.expect("fired rule=slow")
		a.finish() // which is the end of the fade
		is("255")
		if after := b.shell(t, "cat /sys/module/values/parameters/dark"); after != dark {
			t.Errorf("kernel %v: it was off %s times before, %s after", kernel, dark, after)
		}
		b.shell(t, "echo 0 > "+led+"brightness")
	}
}
