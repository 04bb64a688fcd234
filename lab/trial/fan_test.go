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

// A fan follows the temperature on a board that starts hot; its chip comes later, and
// the fan is left at full speed.
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
	for _, program := range []string{"/usr/bin/reflexd", "/usr/bin/reflexd6"} {
		a := b.startProgram(t, program, fanRules)
		a.expect("cannot set pwm output.*pwm=fan.*no PWM chip")
		b.shell(t, "insmod "+module+" temp=70000")
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
