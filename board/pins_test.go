// SPDX-License-Identifier: MIT

// Pins by other sources than those that the tables follow: a wrong pin can destroy what is wired to it.

package board

import (
	"fmt"
	"strings"
	"testing"
)

// published is what a source says of a board's pins.
type published struct{ by, board, pins string }

// told are some pins of each board whose device tree does not name them, each with its chip in the table and its offset
// or, where the kernel names it, its name. They are those that differ from the like of the board, or that a slip of the
// pen is easiest for.
var told = []published{
	{"OPi.GPIO", "orangepi-pc", "12=pio:110 16=pio:68 23=pio:66 26=pio:21 32=pio:200 37=pio:20"},
	{"OPi.GPIO", "orangepi-zero", "8=pio:198 12=pio:7 16=pio:19 19=pio:15 26=pio:10"},
	{"OPi.GPIO", "orangepi-pc2", "8=pio:69 10=pio:70 19=pio:15 26=pio:21 32=pio:200 37=pio:107"},
	{"OPi.GPIO", "orangepi-prime", "8=pio:69 26=pio:72 32=pio:73 36=pio:74 37=pio:107 40=pio:76"},
	{"OPi.GPIO", "orangepi-win", "7=r-pio:10 8=r-pio:2 16=r-pio:9 19=pio:98 27=pio:143 36=pio:35 37=pio:101"},
	{"OPi.GPIO", "orangepi-lite2", "7=pio:228 8=pio:117 11=pio:120 13=pio:119 15=pio:122 24=pio:69"},
	{"OPi.GPIO", "orangepi-3", "7=pio:118 10=r-pio:3 12=pio:114 15=r-pio:10 19=pio:229 26=r-pio:8"},
	{"OPi.GPIO", "orangepi-zero2", "7=pio:73 12=pio:75 16=pio:79 19=pio:231 22=pio:71 24=pio:233"},
	{"OPi.GPIO", "orangepi-zero2w", "7=pio:269 16=pio:270 24=pio:229 27=pio:266 29=pio:256 36=pio:76"},
	{"Blinka", "nanopi-neo", "7=pio:203 12=pio:6 13=pio:2 16=pio:200 22=pio:1 24=pio:67"},
	{"Blinka", "pine64", "7=r-pio:10 13=pio:233 16=pio:77 27=r-pio:9 28=r-pio:8 32=pio:68 40=pio:75"},

	{"Blinka", "rock-pi-4", "11=gpio4:18 13=gpio4:22 15=gpio4:21 19=gpio1:8 29=gpio2:10 31=gpio2:9 32=gpio3:16"},
	{"Radxa's pages", "rock-3a", "7=gpio0:13 12=gpio3:3 15=gpio0:16 22=gpio0:17 26=gpio4:25 29=gpio2:31 36=gpio3:2"},
	{"Radxa's pages", "rock-3c", "7=gpio3:20 11=gpio3:1 22=gpio3:17 27=gpio4:10 36=gpio3:7 37=gpio1:4"},
	{"Radxa's pages", "rock-5b", "3=gpio4:11 8=gpio0:13 16=gpio3:4 18=gpio4:20 29=gpio1:31 33=gpio3:7 36=gpio3:9"},
	{"OPi.GPIO", "orangepi-5", "3=gpio1:15 8=gpio4:3 12=gpio0:29 15=gpio0:28 22=gpio2:28 26=gpio1:3"},
	{"Blinka", "orangepi-5-plus", "3=gpio0:16 5=gpio0:15 7=gpio1:30 27=gpio1:15 33=gpio3:18 36=gpio3:5 37=gpio3:17"},
	{"Blinka", "orangepi-3b", "7=gpio4:19 11=gpio3:22 16=gpio4:3 22=gpio4:4 32=gpio4:16 36=gpio3:29"},
	{"RP64.GPIO", "rockpro64", "7=gpio4:24 12=gpio3:24 15=gpio1:1 22=gpio4:25 29=gpio4:27 37=gpio3:25 40=gpio3:31"},
	{"rk3328.dtsi", "rock64", "3=gpio2:25 5=gpio2:24 19=gpio3:1 24=gpio3:8 27=gpio2:4 32=gpio1:6 36=gpio1:5"},

	{"diozero", "odroid-c2", "3=periphs:69 28=periphs:72 35=periphs:78 26=periphs:89 10=periphs:105 7=periphs:113"},
	{"WiringPi", "odroid-n2", "7=periphs:62 12=periphs:81 26=periphs:53 32=periphs:61 36=periphs:84"},
	{"diozero", "libretech-aml-s905x-cc", "3=aobus:5 7=periphs:98 13=aobus:9 22=periphs:79 23=periphs:90 27=periphs:75 40=periphs:83"},

	{"Blinka", "jetson-nano", "7=gpio:216 13=gpio:14 16=gpio:232 29=gpio:149 33=gpio:38 38=gpio:77"},
	{"Blinka", "jetson-xavier-nx", "7=PS.04 12=PT.05 15=PCC.04 33=PN.01 35=PU.00 38=PT.07"},
	{"Blinka", "jetson-agx-xavier", "16=PBB.00 22=PQ.01 29=PAA.03 31=PAA.02 32=PBB.01 33=PAA.00 37=PAA.01"},
	{"Blinka", "jetson-orin-nano", "7=PAC.06 15=PN.01 32=PG.06 33=PH.00 38=PI.01"},
	{"Blinka", "jetson-agx-orin", "13=PR.00 16=PBB.01 22=PP.04 29=PAA.01 32=PBB.00 33=PAA.02 37=PAA.03"},

	{"diozero", "beaglebone-black", "P8_13=gpio0:23 P8_34=gpio2:17 P9_14=gpio1:18 P9_25=gpio3:21 P9_41=gpio0:20 P9_42=gpio0:7"},
	{"bb.org-overlays", "pocketbeagle", "P1_20=gpio0:20 P1_34=gpio0:26 P2_24=gpio1:12 P2_27=gpio1:8 P2_33=gpio1:13"},
	{"mikroBUS patches", "beagleplay", "1=gpio1:10 2=gpio1:12 4=gpio1:14 13=gpio1:25 14=gpio1:24 15=gpio1:9 16=gpio1:11"},
}

