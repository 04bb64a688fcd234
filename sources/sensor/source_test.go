// SPDX-License-Identifier: MIT

package sensor

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/agent/loop/looptest"
	"reflexd/config"
	"reflexd/sources"
	"reflexd/sources/plantest"
)

// Each kind of sensor is found by its name, and its value is in the unit that the
// kernel documents.
func TestKinds(t *testing.T) {
	r := newRig(t)
	r.file("class/thermal/thermal_zone0/type", "gpu-thermal\n").file("class/thermal/thermal_zone0/temp", "1\n")
	r.file("class/thermal/thermal_zone1/type", "cpu-thermal\n").file("class/thermal/thermal_zone1/temp", "45123\n")
	r.file("class/thermal/cooling_device0/type", "cpu-thermal\n")
	r.file("class/hwmon/hwmon3/name", "rpi_volt\n").file("class/hwmon/hwmon3/in0_lcrit_alarm", "0\n")
	r.file("class/hwmon/hwmon4/name", "coretemp\n").file("class/hwmon/hwmon4/temp2_label", "Core 0\n").file("class/hwmon/hwmon4/temp2_input", "-1500\n")
	r.file("class/hwmon/hwmon4/fan1_input", "1200\n").file("class/hwmon/hwmon4/in1_input", "5012\n")
	r.file("bus/iio/devices/iio:device0/name", "adc\n").file("bus/iio/devices/iio:device0/in_voltage0_raw", "73\n").
		file("bus/iio/devices/iio:device0/in_voltage0_offset", "7\n").file("bus/iio/devices/iio:device0/in_voltage_scale", "0.001333\n")
	r.file("bus/iio/devices/iio:device1/name", "bh1750\n").file("bus/iio/devices/iio:device1/in_illuminance_raw", "10\n").
		file("bus/iio/devices/iio:device1/in_illuminance_scale", "1.2\n")
	r.file("bus/w1/devices/28-0316a2795afe/temperature", "21500\n")
	r.file("bus/w1/devices/10-000000000001/w1_slave", "59 01 4b 46 7f ff 07 10 a1 : crc=a1 YES\n59 01 4b 46 7f ff 07 10 a1 t=-62\n")
	r.file("class/power_supply/BAT0/capacity", "87\n").file("class/power_supply/BAT0/status", "Not charging\n").
		file("class/power_supply/BAT0/voltage_now", "11950000\n").file("class/power_supply/BAT0/temp", "312\n")
	r.file("any", "12 apples\n")
	r.declare(`
a_cpu: {thermal: cpu-thermal}
b_supply: {hwmon: rpi_volt, attribute: in0_lcrit_alarm, watch: poll}
c_core: {hwmon: "core*", label: Core 0}
d_fan: {hwmon: coretemp, attribute: fan1_input}
e_volt: {hwmon: coretemp, attribute: in1_input}
f_adc: {iio: adc, channel: in_voltage0}
g_light: {iio: bh1750, channel: in_illuminance}
h_boiler: {w1: "28-0316*"}
i_old: {w1: 10-000000000001}
j_bat: {power_supply: "BAT*", attribute: capacity}
k_status: {power_supply: BAT0, attribute: status}
l_now: {power_supply: BAT0, attribute: voltage_now}
m_temp: {power_supply: BAT0, attribute: temp}
n_any: {path: ` + r.sys + `/any, scale: 0.5, unit: pieces}
o_scaled: {iio: adc, channel: in_voltage0, scale: 2, unit: counts}`)
	want := []string{
		"a_cpu changed VALUE=45.123 UNIT=°C RAW=45123",
		"b_supply changed VALUE=0 RAW=0",
		"c_core changed VALUE=-1.5 UNIT=°C RAW=-1500",
		"d_fan changed VALUE=1200 UNIT=RPM RAW=1200",
		"e_volt changed VALUE=5.012 UNIT=V RAW=5012",
		"f_adc changed VALUE=0.00010664 UNIT=V RAW=73",
		"g_light changed VALUE=12 UNIT=lx RAW=10",
		"j_bat changed VALUE=87 UNIT=% RAW=87",
		"k_status changed VALUE=Not charging RAW=Not charging",
		"l_now changed VALUE=11.95 UNIT=V RAW=11950000",
		"m_temp changed VALUE=31.2 UNIT=°C RAW=312",
		"n_any changed VALUE=6 UNIT=pieces RAW=12",
		"o_scaled changed VALUE=146 UNIT=counts RAW=73",
		"h_boiler changed VALUE=21.5 UNIT=°C RAW=21500", // 1-wire by itself
		"i_old changed VALUE=-0.062 UNIT=°C RAW=-62",
	}
	for i := range want {
		want[i] = "found " + want[i]
	}
	r.expect(want...)
}

