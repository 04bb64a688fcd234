// SPDX-License-Identifier: MIT

//go:build lab

package trial

import (
	"strings"
	"testing"

	"reflexd/lab"
)

const valueRules = `
sensors:
  cpu: {thermal: lab-cpu, every: 200ms}
  supply: {hwmon: rpi_volt, attribute: in0_lcrit_alarm}
rules:
  - {when: {sensor: cpu, above: 75, hysteresis: 5}, do: {log: "hot ${VALUE} ${UNIT} ${RAW}"}}
  - {when: {sensor: cpu, is: absent}, do: {log: "lost, it was ${PREVIOUS}"}}
  - {when: {sensor: cpu, is: present}, do: {log: "there ${VALUE}"}}
  - {when: {sensor: supply, is: on}, if: {sensor: cpu, above: 10}, do: {log: "weak at ${sensor.cpu}"}}
  - {when: {sensor: supply, is: off, at_start: false}, do: {log: strong}}
`

// A temperature is polled and an alarm announced; the driver comes later, starts
// hot, fails, and goes.
func TestSensors(t *testing.T) {
	b := on(t, lab.Virt)
	module := b.module(t, "values")
	set := func(parameter, value string) {
		b.shell(t, "echo "+value+" > /sys/module/values/parameters/"+parameter)
	}
	for _, program := range []string{"/usr/bin/reflexd", "/usr/bin/reflexd6"} {
		a := b.startProgram(t, program, valueRules)
		a.expect("sensor does not exist yet.*sensor=cpu")
		b.shell(t, "insmod "+module+" temp=76123")
		a.expect(`msg="hot 76.123 °C 76123"`)
		set("alarm", "1")
		a.expect(`msg="weak at 76.123"`)
		set("alarm", "0")
		a.expect(`msg=strong`)
		set("temp", "71000")
		set("temp", "-1")
		a.expect(`msg="cannot read sensor".*input/output error`)
		a.expect(`msg="lost, it was 7`)
		set("temp", "77000") // it was never back at 70
		a.expect(`msg="there 77"`)
		if st := a.verb("status"); !strings.Contains(st, "rpi_volt in0_lcrit_alarm, announced, 0") || !strings.Contains(st, "read every 200ms, 77 °C") {
			t.Errorf("status:\n%s", st)
		}
		list, err := b.Output(t.Context(), program, "sensors")
		if err != nil || !strings.Contains(list, "{thermal: lab-cpu}") || !strings.Contains(list, "{hwmon: rpi_volt, attribute: in0_lcrit_alarm}") {
			t.Errorf("%v\n%s", err, list)
		}
		b.shell(t, "rmmod values")
		a.expect(`msg="lost, it was 77`)
		if n := count(a.log(), `msg="hot`); n != 1 {
			t.Errorf("hot %d times", n)
		}
		a.finish()
	}
}
