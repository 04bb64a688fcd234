// SPDX-License-Identifier: MIT

package board

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestTablesHoldNoMistake(t *testing.T) {
	seen := map[string]string{}
	known := func(kind, word string, b *Board) {
		if other := seen[kind+word]; other != "" {
			t.Errorf("%s %s is that of %s and of %s", kind, word, other, b.Name)
		}
		seen[kind+word] = b.Name
	}
	for _, b := range All() {
		known("name", strings.ToLower(b.Name), b)
		for _, c := range b.compatible {
			known("compatible", c, b)
		}
		for _, n := range b.types {
			known("type", string(rune(n)), b)
		}
		for _, n := range b.codes {
			known("code", string(rune(n)), b)
		}
		testNames(t, b)
	}
}

// A new file in tables/ counts only if it is in the list.
func TestEveryTableIsInTheList(t *testing.T) {
	files, err := filepath.Glob("tables/*.txt")
	if err != nil || len(files) != len(families) {
		t.Fatalf("%d files, %d families, %v", len(files), len(families), err)
	}
	for i, family := range families {
		if text, err := os.ReadFile(filepath.Join("tables", family.name+".txt")); err != nil || string(text) != *family.text {
			t.Errorf("%s is not %s: %v", family.name, files[i], err)
		}
	}
}

// Each name of a board leads to one line, whichever way it is looked up.
func testNames(t *testing.T, b *Board) {
	for _, name := range b.LineNames() {
		l, err := b.Find(name)
		if err != nil {
			t.Errorf("%s: %s: %v", b.Name, name, err)
			continue
		}
		if lower, err := b.Find(strings.ToLower(name)); err != nil || lower != l {
			t.Errorf("%s: %s in small letters leads to %v, %v", b.Name, name, lower, err)
		}
		label, kernel := "", l.Name
		if l.Chip != nil {
			label = l.Chip.Known[0]
		}
		back := b.NamesOf(label, "", l.Offset, kernel)
		if !containsFold(back, name) {
			t.Errorf("%s: %s leads to %s:%d %s, whose names are %v", b.Name, name, label, l.Offset, kernel, back)
		}
	}
	for _, h := range b.Headers {
		if h.Columns == 2 && len(h.Pins)%2 != 0 {
			t.Errorf("%s: header %s has %d pins", b.Name, h.Name, len(h.Pins))
		}
	}
}

// A slip of the pen in a table puts a line on a second pin, as a rule.
func TestNoLineIsOnTwoPins(t *testing.T) {
	for _, b := range All() {
		pins := map[Line]string{}
		for _, h := range b.Headers {
			for _, p := range h.Pins {
				if !p.Wired {
					continue
				}
				l, here := b.named(p.Name), h.Name+":"+strconv.Itoa(p.Number)
				if there := pins[l]; there != "" {
					t.Errorf("%s: %s is at %s and at %s", b.Name, p.Name, there, here)
				}
				pins[l] = here
			}
		}
	}
}

func containsFold(words []string, word string) bool {
	for _, w := range words {
		if strings.EqualFold(w, word) {
			return true
		}
	}
	return false
}

func TestNamesLeadToLines(t *testing.T) {
	for _, test := range []struct {
		board, name string
		chip        string
		offset      int
	}{
		{"rpi-4b", "GPIO17", "pinctrl-bcm2711", 17},
		{"rpi-4b", "pin 11", "pinctrl-bcm2711", 17},
		{"rpi-4b", "J8:11", "pinctrl-bcm2711", 17},
		{"rpi-4b", "wpi:0", "pinctrl-bcm2711", 17},
		{"rpi-4b", "BCM17", "pinctrl-bcm2711", 17},
		{"rpi-4b", "gpio57", "pinctrl-bcm2711", 57},
		{"rpi-4b", "SDA1", "pinctrl-bcm2711", 2},
		{"rpi-5b", "pin 40", "pinctrl-rp1", 21},
		{"rpi-3b", "pin 3", "pinctrl-bcm2835", 2},
		{"rpi-1b-rev1", "pin 3", "pinctrl-bcm2835", 0},
		{"rpi-1b-rev1", "pin 13", "pinctrl-bcm2835", 21},
		{"rpi-1b", "pin 13", "pinctrl-bcm2835", 27},
		{"rpi-1b", "P5:3", "pinctrl-bcm2835", 28},
	} {
		b, err := Named(test.board)
		if err != nil {
			t.Fatal(err)
		}
		l, err := b.Find(test.name)
		if err != nil || l.Chip == nil || !l.Chip.Is(test.chip, "") || l.Offset != test.offset {
			t.Errorf("%s: %s leads to %+v, %v", test.board, test.name, l, err)
		}
	}
}

