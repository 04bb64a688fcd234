// SPDX-License-Identifier: MIT

//go:build lab

package trial

import (
	"fmt"
	"strings"
	"testing"

	"reflexd/lab"
)

const valueRules = `
sensors:
  cpu: {thermal: lab-cpu, every: 200ms}
  supply: {hwmon: rpi_volt, attribute: in0_lcrit_alarm}
  again: {hwmon: rpi_volt, attribute: in0_lcrit_alarm, watch: uevent}
rules:
  - {when: {sensor: cpu, above: 75, hysteresis: 5}, do: {log: "hot ${VALUE} ${UNIT} ${RAW}"}}
  - {when: {sensor: cpu, is: absent}, do: {log: "lost, it was ${PREVIOUS}"}}
  - {when: {sensor: cpu, is: present}, do: {log: "there ${VALUE}"}}
  - {when: {sensor: supply, is: on}, if: {sensor: cpu, above: 10}, do: {log: "weak at ${sensor.cpu}"}}
  - {when: {sensor: supply, is: off, at_start: false}, do: {log: strong}}
  - {when: {sensor: again, is: on}, do: {log: weak by a uevent}}
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
		for range 2 {
			a.expect(`msg="weak (at 76.123|by a uevent)"`)
		}
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

// parameters sets parameters of a module: "present", "0,1".
func (b *board) parameters(t *testing.T, module string) func(name, value string) {
	return func(name, value string) {
		t.Helper()
		b.shell(t, "echo "+value+" > /sys/module/"+module+"/parameters/"+name)
	}
}

// thermometers plugs in a 1-wire bus with two, and returns what sets the parameters of its module.
func (b *board) thermometers(t *testing.T) (set func(name, value string)) {
	t.Helper()
	b.shell(t, "modprobe w1_therm && insmod "+b.module(t, "thermometers"))
	// The kernel looks for them later, in a thread of the bus: one after the other.
	for _, rom := range []string{"28-665544332211", "28-665544332222"} {
		if err := b.AwaitFile(t.Context(), "/sys/bus/w1/devices/"+rom+"/temperature"); err != nil {
			t.Fatal(err)
		}
	}
	return b.parameters(t, "thermometers")
}

// Two thermometers on one wire, each of whose readings takes 750 ms. The kernel's
// driver leaves the folder of one that is pulled off, and its file is then empty.
func TestThermometers(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		set := b.thermometers(t)
		a := b.start(t, `
sensors:
  boiler: {w1: "28-66554433221*", every: 1s}
  room: {w1: 28-665544332222, every: 1s}
rules:
  - {when: {sensor: boiler, is: changed}, do: {log: "boiler ${VALUE} ${UNIT} ${RAW}"}}
  - {when: {sensor: [boiler, room], is: absent}, do: {log: "lost ${SENSOR}, it was ${PREVIOUS}: ${REASON}"}}
  - {when: {sensor: [boiler, room], is: present, at_start: false}, do: {log: "back ${SENSOR} ${VALUE}"}}
  - {when: {sensor: room, is: present}, do: {log: "here ${SENSOR}"}}
  - {when: {signal: SIGUSR1}, do: {log: "room ${sensor.room}"}}
`)
		a.expect(`msg="here room"`)
		b.signal(t, a, "USR1")
		a.expect(`msg="room 25"`)
		set("sixteenths", "-8,400")
		a.expect(`msg="boiler -0.5 °C -500"`)
		set("present", "0,1")
		a.expect(`msg="lost boiler, it was -0.5: read .*/temperature: the file is empty`)
		set("present", "1,1")
		a.expect(`msg="back boiler -0.5"`)
		set("noise", "0,1") // a wrong CRC, whenever it is asked
		a.expect(`msg="lost room, it was 25: `)
		set("noise", "0,0")
		a.expect(`msg="back room 25"`)
		list := b.shell(t, "reflexd sensors")
		if !strings.Contains(list, "-0.5 °C") || !strings.Contains(list, `{w1: "28-665544332211"}`) {
			t.Error(list)
		}
		b.shell(t, "rmmod thermometers")
		a.expect(`msg="lost .*, it was .*: `)
	})
}

// w1_therm gives a reading up when its thread gets a signal, and hands out an empty file. The Go
// runtime sends such signals, to preempt goroutines; SIGHUP reaches any thread.
func TestSignalsLeaveThermometersAlone(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		set := b.thermometers(t)
		for _, program := range programs {
			set("sixteenths", "344,400")
			a := b.startProgram(t, program, `
sensors:
  boiler: {w1: 28-665544332211, every: 100ms}
  room: {w1: 28-665544332222, every: 100ms}
rules:
  - {when: {sensor: room, is: present}, do: {log: "room ${VALUE}"}}
  - {when: {sensor: room, is: changed}, do: {log: "room ${VALUE}"}}
  - {when: {sensor: [boiler, room], is: absent}, do: {log: "lost ${SENSOR}"}}
`)
			b.shell(t, fmt.Sprintf("probe interrupt %d >/dev/null 2>&1 & (while kill -HUP %[1]d; do sleep 0.05; done) >/dev/null 2>&1 &", a.proc.PID))
			a.expect(`msg="room 25"`)
			set("sixteenths", "-8,416")
			a.expect(`msg="room 26"`)
			list := b.shell(t, program+" sensors & probe interrupt $!; wait")
			for _, value := range []string{"-0.5 °C", "26 °C"} {
				if !strings.Contains(list, value) {
					t.Errorf("reflexd sensors: no %s\n%s", value, list)
				}
			}
			a.never(`msg="lost`)
			a.finish()
		}
	})
}