func TestPinsAgreeWithWhatOthersTell(t *testing.T) {
	agree(t, told, func(b *Board, pin string) (string, error) {
		l, err := b.Find(pin)
		if l.Chip != nil {
			return fmt.Sprintf("%s:%d", l.Chip.Name, l.Offset), err
		}
		return l.Name, err
	})
}

// agree compares what is published of pins, "12=pio:110 P9_14=…", with what find says.
func agree(t *testing.T, all []published, find func(b *Board, pin string) (string, error)) {
	for _, one := range all {
		b, err := Named(one.board)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, fact := range strings.Fields(one.pins) {
			pin, want, _ := strings.Cut(fact, "=")
			if !strings.Contains(pin, "_") {
				pin = "pin " + pin
			}
			if got, err := find(b, pin); err != nil || got != want {
				t.Errorf("%s: %s is %s, by %s %s (%v)", b.Name, pin, got, one.by, want, err)
			}
		}
	}
}

// pwmTold are PWM channels of pins, by other sources than the tables'.
var pwmTold = []published{
	{"pinctrl of raspberrypi/utils and users' /sys/kernel/debug/pwm", "rpi-5b",
		"32=1f00098000.pwm:0 33=1f00098000.pwm:1 8=1f00098000.pwm:2 10=1f00098000.pwm:3 12=1f00098000.pwm:2 35=1f00098000.pwm:3"},
	{"BCM2711 ARM Peripherals, 5.3", "rpi-4b", "32=fe20c000.pwm:0 33=fe20c000.pwm:1 12=fe20c000.pwm:0 35=fe20c000.pwm:1"},
	{"BCM2835 ARM Peripherals, 6.2", "rpi-3b", "32=3f20c000.pwm:0 33=3f20c000.pwm:1 12=3f20c000.pwm:0 35=3f20c000.pwm:1"},
	{"BCM2835 ARM Peripherals, 6.2", "rpi-zero-w", "32=2020c000.pwm:0 33=2020c000.pwm:1 12=2020c000.pwm:0 35=2020c000.pwm:1"},
	{"BCM2835 ARM Peripherals, 6.2", "rpi-1b-rev1", "12=2020c000.pwm:0"},
	{"boneDeviceTree", "beaglebone-black", "P9_22=48300200.pwm:0 P9_21=48300200.pwm:1 P9_31=48300200.pwm:0 P9_29=48300200.pwm:1 P9_14=48302200.pwm:0 " +
		"P9_16=48302200.pwm:1 P8_36=48302200.pwm:0 P8_34=48302200.pwm:1 P8_19=48304200.pwm:0 P8_13=48304200.pwm:1 P8_45=48304200.pwm:0 P8_46=48304200.pwm:1"},
	{"bb.org-overlays", "pocketbeagle", "P1_36=48300200.pwm:0 P1_33=48300200.pwm:1 P1_8=48300200.pwm:0 P1_10=48300200.pwm:1 P2_1=48302200.pwm:0 P2_3=48304200.pwm:1"},
	{"diozero", "rock-pi-4", "11=ff420000.pwm:0 13=ff420010.pwm:0"},
	{"tegra210.dtsi and its users", "jetson-nano", "32=7000a000.pwm:0 33=7000a000.pwm:2"},
	{"tegra194.dtsi", "jetson-agx-xavier", "13=32f0000.pwm:0 15=3280000.pwm:0 18=32c0000.pwm:0"},
}