// Units of attributes that look like others.
func TestUnits(t *testing.T) {
	for _, c := range []struct{ kind, attribute, want string }{
		{hwmon, "in0_min", "0.001 V"}, {hwmon, "in0_lcrit_alarm", "1 "}, {hwmon, "intrusion0_alarm", "1 "}, {hwmon, "power1_average", "0.000001 W"},
		{hwmon, "power1_average_interval", "1 "}, {hwmon, "temp1_offset", "0.001 °C"}, {hwmon, "pwm1", "1 "},
		{iio, "in_voltage0-voltage1_raw", "0.001 V"}, {iio, "in_phase0_raw", "1 rad"}, {iio, "in_ph_raw", "1 pH"}, {iio, "in_angl_raw", "1 rad"},
		{iio, "in_massconcentration_pm2p5_input", "1 µg/m³"}, {iio, "in_uvindex_input", "1 "}, {iio, "in_humidityrelative_input", "0.001 %"},
		{powerSupply, "charge_now", "0.000001 Ah"}, {powerSupply, "charge_control_limit_max", "0.000001 A"},
		{powerSupply, "charge_control_end_threshold", "1 %"}, {powerSupply, "charge_type", "1 "}, {powerSupply, "capacity_level", "1 "},
		{powerSupply, "temp_alert_max", "0.1 °C"}, {powerSupply, "input_current_limit", "0.000001 A"}, {powerSupply, "online", "1 "},
	} {
		u := unitOf(c.kind, c.attribute)
		if got := u.scale.String() + " " + u.name; got != c.want {
			t.Errorf("%s %s is in %q, want %q", c.kind, c.attribute, got, c.want)
		}
	}
}

// The unit is known before the sensor is found, but for one that is found by its label.
func TestUnitsBeforehand(t *testing.T) {
	r := newRig(t)
	r.apply(`
a: {thermal: cpu-thermal}
b: {w1: "28-*"}
c: {hwmon: x, attribute: fan1_input}
d: {hwmon: x, label: Core 0}
e: {iio: x, channel: in_illuminance}
f: {path: /x, unit: m}`)
	for name, want := range map[string]string{"a": "°C", "b": "°C", "c": "RPM", "d": "", "e": "lx", "f": "m"} {
		if got := r.plan.Unit(name); got != want {
			t.Errorf("%s is in %q, want %q", name, got, want)
		}
	}
}

// Where a channel of iio has its scale.
func TestShared(t *testing.T) {
	for channel, want := range map[string]string{
		"in_voltage0": "in_voltage0_scale in_voltage_scale in_voltage_scale", "in_accel_x": "in_accel_x_scale in_accel_x_scale in_accel_scale",
		"in_voltage0-voltage1": "in_voltage0-voltage1_scale in_voltage-voltage_scale in_voltage-voltage_scale",
		"in_voltage3_supply":   "in_voltage3_supply_scale in_voltage_supply_scale in_voltage_scale",
	} {
		if got := strings.Join(shared("", channel, "_scale"), " "); got != want {
			t.Errorf("%s: %s, want %s", channel, got, want)
		}
	}
}

