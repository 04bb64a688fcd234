// SPDX-License-Identifier: MIT

package machine_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"reflexd/machine"
	"reflexd/sources"
	"reflexd/sources/gpio"
)

// What the device tree says is found below any root; a board without chips is
// no error.
func TestLookBelowARoot(t *testing.T) {
	m := sources.Machine{Root: t.TempDir()}
	tree := m.Path("/proc/device-tree")
	for _, folder := range []string{tree, m.Path("/dev")} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"model": "Raspberry Pi 3 Model B\x00", "compatible": "raspberrypi,3-model-b\x00brcm,bcm2837\x00"} {
		if err := os.WriteFile(filepath.Join(tree, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	all, err := machine.Look(m)
	if err != nil || len(all.Chips) != 0 || all.Model != "Raspberry Pi 3 Model B" || all.Board == nil {
		t.Fatalf("%+v, %v", all, err)
	}
	if _, _, err := all.Resolve("pin 11"); err == nil || !strings.Contains(err.Error(), "no GPIO chip") {
		t.Error(err)
	}

	// The same line by the words of people, once there is a chip.
	all.Chips = []gpio.Chip{{Name: "gpiochip0", Label: "pinctrl-bcm2835", Lines: make([]gpio.LineInfo, 54)}}
	all.Chips[0].Lines[17] = gpio.LineInfo{Offset: 17, Name: "GPIO17"}
	chip, offset, err := all.Resolve("pin 11")
	if err != nil || chip != 0 || offset != 17 {
		t.Fatal(chip, offset, err)
	}
	ofBoard := all.NamesOfBoard(&all.Chips[0], &all.Chips[0].Lines[17])
	if !slices.Contains(ofBoard, "J8:11") || !slices.Contains(all.Names(0, 17), "J8:11") {
		t.Errorf("its names are %q and %q", ofBoard, all.Names(0, 17))
	}
	if hint := all.Suggest("pinctrl-bcm2836"); !strings.Contains(hint, "pinctrl-bcm2835") {
		t.Errorf("hint %q", hint)
	}
	all.Board = nil
	if ofBoard := all.NamesOfBoard(&all.Chips[0], &all.Chips[0].Lines[17]); ofBoard != nil {
		t.Errorf("an unknown board calls it %q", ofBoard)
	}
}
