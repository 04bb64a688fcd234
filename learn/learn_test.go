// SPDX-License-Identifier: MIT

package learn_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reflexd/agent"
	"reflexd/blkid"
	"reflexd/learn"
	"reflexd/machine"
	"reflexd/sources"
	"reflexd/sources/gpio"
	"reflexd/sources/input"
)

var update = flag.Bool("update", false, "write the golden files")

// board is what the tests' devices are on.
func board() *learn.World {
	return &learn.World{
		Inputs: []input.Device{
			{Path: "/dev/input/event0", Name: "gpio-keys", ID: "0001:0001", Phys: "gpio-keys/input0", Types: []string{"key"}, Keys: []string{"KEY_POWER"}},
			{Path: "/dev/input/event1", Name: "Logitech K400", ID: "046d:404d", Phys: "usb-1/input0", Types: []string{"key"}, Keys: []string{"KEY_A", "KEY_Z", "KEY_ENTER", "KEY_VOLUMEUP"}},
			{Path: "/dev/input/event2", Name: "Twin", ID: "1234:0001", Phys: "usb-2/input0"},
			{Path: "/dev/input/event3", Name: "Twin", ID: "1234:0001", Phys: "usb-3/input0"},
			{Path: "/dev/input/event4", ID: "0000:0000"},
			{Path: "/dev/input/event5", Name: "Mouse", ID: "046d:c077", Types: []string{"key", "wheel"}, Keys: []string{"BTN_LEFT"}},
			{Path: "/dev/input/event6", Name: "a: \"${B}\" * [x] \\ \x1b[31m\u202e\u0085# \xff é", ID: "6666:0001"},
			{Path: "/dev/lirc0", Name: "gpio_ir_recv", Types: []string{"remote control"}},
		},
		Lines: &machine.Lines{Chips: []gpio.Chip{{Name: "gpiochip0", Label: "header", Lines: []gpio.LineInfo{{Offset: 0, Name: "GPIO0"}, {Offset: 1}}}}},
		Sensors: map[string]string{
			"28-665544332211": `{w1: "28-665544332211"}`, "light": "{iio: bh1750, channel: in_illuminance}",
			"rpi_volt-in0_lcrit_alarm": "{hwmon: rpi_volt, attribute: in0_lcrit_alarm}", "BAT0-status": "{power_supply: BAT0, attribute: status}",
		},
		Contents: map[string]blkid.Content{
			"/dev/sda1": {Type: "vfat", Usage: blkid.Filesystem, Label: "PHO\nTOS"},
		},
	}
}

// script is events with their stamps in milliseconds.
type script []*sources.Event

func (s *script) add(ms float64, kind, name, state string, fields ...any) {
	e := &sources.Event{Time: time.Second + time.Duration(ms*float64(time.Millisecond)), Topic: sources.Topic{Kind: kind, Name: name, State: state}}
	for i := 0; i+1 < len(fields); i += 2 {
		v, isNumber := fields[i+1].(int)
		f := sources.Field{Name: fields[i].(string), Value: sources.Int(int64(v))}
		if !isNumber {
			f.Value = sources.Text(fields[i+1].(string))
		}
		e.Fields = append(e.Fields, f)
	}
	*s = append(*s, e)
}

func (s *script) key(device int, at, up float64, keys ...string) {
	d := fmt.Sprintf("/dev/input/event%d", device)
	name := board().Inputs[device].Name
	for i, k := range keys {
		s.add(at+10*float64(i), "key", k, "pressed", "DEVICE", d, "NAME", name)
	}
	for _, k := range keys {
		s.add(up, "key", k, "released", "DEVICE", d, "NAME", name)
	}
}

func (s *script) axis(device int, at float64, name string, value, before int) {
	s.add(at, "axis", name, "changed", "VALUE", value, "PREVIOUS", before,
		"DEVICE", fmt.Sprintf("/dev/input/event%d", device), "NAME", board().Inputs[device].Name)
}

