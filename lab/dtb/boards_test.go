// SPDX-License-Identifier: MIT

//go:build lab

// The tables of boards against the kernel. A board is made of the device tree that Debian's kernel has for it; what
// the tree and the kernel's bindings call its lines must be where the tables say it is.

package dtb_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"reflexd/board"
	"reflexd/lab/dtb"
	"reflexd/lab/image"
	"reflexd/sources/gpio"
)

// A machine is a board to be.
type machine struct {
	tree  string // its device tree, below the folder of trees
	board string // what the tables call it
	// pins matches those of the tree's names of lines that have the pin: its groups are the header, where there are
	// more than one, and the number.
	pins string
	// lines has some names of lines that the tree does not have, and CHIP:OFFSET, by the label or the device of the
	// chip, for each word of them.
	lines map[string]string
}

const (
	pinOfBone   = `^(P[89])_(\d+[AB]?)(?: |$)`
	pinOfPocket = `^(P[12])\.(\d+)(?: |$)`
)

var machines = []machine{
	{"armhf/bcm2835-rpi-b.dtb", "rpi-1b-rev1", "", map[string]string{"GPIO0|pin 3|P1:3|wpi:8|BCM0": "pinctrl-bcm2835:0", "pin 13": "pinctrl-bcm2835:21"}},
	{"armhf/bcm2835-rpi-b-rev2.dtb", "rpi-1b", "", map[string]string{"GPIO2|pin 3|wpi:8": "pinctrl-bcm2835:2", "pin 13": "pinctrl-bcm2835:27", "P5:3": "pinctrl-bcm2835:28"}},
	{"armhf/bcm2835-rpi-b-plus.dtb", "rpi-1b-plus", "", onPi("pinctrl-bcm2835")},
	{"armhf/bcm2835-rpi-zero-w.dtb", "rpi-zero-w", "", onPi("pinctrl-bcm2835")},
	{"armhf/bcm2836-rpi-2-b.dtb", "rpi-2b", "", onPi("pinctrl-bcm2835")},
	{"arm64/bcm2837-rpi-zero-2-w.dtb", "rpi-zero-2w", "", onPi("pinctrl-bcm2835")},
	{"arm64/bcm2837-rpi-3-b.dtb", "rpi-3b", "", onPi("pinctrl-bcm2835")},
	{"arm64/bcm2837-rpi-3-b-plus.dtb", "rpi-3b-plus", "", onPi("pinctrl-bcm2835")},
	{"arm64/bcm2711-rpi-4-b.dtb", "rpi-4b", "", onPi("pinctrl-bcm2711")},
	{"arm64/bcm2711-rpi-400.dtb", "rpi-400", "", onPi("pinctrl-bcm2711")},
	{"arm64/bcm2711-rpi-cm4-io.dtb", "rpi-cm4", "", onPi("pinctrl-bcm2711")},
	{"arm64/bcm2712-rpi-5-b.dtb", "rpi-5b", "", onPi("pinctrl-rp1")},

	{"armhf/am335x-boneblack.dtb", "beaglebone-black", pinOfBone, onBone},
	{"armhf/am335x-bonegreen.dtb", "beaglebone-green", pinOfBone, onBone},
	{"armhf/am335x-pocketbeagle.dtb", "pocketbeagle", pinOfPocket, map[string]string{"P1_34|GPIO0_26": "44e07000.gpio:26"}},
	{"armhf/am335x-bone.dtb", "beaglebone", "", map[string]string{"GPIO1_28": "4804c000.gpio:28"}},
	{"arm64/k3-am625-beagleplay.dtb", "beagleplay", "", map[string]string{"GPIO1_9|MIKROBUS_GPIO1_9|INT|pin 15": "601000.gpio:9", "GPIO0_18|USR_BUTTON": "600000.gpio:18"}},

	{"arm64/rk3399-rock-pi-4a.dtb", "rock-pi-4", "", map[string]string{"pin 11|GPIO4_C2|gpio4:RK_PC2": "gpio4:18", "GPIO3_A4": "gpio3:4", "pin 22": "gpio4:29"}},
	{"arm64/rk3399-rock-pi-4b-plus.dtb", "rock-pi-4", "", map[string]string{"pin 40|GPIO4_A7": "gpio4:7"}},
	{"arm64/rk3328-rock-pi-e.dtb", "rock-pi-e", `^pin-(\d+) `, nil},
	{"arm64/rk3308-rock-pi-s.dtb", "rock-pi-s", `^(header\d)-pin(\d+) `, nil},
	{"arm64/rk3568-rock-3a.dtb", "rock-3a", "", map[string]string{"pin 11|GPIO3_C4": "gpio3:20"}},
	{"arm64/rk3588-rock-5b.dtb", "rock-5b", "", map[string]string{"pin 16|GPIO3_A4": "gpio3:4", "pin 29|GPIO1_D7": "gpio1:31"}},
	{"arm64/rk3566-radxa-zero-3w.dtb", "radxa-zero-3", `^pin-(\d+) `, nil},
	{"arm64/rk3588-nanopc-t6.dtb", "nanopc-t6", `^HEADER_(\d+)$`, nil},
	{"arm64/rk3588s-orangepi-5.dtb", "orangepi-5", "", map[string]string{"pin 11|GPIO4_B2|wpi:5": "gpio4:10", "pin 26|wpi:16": "gpio1:3"}},
	{"arm64/rk3588-orangepi-5-plus.dtb", "orangepi-5-plus", "", map[string]string{"pin 7|GPIO1_D6|wpi:2": "gpio1:30"}},
	{"arm64/rk3566-orangepi-3b-v1.1.dtb", "orangepi-3b", "", map[string]string{"pin 7|GPIO4_C3|wpi:2": "gpio4:19"}},
	{"arm64/rk3328-rock64.dtb", "rock64", "", map[string]string{"pin 3|GPIO2_D1": "gpio2:25"}},
	{"arm64/rk3328-nanopi-r2s.dtb", "rockchip", "", map[string]string{"GPIO0_A0": "gpio0:0", "gpio3:RK_PD7": "gpio3:31"}},
	{"arm64/rk3399-rockpro64.dtb", "rockpro64", "", map[string]string{"pin 7|GPIO4_D0": "gpio4:24", "GPIO4_D5": "gpio4:29"}},
	{"arm64/rk3399-rock-4c-plus.dtb", "rock-pi-4", "", map[string]string{"pin 12|GPIO4_A3": "gpio4:3"}},
	{"arm64/rk3566-rock-3c.dtb", "rock-3c", "", map[string]string{"pin 7|GPIO3_C4": "gpio3:20"}},

	{"armhf/sun8i-h3-orangepi-pc.dtb", "orangepi-pc", "", map[string]string{"pin 7|PA6|wpi:2": "1c20800.pinctrl:6", "PD7": "1c20800.pinctrl:103", "PG9": "1c20800.pinctrl:201", "PL3": "1f02c00.pinctrl:3"}},
	{"armhf/sun8i-h2-plus-orangepi-zero.dtb", "orangepi-zero", "", map[string]string{"pin 26|PA10": "1c20800.pinctrl:10"}},
	{"arm64/sun50i-h5-orangepi-pc2.dtb", "orangepi-pc2", "", map[string]string{"pin 12|PD14": "1c20800.pinctrl:110"}},
	{"arm64/sun50i-a64-orangepi-win.dtb", "orangepi-win", "", map[string]string{"pin 7|PL10": "1f02c00.pinctrl:10"}},
	{"arm64/sun50i-h6-orangepi-3.dtb", "orangepi-3", "", map[string]string{"pin 3|PD26": "300b000.pinctrl:122", "PM4": "7022000.pinctrl:36"}},
	{"arm64/sun50i-h616-orangepi-zero2.dtb", "orangepi-zero2", "", map[string]string{"pin 7|PC9|wpi:2": "300b000.pinctrl:73", "PI16": "300b000.pinctrl:272"}},
	{"arm64/sun50i-h618-orangepi-zero3.dtb", "orangepi-zero2", "", map[string]string{"pin 26|PC10": "300b000.pinctrl:74"}},
	{"arm64/sun50i-h618-orangepi-zero2w.dtb", "orangepi-zero2w", "", map[string]string{"pin 3|PI8|wpi:0": "300b000.pinctrl:264"}},
	{"arm64/sun50i-h6-pine-h64.dtb", "allwinner-h6", "", map[string]string{"PM4": "7022000.pinctrl:36"}},
	{"armhf/sun8i-h3-nanopi-neo.dtb", "nanopi-neo", "", map[string]string{"pin 7|PG11": "1c20800.pinctrl:203"}},
	{"arm64/sun50i-a64-pine64-plus.dtb", "pine64", "", map[string]string{"pin 11|PC7": "1c20800.pinctrl:71", "pin 7|PL10": "1f02c00.pinctrl:10"}},

	{"arm64/meson-gxbb-odroidc2.dtb", "odroid-c2", `^(J2) Header Pin(\d+)$`, map[string]string{"GPIOX_19|wpi:0|pin 11": "periphs-banks:111"}},
	{"arm64/meson-g12b-odroid-n2.dtb", "odroid-n2", `^PIN_([1-3]?\d|40)$`, map[string]string{"GPIOX_3|wpi:0|pin 11": "periphs-banks:68"}},
	{"arm64/meson-g12b-odroid-n2-plus.dtb", "odroid-n2", `^PIN_([1-3]?\d|40)$`, nil},
	{"arm64/meson-sm1-odroid-c4.dtb", "odroid-c4", `^PIN_([1-3]?\d|40)$`, map[string]string{"GPIOH_7|wpi:26": "periphs-banks:23"}},
	// Pin 15 has no name in the bindings.
	{"arm64/meson-gxl-s905x-libretech-cc.dtb", "libretech-aml-s905x-cc", `^(7J1) Header Pin([1-9]|1[0-46-9]|[2-4]\d)$`, nil},
	{"arm64/meson-gxbb-nanopi-k2.dtb", "amlogic-gxbb", "", map[string]string{"GPIOX_3": "periphs-banks:95", "GPIOAO_5": "aobus-banks:5"}},
	{"arm64/meson-g12a-radxa-zero.dtb", "amlogic-g12a", "", map[string]string{"GPIOAO_5": "aobus-banks:5"}},

	{"arm64/tegra210-p3450-0000.dtb", "jetson-nano", "", map[string]string{"pin 7|PBB.00|BCM4": "tegra-gpio:216", "pin 40": "tegra-gpio:78"}},
}

