// SPDX-License-Identifier: MIT

//go:build lab

package trial

import (
	"fmt"
	"testing"

	"reflexd/lab"
)

// A button on a board of each maker whose chips are known by their labels,
// each under another of the names that people have for its line.
func TestButtonOnAPinOfAnyMaker(t *testing.T) {
	b := on(t, lab.Virt)
	orin := make([]string, 106)
	orin[105] = "PQ.05"
	for _, test := range []struct {
		board, label string
		lines        []string
		name         string
		offset       int
	}{
		{"rock-pi-4", "gpio4", make([]string, 32), "GPIO4_C2", 18},
		{"orangepi-pc", "1c20800.pinctrl", make([]string, 224), "wpi:6", 110},
		{"odroid-n2", "periphs-banks", make([]string, 86), "pin 11", 68},
		{"jetson-orin-nano", "tegra234-gpio", orin, "BCM5", 105},
	} {
		t.Run(test.board, func(t *testing.T) {
			chip, err := b.Chip(t.Context(), lab.ChipSpec{Name: test.board, Label: test.label, Lines: test.lines})
			if err != nil {
				t.Fatal(err)
			}
			a := b.start(t, fmt.Sprintf(`
board: %s
rules:
  - {when: {button: %q, is: pressed}, do: {log: "${CHIP}:${OFFSET}"}}
`, test.board, test.name))
			for _, up := range []bool{true, false} {
				if err := chip.Pull(t.Context(), test.offset, up); err != nil {
					t.Fatal(err)
				}
			}
			a.expect(fmt.Sprintf("%s:%d", test.label, test.offset))
			a.finish()
			if err := chip.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