// sensor adds values of a sensor, one each second.
func (s *script) sensor(name, unit string, values ...string) {
	before := ""
	for i, v := range values {
		if v != before {
			s.add(float64(1000*i), "sensor", name, "changed", "SENSOR", name, "VALUE", v, "UNIT", unit, "PREVIOUS", before)
		}
		before = v
	}
}

// line adds edges, each to the other level than the one before.
func (s *script) line(name string, offset int, high bool, at ...float64) {
	for _, ms := range at {
		state := "falling"
		if high {
			state = "rising"
		}
		s.add(ms, "line", name, state, "CHIP", "header", "OFFSET", offset)
		high = !high
	}
}

func (s *script) uevent(ms float64, action, path, subsystem string, fields ...any) {
	s.add(ms, "uevent", subsystem, action, append([]any{"ACTION", action, "DEVPATH", path, "SUBSYSTEM", subsystem}, fields...)...)
}

const stickPath = "/devices/platform/soc/usb1/1-1/1-1.2"

var stickIDs = []any{"ID_BUS", "usb", "ID_VENDOR_ID", "46f4", "ID_MODEL_ID", "0001", "ID_VENDOR", "QEMU", "ID_MODEL", "HARDDISK", "ID_SERIAL_SHORT", "1-0000:00"}

func (s *script) stick(action string) {
	ids := func(more ...any) []any { return append(more, stickIDs...) }
	face := stickPath + "/1-1.2:1.0"
	s.uevent(0, action, stickPath, "usb", ids("DEVTYPE", "usb_device", "PRODUCT", "46f4/1/0")...)
	s.uevent(1, action, face, "usb", ids("DEVTYPE", "usb_interface", "INTERFACE", "8/6/80")...)
	s.uevent(2, action, "/module/usb_storage", "module")
	s.uevent(3, "bind", stickPath, "usb", "DEVTYPE", "usb_device")
	s.uevent(1500, action, face+"/host0/target0:0:0/0:0:0:0/scsi_disk/0:0:0:0", "scsi_disk")
	s.uevent(1501, action, "/devices/virtual/bdi/8:0", "bdi")
	s.uevent(1510, action, face+"/host0/target0:0:0/0:0:0:0/block/sda", "block", ids("DEVTYPE", "disk", "DEVNAME", "/dev/sda")...)
	s.uevent(1511, action, face+"/host0/target0:0:0/0:0:0:0/block/sda/sda1", "block", ids("DEVTYPE", "partition", "DEVNAME", "/dev/sda1")...)
	if action == "remove" { // the last first
		slices.Reverse(*s)
		for i, e := range *s {
			e.Time = time.Second + time.Duration(i)*time.Millisecond
		}
	}
}