// The list has what changes, and tells devices of one name apart.
func TestList(t *testing.T) {
	r := newRig(t)
	for _, n := range []string{"0", "1"} {
		r.file("class/hwmon/hwmon"+n+"/name", "ina").file("class/hwmon/hwmon"+n+"/power1_average", "2500000").file("class/hwmon/hwmon"+n+"/update_interval", "1")
		if err := os.Symlink("../../../i2c-1/1-004"+n, filepath.Join(r.sys, "class/hwmon/hwmon"+n+"/device")); err != nil {
			t.Fatal(err)
		}
	}
	r.file("class/hwmon/hwmon2/name", "w1_slave_temp").file("class/hwmon/hwmon2/temp1_input", "21500").file("bus/w1/devices/28-1/id", "x")
	for link, to := range map[string]string{"class/hwmon/hwmon2/device": "../../../bus/w1/devices/28-1", "bus/w1/devices/28-1/subsystem": "../../../w1"} {
		if err := os.Symlink(to, filepath.Join(r.sys, link)); err != nil {
			t.Fatal(err)
		}
	}
	r.file("bus/iio/devices/iio:device0/name", "adc").file("bus/iio/devices/iio:device0/in_voltage0_raw", "7").file("bus/iio/devices/iio:device0/in_voltage0_scale", "0.5").
		file("bus/iio/devices/iio:device0/in_voltage0_sampling_frequency", "100")
	r.file("class/power_supply/BAT0/status", "Full").file("class/power_supply/BAT0/charge_now", "1500000").file("class/power_supply/BAT0/model_name", "x")
	r.file("bus/w1/devices/28-1/temperature", "").file("bus/w1/devices/w1_bus_master1/w1_master_name", "x")
	var got []string
	for _, l := range List(r.sys) {
		got = append(got, strings.ReplaceAll(strings.Join([]string{l.Name, l.Declaration, l.Value, l.Unit, l.Error}, "|"), r.sys, ""))
	}
	want := []string{
		`ina-power1_average|{hwmon: ina, attribute: power1_average, device: "1-0040"}|2.5|W|`,
		`ina-power1_average-2|{hwmon: ina, attribute: power1_average, device: "1-0041"}|2.5|W|`,
		`adc-in_voltage0|{iio: adc, channel: in_voltage0}|0.0035|V|`,
		`28-1|{w1: "28-1"}|||read /bus/w1/devices/28-1/temperature: the file is empty: the sensor does not answer, or not without errors`,
		`BAT0-charge_now|{power_supply: BAT0, attribute: charge_now}|1.5|Ah|`,
		`BAT0-status|{power_supply: BAT0, attribute: status}|Full||`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("listed\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A sensor that cannot be read is absent, and never a value.
func TestAbsent(t *testing.T) {
	const good = "59 01 4b 46 7f ff 07 10 a1 : crc=a1 YES\n59 01 4b 46 7f ff 07 10 a1 t=21562\n"
	r := newRig(t)
	r.declare("b: {w1: 28-1, every: 1s}")
	r.expect("found b absent REASON=no w1 device is called 28-1")
	r.file("bus/w1/devices/28-1/w1_slave", good).pass(time.Second)
	r.expect("b changed VALUE=21.562 UNIT=°C RAW=21562")
	path := filepath.Join(r.sys, "bus/w1/devices/28-1/w1_slave")
	for text, reason := range map[string]string{
		"ff ff : crc=00 NO\nff ff t=127937\n": "the CRC is wrong: check the wires and the pull-up resistor",
		"":                                    "the file is empty: the sensor does not answer, or not without errors",
		"x YES\nno such thing\n":              `no temperature in "no such thing\n"`,
		"x YES\nt=hot\n":                      `expected a number, found "hot"`,
	} {
		r.file("bus/w1/devices/28-1/w1_slave", text).pass(time.Second)
		r.expect("b absent PREVIOUS=21.562 REASON=read " + path + ": " + reason)
		r.pass(5 * time.Second)
		r.expect()
		r.file("bus/w1/devices/28-1/w1_slave", good).pass(time.Second)
		r.expect("b changed VALUE=21.562 UNIT=°C RAW=21562")
	}
	if n := strings.Count(r.log.String(), "cannot read sensor"); n != 4 {
		t.Errorf("%d warnings:\n%s", n, r.log.String())
	}
}

// A driver that has nothing to say yet (EAGAIN), as a FIFO does that somebody holds
// open, is no reason to wait: the sensor is absent, and the others are read.
func TestNothingYet(t *testing.T) {
	r := newRig(t).file("temp", "20\n")
	if err := unix.Mkfifo(filepath.Join(r.sys, "slow"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(r.sys, "slow"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r.declare("a: {path: " + r.sys + "/slow}\nb: {path: " + r.sys + "/temp}")
	r.expect("found a absent REASON=read "+r.sys+"/slow: resource temporarily unavailable", "found b changed VALUE=20 RAW=20")
	if _, err := f.WriteString("7\n"); err != nil {
		t.Fatal(err)
	}
	r.pass(10 * time.Second)
	r.expect("a changed VALUE=7 RAW=7")
}

// All sensors of one period have one timer; one that nobody asks for has none.
func TestOneTimer(t *testing.T) {
	r := newRig(t)
	for _, name := range []string{"a", "b", "c", "d"} {
		r.file(name, "1")
	}
	declared := strings.ReplaceAll("a: {path: /a, every: 2s}\nb: {path: /b, every: 2s}\nc: {path: /c, every: 3s}\nd: {path: /d, every: 1s}", ": /", ": "+r.sys+"/")
	r.apply(declared, "{sensor: [a, b, c], is: changed}")
	r.expect("found a changed VALUE=1 RAW=1", "found b changed VALUE=1 RAW=1", "found c changed VALUE=1 RAW=1")
	if len(r.source.timers) != 2 {
		t.Errorf("%d timers", len(r.source.timers))
	}
	r.file("a", "2").file("c", "2").file("d", "2").pass(6 * time.Second)
	r.expect("a changed VALUE=2 PREVIOUS=1 RAW=2 CHANGE=1", "c changed VALUE=2 PREVIOUS=1 RAW=2 CHANGE=1")
	r.apply(declared, "{sensor: a, is: changed}")
	r.expect("vanishes b ", "vanishes c ")
	r.apply(declared)
	if _, due := r.loop.Due(); due || len(r.source.timers) > 0 {
		t.Error("something wakes up for sensors that no rule asks for")
	}
}

// Uevents bring what was waited for, announce values and say what is gone.
func TestUevents(t *testing.T) {
	r := newRig(t)
	r.declare("bat: {power_supply: BAT0, attribute: capacity, every: 10m}")
	r.expect("found bat absent REASON=no power_supply device is called BAT0")
	uevent := func(action string) {
		r.source.Notify(&sources.Event{Topic: sources.Topic{Kind: "uevent", Name: "power_supply", State: action},
			Fields: []sources.Field{{Name: "DEVPATH", Value: sources.Text("/class/power_supply/BAT0")}}})
		r.pass(0)
	}
	r.file("class/power_supply/BAT0/capacity", "50")
	uevent("add")
	r.expect("bat changed VALUE=50 UNIT=% RAW=50")
	r.file("class/power_supply/BAT0/capacity", "49")
	uevent("change")
	r.expect("bat changed VALUE=49 UNIT=% PREVIOUS=50 RAW=49 CHANGE=-1")
	r.remove("class/power_supply/BAT0")
	uevent("remove")
	if len(r.events) != 1 || !strings.HasPrefix(r.events[0], "bat absent PREVIOUS=49") {
		t.Error(r.events)
	}
}

// What is announced by uevents alone is not polled.
func TestWatchUevent(t *testing.T) {
	r := newRig(t)
	r.file("class/power_supply/AC/online", "1")
	r.declare("mains: {power_supply: AC, attribute: online, watch: uevent}")
	r.expect("found mains changed VALUE=1 RAW=1")
	r.file("class/power_supply/AC/online", "0").pass(time.Hour)
	r.expect()
	r.source.Notify(&sources.Event{Topic: sources.Topic{Kind: "uevent", Name: "power_supply", State: "change"},
		Fields: []sources.Field{{Name: "DEVPATH", Value: sources.Text("/class/power_supply/AC")}}})
	r.pass(0)
	r.expect("mains changed VALUE=0 PREVIOUS=1 RAW=0 CHANGE=-1")
}

// What is announced while a sensor is read for the first time is not missed: its
// device, and a change of its value.
func TestAnnouncedMeanwhile(t *testing.T) {
	for action, before := range map[string]string{"add": "", "change": "0"} {
		r := newRig(t)
		late := &looptest.Late{Loop: r.loop}
		r.source.host.Loop = late
		if before != "" {
			r.file("class/power_supply/AC/online", before)
		}
		r.declare("mains: {power_supply: AC, attribute: online, watch: uevent}")
		r.file("class/power_supply/AC/online", "1")
		r.source.Notify(&sources.Event{Topic: sources.Topic{Kind: "uevent", Name: "power_supply", State: action},
			Fields: []sources.Field{{Name: "DEVPATH", Value: sources.Text("/class/power_supply/AC")}}})
		late.End()
		if v, err := r.source.Value("mains"); v != "1" {
			t.Errorf("%s: %q, %v", action, v, err)
		}
	}
}

// A sensor that is not polled is read again if it could not be read: nothing
// announces that it can. So is one that could not be looked for.
func TestAnnouncedCannotBeRead(t *testing.T) {
	r := newRig(t).file("class/power_supply/AC/online", "").file("class/hwmon", "")
	r.declare("mains: {power_supply: AC, attribute: online, watch: uevent}\nsupply: {hwmon: rpi_volt, attribute: in0_lcrit_alarm, watch: uevent}")
	r.events = nil
	r.file("class/power_supply/AC/online", "1").remove("class/hwmon")
	r.file("class/hwmon/hwmon3/name", "rpi_volt\n").file("class/hwmon/hwmon3/in0_lcrit_alarm", "0\n").pass(10 * time.Second)
	r.expect("mains changed VALUE=1 RAW=1", "supply changed VALUE=0 RAW=0")
	if _, due := r.loop.Due(); due {
		t.Error("they are polled")
	}
}

// In a simulation no uevent and no loss has the sensors of this machine read.
func TestSimulatedReadsNothing(t *testing.T) {
	r := newRig(t).file("class/power_supply/AC/online", "0")
	r.source.host.Simulated = true
	r.declare("mains: {power_supply: AC, attribute: online}")
	for _, value := range []string{"1", Absent} {
		if err := r.source.SimulateSensor("mains", value, false); err != nil {
			t.Fatal(err)
		}
		r.events = nil
		for _, topic := range []sources.Topic{{Kind: "loss", Name: "uevent", State: "lost"}, {Kind: "uevent", Name: "power_supply", State: "add"}} {
			r.source.Notify(&sources.Event{Topic: topic})
		}
		r.pass(time.Minute).expect()
	}
}

// A name that means several devices is refused, with what tells them apart.
func TestAmbiguous(t *testing.T) {
	r := newRig(t)
	for _, n := range []string{"hwmon0", "hwmon1"} {
		r.file("class/hwmon/"+n+"/name", "lm75").file("class/hwmon/"+n+"/temp1_input", "1000")
	}
	r.declare("t: {hwmon: lm75, attribute: temp1_input}")
	r.expect("found t absent REASON=2 hwmon devices match lm75, hwmon0 and hwmon1 among them: add `device: `")
}

func TestFilters(t *testing.T) {
	for filter, want := range map[string]string{"median 3": "10 89 11 11 11 12", "mean 2": "10 49.5 50 11 11.5 12", "mean 3": "10 49.5 36.666 37 11.333 11.666"} {
		f, err := parseFilter(filter)
		if err != nil {
			t.Fatal(err)
		}
		var w window
		var got []string
		for _, n := range []int64{10, 89, 11, 11, 12, 12} {
			got = append(got, w.add(f, numeric(sources.Integer(n))).text)
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%s: %s, want %s", filter, s, want)
		}
	}
}

// Crossings, steps and states fire once, also if the sensor is away in between.
func TestTriggers(t *testing.T) {
	r := newRig(t)
	r.file("v", "70")
	r.apply("v: {path: "+r.sys+"/v, every: 1s}",
		"{sensor: v, above: 75, hysteresis: 5}", "{sensor: v, above: 75}", "{sensor: v, is: changed, by: 3}",
		"{sensor: v, is: on}", "{sensor: v, is: 'off'}", "{sensor: v, is: present}", "{sensor: v, is: absent}", "{sensor: v, is: changed}")
	for _, step := range []struct{ text, want string }{
		{"72", "7 72"}, {"73", "2 73,7 73"}, {"76", "0 76,1 76,2 76,7 76"}, {"74", "7 74"}, {"77", "1 77,7 77"},
		{"", "6 "}, {"78", "3 78,5 78,7 78"}, {"", "6 "}, {"78", "3 78,5 78"},
		{"70", "2 70,7 70"}, {"76", "0 76,1 76,2 76,7 76"}, {"0", "2 0,4 0,7 0"}, {"1", "3 1,7 1"},
	} {
		r.file("v", step.text).pass(time.Second)
		if got := strings.Join(r.fired, ","); got != step.want {
			t.Errorf("at %q fired %q, want %q", step.text, got, step.want)
		}
		r.fired = nil
	}
}

// What a trigger remembers goes on over a reload that asks for the same.
func TestMemoryOverReload(t *testing.T) {
	r := newRig(t)
	r.file("v", "76")
	declared := "v: {path: " + r.sys + "/v, every: 1s}"
	triggers := []string{"{sensor: v, above: 75, hysteresis: 5}", "{sensor: v, is: changed, by: 10}"}
	r.apply(declared, triggers...)
	r.file("v", "77").pass(time.Second)
	r.file("v", "72").pass(time.Second)
	r.apply(declared, triggers...)
	r.file("v", "78").pass(time.Second)
	r.expectFired()
	r.file("v", "86").pass(time.Second)
	r.expectFired("1 86")
}

// One that waits for the state to last has a memory of its own, wherever it stands.
func TestMemoryOfOneThatLasts(t *testing.T) {
	at, lasts := "{sensor: v, above: 75, hysteresis: 5}", "{sensor: v, above: 75, hysteresis: 5, for: 10m}"
	for _, triggers := range [][]string{{at, lasts}, {lasts, at}} {
		r := newRig(t)
		r.file("v", "76")
		declared := "v: {path: " + r.sys + "/v, every: 1s}"
		r.apply(declared, triggers...)
		r.file("v", "77").pass(time.Second)
		r.file("v", "72").pass(time.Second)
		r.apply(declared, triggers...)
		r.file("v", "78").pass(time.Second)
		r.expectFired()
	}
}

// Two triggers that ask for the same of different sensors each remember their own.
func TestMemoryOfTwoOverReload(t *testing.T) {
	r := newRig(t)
	r.file("v", "20").file("w", "76")
	declared := strings.ReplaceAll("v: {path: /v, every: 1s}\nw: {path: /w, every: 1s}", ": /", ": "+r.sys+"/")
	triggers := []string{"{sensor: v, above: 75, hysteresis: 5}", "{sensor: w, above: 75, hysteresis: 5}"}
	r.apply(declared, triggers...)
	r.file("w", "72").pass(time.Second)
	r.apply(declared, triggers...)
	r.file("w", "78").pass(time.Second)
	r.expectFired()
}

func TestConditions(t *testing.T) {
	r := newRig(t)
	r.file("v", "70")
	r.plan = &Plan{}
	plantest.Read(r.plan.Sections()[0].Value, "v: {path: "+r.sys+"/v, every: 1s}", r.plan.Resolve)
	var asks []func() sources.Truth
	for _, text := range []string{"{sensor: v, above: 50}", "{sensor: v, below: 50}", "{sensor: v, is: on}", "{sensor: v, is: absent}", "{sensor: v, is: present}"} {
		fields, compile := r.plan.Conditions()[0].New()
		if ps := plantest.Read(config.Object(fields...), text, func(ps *config.Problems) { asks = append(asks, compile(ps).Ask) }); ps.Failed() {
			t.Fatal(ps)
		}
	}
	check := func(want ...sources.Truth) {
		t.Helper()
		for i, ask := range asks {
			if got := ask(); got != want[i] {
				t.Errorf("condition %d is %v, want %v", i, got, want[i])
			}
		}
	}
	check(0, 0, 0, 0, 0)
	r.source.Apply(r.plan)
	r.pass(0)
	check(1, -1, 1, -1, 1)
	r.remove("v").pass(time.Second)
	check(0, 0, 0, 1, -1)
}

// Attributes are of a size and content that nobody vouches for.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"", "21500\n", "x YES\nt=1", "a : crc=a1 YES\nt=", "Not charging\n", "\n\n", "-", "99999999999999999999", "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, content string) {
		for _, kind := range []string{thermal, w1, powerSupply, path, iio} {
			for _, attribute := range []string{"w1_slave", "temp", "in_voltage0_raw"} {
				r := &reading{settings: settings{kind: kind}, place: &place{attribute: attribute}}
				var err error
				if r.raw, err = r.parse(content); err != nil {
					continue
				}
				if v, err := r.convert(); err == nil && v.text == "" {
					t.Errorf("%q has the empty value", content)
				}
			}
		}
	})
}

func BenchmarkRead(b *testing.B) {
	r := newRig(b)
	r.file("class/thermal/thermal_zone0/type", "cpu-thermal\n").file("class/thermal/thermal_zone0/temp", "45123\n")
	st := settings{kind: thermal, name: "cpu-thermal"}
	place, err := st.find(r.sys)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		one := reading{settings: st, place: place}
		if one.do(r.sys); one.err != nil {
			b.Fatal(one.err)
		}
	}
}