// onPi are places that every Raspberry Pi with 40 pins has.
func onPi(label string) map[string]string {
	lines := map[string]string{"GPIO2|pin 3|J8:3|J8_03|BCM2|wpi:8": label + ":2", "GPIO17|pin 11|wpi:0": label + ":17", "pin 40|wpi:29|GPIO21": label + ":21"}
	for n := range 28 {
		lines[fmt.Sprintf("GPIO%d|BCM%d", n, n)] = fmt.Sprintf("%s:%d", label, n)
	}
	return lines
}

var onBone = map[string]string{
	"P9_12|P9:12|GPIO1_28": "4804c000.gpio:28", "P8_07|P8_7|GPIO2_2": "481ac000.gpio:2",
	"P9_41|P9_41B|GPIO0_20": "44e07000.gpio:20", "P9_41A": "481ae000.gpio:20", "P9_42A|P9_42": "44e07000.gpio:7",
}

// start returns what the machine of a device tree is taken for, and its chips in an order that no table may lean on.
func start(t *testing.T, tree string) (*board.Board, []gpio.Chip) {
	t.Helper()
	root, err := dtb.Read(tree)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("this kernel has no such tree")
	}
	if err != nil {
		t.Fatal(err)
	}
	proc, alone := t.TempDir(), dtb.Node{Properties: root.Properties} // a whole tree is a thousand files
	if err := alone.Write(filepath.Join(proc, "device-tree")); err != nil {
		t.Fatal(err)
	}
	told := board.Read(proc, t.TempDir())
	b := told.Board()
	if b == nil {
		t.Fatalf("nobody knows %s (%q)", told.Model, told.Compatible)
	}
	chips := root.Chips()
	if b.Name == "rpi-5b" { // the kernel finds what is on RP1 by PCI Express, not by this tree
		chips = append(chips, dtb.Chip{Label: "pinctrl-rp1", Names: make([]string, 54)})
	}
	slices.Reverse(chips)
	return b, listed(chips)
}