// scripts are what is done to the board, by the names of the golden files.
var scripts = map[string]func(s *script){
	"key":       func(s *script) { s.key(1, 0, 120, "KEY_VOLUMEUP") },
	"key-held":  func(s *script) { s.key(1, 0, 3200, "KEY_VOLUMEUP") },
	"key-stays": func(s *script) { s.key(0, 0, 9e6, "KEY_POWER"); *s = (*s)[:1] },
	"key-double": func(s *script) {
		s.key(1, 0, 80, "KEY_A")
		s.key(1, 200, 280, "KEY_A")
	},
	"key-five": func(s *script) {
		for i := range 5 {
			s.key(1, float64(200*i), float64(200*i+80), "KEY_A")
		}
	},
	"key-three-slow": func(s *script) {
		for i := range 3 {
			s.key(1, float64(430*i), float64(430*i+80), "KEY_A")
		}
	},
	"chord": func(s *script) { s.key(1, 0, 300, "KEY_LEFTCTRL", "KEY_LEFTALT", "KEY_T") },
	"typed": func(s *script) {
		s.key(1, 0, 80, "KEY_A")
		s.key(1, 150, 230, "KEY_B")
		s.key(1, 300, 380, "KEY_A")
	},
	"two-keys": func(s *script) {
		s.key(1, 0, 80, "KEY_A")
		s.key(1, 150, 230, "KEY_B")
	},
	"twin": func(s *script) { s.key(2, 0, 80, "BTN_0") },
	"remote": func(s *script) {
		for at, state := range []string{"pressed", "released"} {
			s.add(360*float64(at), "key", "nec:0x40bf12", state, "DEVICE", "/dev/lirc0", "NAME", "gpio_ir_recv")
		}
	},
	"scancode": func(s *script) { s.key(1, 0, 80, "scan:0xc0221") },
	"nameless": func(s *script) { s.key(4, 0, 80, "KEY_84") },
	"hostile":  func(s *script) { s.key(6, 0, 80, "KEY_ESC") },
	"release-only": func(s *script) {
		s.key(1, 0, 80, "KEY_A")
		*s = (*s)[1:]
	},
	"lid": func(s *script) {
		s.add(0, "switch", "SW_LID", "on", "DEVICE", "/dev/input/event0", "NAME", "gpio-keys", "VALUE", 1)
	},
	"wheel": func(s *script) {
		s.axis(5, 0, "REL_WHEEL_HI_RES", 120, 0)
		s.axis(5, 0, "REL_WHEEL", 1, 0)
		s.axis(5, 100, "REL_WHEEL", 1, 0)
	},
	"mouse": func(s *script) {
		for i := range 2000 {
			s.axis(5, float64(i), "REL_X", 3, 0)
			s.axis(5, float64(i), "REL_Y", -1, 0)
		}
	},
	"stick-axis": func(s *script) {
		s.axis(1, 0, "ABS_X", 200, 128)
		s.axis(1, 10, "ABS_X", 255, 200)
		s.axis(1, 20, "ABS_X", 128, 255)
		s.axis(1, 20, "ABS_Y", 127, 128)
	},
	"stick":        func(s *script) { s.stick("add") },
	"stick-pulled": func(s *script) { s.stick("remove") },
	"keyboard-plugged": func(s *script) {
		s.uevent(0, "add", stickPath, "usb", "DEVTYPE", "usb_device", "ID_BUS", "usb", "ID_VENDOR_ID", "046d", "ID_MODEL_ID", "404d", "ID_VENDOR", "Logitech", "ID_MODEL", "K400")
		s.uevent(5, "add", stickPath+"/1-1.2:1.0/input/input1", "input")
		s.uevent(6, "add", stickPath+"/1-1.2:1.0/input/input1/event1", "input", "DEVNAME", "/dev/input/event1")
		s.uevent(7, "add", stickPath+"/1-1.2:1.0/input/input2/event2", "input", "DEVNAME", "/dev/input/event2")
		s.uevent(8, "bind", stickPath, "usb", "DEVTYPE", "usb_device")
	},
	"usb-serial": func(s *script) {
		ids := []any{"ID_BUS", "usb", "ID_VENDOR_ID", "0403", "ID_MODEL_ID", "6001", "ID_VENDOR", "FTDI", "ID_MODEL", "FT232R*"}
		s.uevent(0, "add", stickPath, "usb", append([]any{"DEVTYPE", "usb_device"}, ids...)...)
		s.uevent(9, "add", stickPath+"/1-1.2:1.0/ttyUSB0/tty/ttyUSB0", "tty", append([]any{"DEVNAME", "/dev/ttyUSB0"}, ids...)...)
	},
	"module": func(s *script) { s.uevent(0, "add", "/module/mydrv", "module") },
	"router-button": func(s *script) {
		s.add(0, "uevent", "button", "pressed", "ACTION", "pressed", "SUBSYSTEM", "button", "BUTTON", "reset", "SEEN", "30")
		s.add(700, "uevent", "button", "released", "ACTION", "released", "SUBSYSTEM", "button", "BUTTON", "reset", "SEEN", "0")
	},
	"loop": func(s *script) {
		s.uevent(0, "change", "/devices/virtual/block/loop0", "block", "DEVTYPE", "disk", "DEVNAME", "/dev/loop0")
	},
	"cable": func(s *script) {
		s.add(0, "link", "eth0", "down", "STATE", "down")
		s.add(300, "link", "eth0", "up", "STATE", "up")
	},
	"link-hostile": func(s *script) { s.add(0, "link", "a*[\"%#", "added") },
	"signal": func(s *script) {
		s.add(0, "signal", "SIGRTMIN+2", "received", "CODE", "queue", "VALUE", 1234, "SENDER_PID", 77)
	},
	"button": func(s *script) { s.line("GPIO17", 17, false, 0, 150) },
	"button-bounces": func(s *script) {
		s.line("GPIO17", 17, false, 0, 1, 2.5, 3, 8, 150, 150.2, 151)
	},
	"button-high":      func(s *script) { s.line("header:1", 1, true, 0, 150) },
	"button-held-long": func(s *script) { s.line("gpiochip0:0", 0, false, 0, 4100) },
	"button-double":    func(s *script) { s.line("GPIO17", 17, false, 0, 80, 200, 280) },
	"door":             func(s *script) { s.line("GPIO17", 17, false, 0, 1, 2.5) },
	"pulse":            func(s *script) { s.line("GPIO17", 17, true, 0, 0.25, 30, 30.25) },
	"clock": func(s *script) {
		for i := range 500 {
			s.line("GPIO4", 4, i%2 == 0, float64(i))
		}
	},
	"knob": func(s *script) {
		for i := range 3 {
			t := float64(100 * i)
			s.line("GPIO5", 5, false, t, t+20)
			s.line("GPIO6", 6, false, t+10, t+30)
		}
	},
	"knob-backwards-half": func(s *script) {
		s.line("GPIO6", 6, true, 0, 20, 40, 60, 80)
		s.line("GPIO5", 5, true, 10, 30, 50, 70, 90)
	},
	// The other line flickers before the knob is turned.
	"knob-flickers": func(s *script) {
		s.line("GPIO6", 6, false, 0, 2)
		for i := range 3 {
			t := float64(100 + 100*i)
			s.line("GPIO5", 5, false, t, t+20)
			s.line("GPIO6", 6, false, t+10, t+30)
		}
	},
	// Two loose wires are no knob.
	"noise": func(s *script) {
		random := uint32(1)
		high := [2]bool{}
		for i := range 300 {
			random = random*1664525 + 1013904223
			line := int(random >> 16 & 1)
			s.line([]string{"GPIO5", "GPIO6"}[line], 5+line, !high[line], float64(3*i))
			high[line] = !high[line]
		}
	},
	"thermometer": func(s *script) {
		s.sensor("28-665544332211", "°C", "21.5", "21.562", "21.5", "21.5", "21.562", "21.5", "21.625", "21.5", "23.75", "25.1", "26.187", "26.25", "26.187")
	},
	// What a sensor is found with is no event.
	"first-change": func(s *script) {
		s.add(8000, "sensor", "light", "changed", "SENSOR", "light", "VALUE", "300", "UNIT", "lx", "PREVIOUS", "100")
	},
	"early-change": func(s *script) {
		s.add(2000, "sensor", "light", "changed", "SENSOR", "light", "VALUE", "110", "UNIT", "lx", "PREVIOUS", "100")
	},
	"shaded": func(s *script) {
		s.sensor("light", "lx", "120", "121", "119", "120", "120", "120", "118", "12", "9", "9", "9", "9", "9", "9", "9", "9", "118")
	},
	"alarm":  func(s *script) { s.sensor("rpi_volt-in0_lcrit_alarm", "", "0", "1", "0", "1") },
	"supply": func(s *script) { s.sensor("BAT0-status", "", "Charging", "Discharging") },
	"unplugged": func(s *script) {
		s.sensor("28-665544332211", "°C", "21.5")
		s.add(9000, "sensor", "28-665544332211", "absent", "SENSOR", "28-665544332211", "PREVIOUS", "21.5", "REASON", "read /sys/x: the file is empty")
	},
	"plugged-sensor": func(s *script) {
		s.add(0, "sensor", "light", "absent", "SENSOR", "light", "PREVIOUS", "", "REASON", "no iio device is called bh1750")
		s.add(9000, "sensor", "light", "changed", "SENSOR", "light", "VALUE", "12", "UNIT", "lx", "PREVIOUS", "")
	},
	"resting": func(s *script) {
		s.sensor("light", "lx", "100", "110", "95", "100", "104", "96", "111", "93", "112", "92", "104")
	},
	"two-buttons": func(s *script) {
		s.line("GPIO5", 5, false, 0, 200)
		s.line("GPIO6", 6, false, 100, 300)
	},
}