func TestNamesThatLeadNowhere(t *testing.T) {
	for _, test := range []struct{ board, name, err string }{
		{"rpi-4b", "pin 1", "pin 1 of J8 is 3V3, not a GPIO line"},
		{"rpi-4b", "pin 41", "header J8 of the Raspberry Pi 4 Model B has no pin 41"},
		{"rpi-4b", "J8:", "header J8 of the Raspberry Pi 4 Model B has no pin "},
		{"rpi-cm3", "pin 11", "no header of the Raspberry Pi Compute Module 3 is known"},
		{"rpi-4b", "GPIO58", ""},
		{"rpi-4b", "GPIO017", ""},
		{"rpi-4b", "GPIO", ""},
		{"rpi-4b", "J9:3", ""},
		{"rpi-4b", "", ""},
	} {
		b, err := Named(test.board)
		if err != nil {
			t.Fatal(err)
		}
		l, err := b.Find(test.name)
		if test.err == "" && !errors.Is(err, ErrUnknown) || test.err != "" && (err == nil || err.Error() != test.err) {
			t.Errorf("%s: %s: %+v, %v", test.board, test.name, l, err)
		}
	}
}

func TestMachineIsKnownByWhatItTells(t *testing.T) {
	for _, test := range []struct {
		what  string
		files map[string]string
		board string
		model string
	}{
		{"device tree", map[string]string{
			"proc/device-tree/compatible": "raspberrypi,3-model-b\x00brcm,bcm2837\x00",
			"proc/device-tree/model":      "Raspberry Pi 3 Model B\x00",
		}, "rpi-3b", "Raspberry Pi 3 Model B"},
		{"revision in the device tree", map[string]string{
			"proc/device-tree/compatible":            "raspberrypi,model-b\x00brcm,bcm2835\x00",
			"proc/device-tree/system/linux,revision": "\x00\x00\x00\x0e",
		}, "rpi-1b", ""},
		{"revision in cpuinfo, overvolted", map[string]string{
			"proc/device-tree/compatible": "raspberrypi,model-b\x00brcm,bcm2835\x00",
			"proc/cpuinfo":                "Hardware\t: BCM2835\nRevision\t: 1000003\n",
		}, "rpi-1b-rev1", ""},
		{"new revision", map[string]string{
			"proc/device-tree/compatible":            "raspberrypi,500\x00brcm,bcm2712\x00",
			"proc/device-tree/system/linux,revision": "\x00\xd0\x41\x90",
		}, "rpi-500", ""},
		{"unknown type of a known compatible", map[string]string{
			"proc/device-tree/compatible":            "raspberrypi,4-model-b\x00brcm,bcm2711\x00",
			"proc/device-tree/system/linux,revision": "\x00\x80\x0f\xf0",
		}, "rpi-4b", ""},
		{"other maker's revision", map[string]string{
			"proc/device-tree/compatible": "acme,board\x00",
			"proc/cpuinfo":                "Revision : 0002\n",
		}, "", ""},
		{"longer entry", map[string]string{"proc/device-tree/compatible": "raspberrypi,3-model-b-ultra\x00"}, "", ""},
		{"PC", map[string]string{
			"sys/class/dmi/id/sys_vendor": "ACME\n", "sys/class/dmi/id/product_name": "Box 3\n",
		}, "", "ACME Box 3"},
		{"nothing", nil, "", ""},
	} {
		root := t.TempDir()
		for name, text := range test.files {
			path := filepath.Join(root, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		m := Read(filepath.Join(root, "proc"), filepath.Join(root, "sys"))
		name := ""
		if b := m.Board(); b != nil {
			name = b.Name
		}
		if name != test.board || m.Model != test.model {
			t.Errorf("%s: board %q, model %q", test.what, name, m.Model)
		}
	}
}

func TestTableMistakesAreTold(t *testing.T) {
	for text, want := range map[string]string{
		"chip main x":                             "x.txt:1: chip: before any part or board",
		"board a\n":                               "x.txt: board a: it has no title, or nothing by which it is known",
		"board a A\ncolour red":                   "x.txt:2: unknown word colour",
		"board a A\nhas b":                        "x.txt:2: there is no part b",
		"board a A\nlines main 0-3 A#":            "x.txt:2: lines: no chip is called main",
		"part a\nchip m x\nlines m 3-0 A#":        "x.txt:3: lines: 3-0 is not FIRST-LAST",
		"part a\nchip m x\nlines m 0-3 A":         "x.txt:3: lines: there is no # in A",
		"part a\n1 GND":                           "x.txt:2: pin 1 is of no header",
		"part a\nheader J 2\n1 (GND)":             "x.txt:3: header J has 2 columns, here are 1",
		"part a\nheader J 3":                      "x.txt:2: header: expected a name and 1 or 2 columns",
		"part a\nheader J 1\n1":                   "x.txt:3: a pin is a number and what it is",
		"board a A\ntype xyz":                     `x.txt:2: strconv.ParseUint: parsing "xyz": invalid syntax`,
		"board a A\nboard":                        "x.txt:2: board: nothing follows",
		"board a A\ntype 1\nheader J 1\n1 A\n1 B": "x.txt: board a: header J has two pins 1",
	} {
		if _, err := parse("x", text); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func FuzzFind(f *testing.F) {
	f.Add("pin 11")
	f.Add("J8:11")
	f.Add("GPIO17")
	f.Add("P8_")
	f.Add("::")
	f.Fuzz(func(t *testing.T, name string) {
		for _, b := range load("raspberry-pi", raspberryPiTable) {
			if l, err := b.Find(name); err == nil && l.Chip == nil && l.Name == "" {
				t.Errorf("%s: %q leads to nothing", b.Name, name)
			}
		}
	})
}