func TestPWMAgreesWithWhatOthersTell(t *testing.T) {
	agree(t, pwmTold, func(b *Board, pin string) (string, error) {
		p, err := b.FindPWM(pin)
		return fmt.Sprintf("%s:%d", p.Chip, p.Channel), err
	})
}

// A pin without PWM is told from one with, and the error says which have it.
func TestPinsWithoutPWM(t *testing.T) {
	for _, c := range []struct{ board, name, want string }{
		{"rpi-4b", "GPIO17", "GPIO17 has no PWM: on the Raspberry Pi 4 Model B, pin 12 (GPIO18), pin 32 (GPIO12), pin 33 (GPIO13), pin 35 (GPIO19) have"},
		{"rpi-4b", "pin 1", "pin 1: pin 1 of J8 is 3V3, not a GPIO line"},
		{"rpi-cm3", "GPIO2", "GPIO2 has no PWM: on the Raspberry Pi Compute Module 3, GPIO12, GPIO18, GPIO40, GPIO13, GPIO19, GPIO41, GPIO45 have"},
		{"orangepi-pc", "pin 7", "pin 7: which PWM channels the Orange Pi PC has is not in the board tables: use `chip` and `channel`"},
	} {
		b, err := Named(c.board)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.FindPWM(c.name); err == nil || err.Error() != c.want {
			t.Errorf("%s: %s: %v", c.board, c.name, err)
		}
	}
	b, _ := Named("beaglebone-black")
	if _, err := b.FindPWM("P8_7"); err == nil || !strings.Contains(err.Error(), "P8:13 (GPIO0_23)") {
		t.Error(err)
	}
}

// Each of these headers lets a board for a Raspberry Pi be put upon it. A line where that has 5 V would not outlive it.
func TestSuppliesAreWhereRaspberryPiHasThem(t *testing.T) {
	supplies := map[int]string{
		1: "3V3", 2: "5V", 4: "5V", 6: "GND", 9: "GND", 14: "GND", 17: "3V3", 20: "GND", 25: "GND", 30: "GND", 34: "GND", 39: "GND",
	}
	tried := 0
	for _, b := range All() {
		for _, h := range b.Headers {
			if len(h.Pins) < 24 || h.Pins[0].Number != 1 || b.Family == "ti" {
				continue
			}
			tried++
			for _, p := range h.Pins {
				if want := supplies[p.Number]; want != "" && (p.Wired || p.Name != want) || want == "" && isSupply(p.Name) {
					t.Errorf("%s: pin %d of %s is %s", b.Name, p.Number, h.Name, p.Name)
				}
			}
		}
	}
	if tried < 50 {
		t.Errorf("only %d headers were tried", tried)
	}
}

func isSupply(name string) bool { return name == "GND" || name == "3V3" || name == "5V" }

// Boards of one header stand in one table entry, and each may be named.
func TestBoardsByTheNamesOfTheirDeviceTrees(t *testing.T) {
	for name, want := range map[string]string{
		"orangepi-zero2":         "orangepi-zero2",
		"orangepi-zero3":         "orangepi-zero2",
		"xunlong,orangepi-zero3": "orangepi-zero2",
		"OrangePi-Lite":          "orangepi-one",
		"rpi-4b":                 "rpi-4b",
	} {
		if b, err := Named(name); err != nil || b.Name != want {
			t.Errorf("%s: %v %v, want %s", name, b, err, want)
		}
	}
	if b, err := Named("orangepi"); err == nil {
		t.Errorf("orangepi is taken for %s", b.Name)
	}
}
