// SPDX-License-Identifier: MIT

package board_test

import (
	"fmt"

	"reflexd/board"
)

// Which board is this, and which line is pin 11 of its header?
func ExampleMachine_Board() {
	m := board.Machine{ // board.Read("/proc", "/sys") on the machine itself
		Model:      "Raspberry Pi 4 Model B Rev 1.4",
		Compatible: []string{"raspberrypi,4-model-b", "brcm,bcm2711"},
	}
	b := m.Board()
	line, err := b.Find("pin 11")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(line.Chip.Known, line.Offset)
	fmt.Println(line.Is("pinctrl-bcm2711", "", 17, "GPIO17"))
	// Output:
	// [pinctrl-bcm2711] 17
	// true
}