// listed are the chips as package gpio lists them.
func listed(chips []dtb.Chip) []gpio.Chip {
	var list []gpio.Chip
	for n, c := range chips {
		made := gpio.Chip{Name: fmt.Sprintf("gpiochip%d", n), Label: c.Label, Device: c.Device}
		for offset, name := range c.Names {
			made.Lines = append(made.Lines, gpio.LineInfo{Offset: offset, Name: name})
		}
		list = append(list, made)
	}
	return list
}

// leads complains unless spec leads to the line at CHIP:OFFSET.
func leads(t *testing.T, chips []gpio.Chip, b *board.Board, spec, place string) {
	t.Helper()
	i, offset, err := gpio.Resolve(chips, b, spec)
	if err != nil {
		t.Errorf("%s: %v", spec, err)
		return
	}
	at := ":" + strconv.Itoa(offset)
	if place != chips[i].Label+at && place != chips[i].Device+at {
		t.Errorf("%s leads to %s (%s) line %d, not to %s", spec, chips[i].Label, chips[i].Device, offset, place)
	}
}

func TestTablesAgreeWithTheKernelsDeviceTrees(t *testing.T) {
	dir, err := image.PrepareTrees(t.Context(), image.Options{Log: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	tried := map[string]int{}
	for _, m := range machines {
		t.Run(strings.TrimSuffix(filepath.Base(m.tree), ".dtb"), func(t *testing.T) {
			b, chips := start(t, filepath.Join(dir, m.tree))
			if b.Name != m.board {
				t.Fatalf("it is taken for %s, not for %s", b.Name, m.board)
			}
			tried[b.Family]++
			for names, place := range m.lines {
				for spec := range strings.SplitSeq(names, "|") {
					leads(t, chips, b, spec, place)
				}
			}
			if m.pins != "" {
				pinsAgree(t, b, chips, regexp.MustCompile(m.pins))
			}
			backAndForth(t, b, chips)
		})
	}
	total := 0
	for _, n := range tried {
		total += n
	}
	t.Logf("boards of a family: %v", tried)
	if total < 12 || len(tried) < 6 {
		t.Errorf("%d boards of %d families were tried; 12 of 6 are too few to trust the tables", total, len(tried))
	}
}

// pinsAgree has every line whose pin the tree has found by that, even where the kernel does not name the line.
func pinsAgree(t *testing.T, b *board.Board, chips []gpio.Chip, pattern *regexp.Regexp) {
	named, found, nameless := 0, 0, withoutNames(chips)
	for _, c := range chips {
		for _, l := range c.Lines {
			if l.Name != "" {
				named++
			}
			groups := pattern.FindStringSubmatch(l.Name)
			if groups == nil {
				continue
			}
			found++
			place := fmt.Sprintf("%s:%d", c.Device, l.Offset)
			spec := "pin " + strings.TrimLeft(groups[len(groups)-1], "0")
			if len(groups) == 3 {
				spec = groups[1] + "_" + groups[2]
			}
			leads(t, nameless, b, spec, place)
		}
	}
	if named > 0 && found == 0 { // older kernels have trees that name no lines
		t.Errorf("none of %d lines is called like %s", named, pattern)
	}
}

func withoutNames(chips []gpio.Chip) []gpio.Chip {
	nameless := slices.Clone(chips)
	for i, c := range nameless {
		nameless[i].Lines = slices.Clone(c.Lines)
		for offset := range c.Lines {
			nameless[i].Lines[offset].Name = ""
		}
	}
	return nameless
}

// backAndForth has each name that the board gives a line of its chips lead back there.
func backAndForth(t *testing.T, b *board.Board, chips []gpio.Chip) {
	for _, c := range chips {
		for _, l := range c.Lines {
			for _, name := range b.NamesOf(c.Label, c.Device, l.Offset, l.Name) {
				leads(t, chips, b, name, fmt.Sprintf("%s:%d", c.Label, l.Offset))
			}
		}
	}
}

func TestFormulasAgreeWithTheKernelsBindings(t *testing.T) {
	prepared, err := image.Prepare(t.Context(), image.Options{Log: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	dir, err := image.PrepareTrees(t.Context(), image.Options{Log: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	amlogic := func(name string, n int) (specs []string, place string) {
		if strings.HasPrefix(name, "GPIOAO_") || strings.HasPrefix(name, "GPIOE_") {
			return []string{name}, fmt.Sprintf("aobus-banks:%d", n)
		}
		return []string{name}, fmt.Sprintf("periphs-banks:%d", n)
	}
	for _, test := range []struct {
		header, tree, define string
		place                func(name string, n int) (specs []string, place string)
	}{
		{"gpio/meson-gxbb-gpio.h", "arm64/meson-gxbb-odroidc2.dtb", `(\w+_\d+)\s+(\d+)`, amlogic},
		{"gpio/meson-gxl-gpio.h", "arm64/meson-gxl-s905x-libretech-cc.dtb", `(\w+_\d+)\s+(\d+)`, amlogic},
		{"gpio/meson-g12a-gpio.h", "arm64/meson-g12b-odroid-n2.dtb", `(\w+_\d+)\s+(\d+)`, amlogic},
		{"pinctrl/rockchip.h", "arm64/rk3399-rockpro64.dtb", `RK_P([A-D]\d)\s+(\d+)`, func(name string, n int) (specs []string, place string) {
			return []string{"GPIO3_" + name, "gpio3:RK_P" + name}, fmt.Sprintf("gpio3:%d", n)
		}},
		{"gpio/tegra-gpio.h", "arm64/tegra210-p3450-0000.dtb", `TEGRA_GPIO_PORT_(\w+)\s+(\d+)`, func(port string, n int) (specs []string, place string) {
			return []string{"P" + port + ".05"}, fmt.Sprintf("tegra-gpio:%d", 8*n+5)
		}},
	} {
		t.Run(filepath.Base(test.header), func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(prepared.Bindings(), test.header))
			if err != nil {
				t.Fatal(err)
			}
			b, chips := start(t, filepath.Join(dir, test.tree))
			defines := regexp.MustCompile(`(?m)^#define\s+`+test.define+`\s*$`).FindAllStringSubmatch(string(text), -1)
			for _, d := range defines {
				n, _ := strconv.Atoi(d[2])
				specs, place := test.place(d[1], n)
				for _, spec := range specs {
					leads(t, chips, b, spec, place)
				}
			}
			if len(defines) < 16 {
				t.Errorf("only %d names found", len(defines))
			}
		})
	}
}

// Debian's kernels are not made for Tegra234, so that they have no tree of a Jetson Orin. What is known of it: the
// entries of its compatible, and that the driver names the lines after ports, of which it lists the numbers of lines
// (drivers/gpio/gpio-tegra186.c, tegra234_main_ports and tegra234_aon_ports).
func TestJetsonOrinIsFoundByTheDriversNames(t *testing.T) {
	proc := t.TempDir()
	if err := os.Mkdir(filepath.Join(proc, "device-tree"), 0o755); err != nil {
		t.Fatal(err)
	}
	compatible := "nvidia,p3768-0000+p3767-0005-super\x00nvidia,p3767-0005\x00nvidia,tegra234\x00"
	if err := os.WriteFile(filepath.Join(proc, "device-tree/compatible"), []byte(compatible), 0o444); err != nil {
		t.Fatal(err)
	}
	told := board.Read(proc, t.TempDir())
	b := told.Board()
	if b == nil || b.Name != "jetson-orin-nano" {
		t.Fatalf("it is taken for %+v", b)
	}
	chips := listed([]dtb.Chip{
		{Label: "tegra234-gpio-aon", Device: "c2f0000.gpio", Names: ports("AA8 BB4 CC8 DD3 EE8 GG1")},
		{Label: "tegra234-gpio", Device: "2200000.gpio",
			Names: ports("A8 B1 C8 D4 E8 F6 G8 H8 I7 J6 K8 L4 M8 N8 P8 Q8 R6 X8 Y8 Z8 AC8 AD4 AE2 AF4 AG8")},
	})
	for spec, offset := range map[string]int{ // as NVIDIA's jetson-gpio counts them
		"pin 7": 144, "PAC.06": 144, "BCM4": 144, "pin 29": 105, "PQ.05": 105, "pin 32": 41, "pin 33": 43, "pin 40": 51,
	} {
		leads(t, chips, b, spec, fmt.Sprintf("tegra234-gpio:%d", offset))
	}
	backAndForth(t, b, chips)
}

// ports names the lines of ports, each of which is a name and how many lines it has.
func ports(all string) []string {
	var names []string
	for _, port := range strings.Fields(all) {
		letters := strings.TrimRight(port, "0123456789")
		n, _ := strconv.Atoi(port[len(letters):])
		for i := range n {
			names = append(names, fmt.Sprintf("P%s.%02d", letters, i))
		}
	}
	return names
}