// An analogue converter: what is read is (raw + offset) * scale, as the driver gives them just then.
func TestIIO(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		b.shell(t, "modprobe industrialio && insmod "+b.module(t, "adc"))
		set := b.parameters(t, "adc")
		a := b.start(t, `
sensors:
  pot: {iio: lab-adc, channel: in_voltage0, every: 200ms}
  light: {iio: "lab-*", channel: in_illuminance, every: 200ms}
rules:
  - {when: {sensor: pot, is: changed}, do: {log: "pot ${VALUE} ${UNIT} ${RAW}"}}
  - {when: {sensor: pot, above: 3}, do: {log: "high ${VALUE}"}}
  - {when: {sensor: light, below: 50}, do: {log: "dark ${VALUE} ${UNIT}"}}
  - {when: {sensor: pot, is: absent}, do: {log: "lost ${PREVIOUS}"}}
`)
		set("raw", "1008")
		a.expect(`msg="pot 0.805664062 V 1008"`)
		set("scale", "402832031")
		a.expect(`msg="pot 0.402832031 V 1008"`)
		set("lux", "12")
		a.expect(`msg="dark 12 lx"`)
		set("scale", "805664062")
		set("raw", "4095")
		a.expect(`msg="high 3.2927`)
		set("raw", "-1")
		a.expect(`msg="lost 3.2927`)
		b.shell(t, "rmmod adc")
	})
}

// Batteries and supplies announce what they have by uevents, and need no polling.
func TestPowerSupplies(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		b.shell(t, "modprobe test_power")
		t.Cleanup(func() { b.shell(t, "rmmod test_power 2>/dev/null || true") })
		set := b.parameters(t, "test_power")
		a := b.start(t, `
sensors:
  mains: {power_supply: test_ac, attribute: online, watch: uevent}
  charge: {power_supply: "test_bat*", attribute: capacity, watch: uevent}
  state: {power_supply: test_battery, attribute: status, every: 1h}
rules:
  - {when: {sensor: mains, is: off}, do: {log: "on battery at ${sensor.charge} %"}}
  - {when: {sensor: mains, is: on, at_start: false}, do: {log: "on mains"}}
  - {when: {sensor: charge, below: 20, hysteresis: 5}, do: {log: "low ${VALUE} ${UNIT} ${CHANGE}"}}
  - {when: {sensor: state, is: changed}, do: {log: "state ${PREVIOUS} -> ${VALUE}"}}
  - {when: {sensor: charge, is: absent}, do: {log: "gone ${PREVIOUS}"}}
`)
		set("ac_online", "off")
		a.expect(`msg="on battery at 50 %"`)
		set("battery_status", "charging")
		a.expect(`msg="state Discharging -> Charging"`)
		set("battery_capacity", "17")
		a.expect(`msg="low 17 % -33"`)
		set("battery_capacity", "22")
		set("battery_capacity", "19") // it was not back at 25
		set("ac_online", "on")
		a.expect(`msg="on mains"`)
		if status := a.verb("status"); !strings.Contains(status, "test_ac online, announced by uevents, 1") {
			t.Error(status)
		}
		b.shell(t, "rmmod test_power")
		a.expect(`msg="gone 19"`)
		if n := count(a.log(), `msg="low`); n != 1 {
			t.Errorf("low %d times", n)
		}
	})
}

// Chips of the same name are told apart by their devices; alarms of a chip whose interrupt is not wired are polled.
func TestHwmonAlarm(t *testing.T) {
	b := on(t, lab.Virt)
	b.shell(t, "modprobe i2c-dev && modprobe lm90 && modprobe i2c-stub chip_addr=0x4c,0x4d && for a in 0x4c 0x4d; do echo adm1032 $a > /sys/bus/i2c/devices/i2c-0/new_device; done")
	t.Cleanup(func() { b.shell(t, "rmmod i2c-stub lm90") })
	register := func(chip, number, value string) { b.shell(t, "i2cset -y -f 0 "+chip+" "+number+" "+value+" b") }
	register("0x4d", "0", "0x2d")
	a := b.start(t, `
sensors:
  any: {hwmon: adm1032, attribute: temp1_input}
  case: {hwmon: adm1032, attribute: temp1_input, device: 0-004d, every: 200ms}
  hot: {hwmon: adm1032, attribute: temp1_max_alarm, device: 0-004d, every: 200ms}
rules:
  - {when: {sensor: any, is: absent}, do: {log: "any: ${REASON}"}}
  - {when: {sensor: hot, is: on}, do: {log: "alarm at ${sensor.case}"}}
`)
	a.expect(`msg="any: 2 hwmon devices match adm1032, .*: add .device: 0-004c`)
	register("0x4d", "0", "0x50")
	register("0x4d", "2", "0x40")
	a.expect(`msg="alarm at [48]`)
	list := b.shell(t, "reflexd sensors")
	if !strings.Contains(list, "{hwmon: adm1032, attribute: temp1_max_alarm, device: \"0-004d\"}") {
		t.Error(list)
	}
}