// play gives a Learner events and returns what it learns, as it does with
// timers.
func play(events script, w *learn.World) []learn.Finding {
	var l learn.Learner
	var found []learn.Finding
	settle := func(bursts []*learn.Burst) {
		for _, b := range bursts {
			found = append(found, l.Conclude(b, w)...)
		}
	}
	for _, e := range sorted(events) {
		for at, any := l.Next(); any && at <= e.Time; at, any = l.Next() {
			settle(l.Over(at))
		}
		lent := e.Clone()
		lent.Borrowed = true
		text := lent.CopyStrings(nil)
		l.Observe(lent, e.Time)
		clear(text) // as the agent's queue does
	}
	for at, any := l.Next(); any; at, any = l.Next() {
		settle(l.Over(at))
	}
	return found
}

func sorted(events script) script {
	for i := range events {
		for j := i; j > 0 && events[j].Time < events[j-1].Time; j-- {
			events[j], events[j-1] = events[j-1], events[j]
		}
	}
	return events
}

func TestWhatIsLearnt(t *testing.T) {
	for name, write := range scripts {
		t.Run(name, func(t *testing.T) {
			var s script
			write(&s)
			var text strings.Builder
			for _, f := range play(s, board()) {
				fmt.Fprintf(&text, "--- %s\n%s", f.Kind, f.YAML)
				for _, yaml := range variants(f.YAML) {
					check(t, yaml)
				}
			}
			golden := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(golden, []byte(text.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), text.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// variants returns yaml, and yaml with each of the alternatives in its
// comments put in the place of what it is one to.
func variants(yaml string) []string {
	all := []string{yaml}
	lines := strings.Split(strings.TrimSuffix(yaml, "\n"), "\n")
	for i, line := range lines {
		trimmed := strings.TrimLeft(line, " ")
		word, _, ok := strings.Cut(strings.TrimPrefix(trimmed, "# "), ": ")
		if !strings.HasPrefix(trimmed, "# ") || !ok || strings.Contains(word, " ") {
			continue
		}
		chosen := strings.TrimPrefix(trimmed, "# ")
		for j := i - 1; j >= 0; j-- {
			before := strings.TrimLeft(lines[j], " -")
			if strings.HasPrefix(before, word+": ") {
				other := append([]string{}, lines...)
				other[j] = lines[j][:len(lines[j])-len(before)] + chosen
				all = append(all, strings.Join(other, "\n")+"\n")
				break
			}
		}
	}
	return all
}

// check has the checker read yaml, which must be in order.
func check(t *testing.T, yaml string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "learnt.yaml")
	if err := os.WriteFile(file, []byte(yaml), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, problems, err := agent.Load([]string{file}); err != nil || problems.Failed() {
		t.Errorf("%v %v\n%s", err, problems, yaml)
	}
}

// Whatever a sensor shows, what is learnt is a configuration.
func FuzzSensors(f *testing.F) {
	for _, seed := range [][3]string{{"21.5", "30", "°C"}, {"0", "1", ""}, {"", "7", "V"}, {"Charging", "a: \"\n# %s [x]\x1b", "%\n"}, {"-0.000000001", "9223372036854775807", ""}, {"0", "\x00", "0"}} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, before, value, unit string) {
		var s script
		s.add(9000, "sensor", "light", "changed", "SENSOR", "light", "VALUE", value, "UNIT", unit, "PREVIOUS", before)
		s.add(30000, "sensor", "light", "absent", "SENSOR", "light", "PREVIOUS", value, "REASON", before+unit)
		for _, found := range play(s, board()) {
			check(t, found.YAML)
		}
	})
}
