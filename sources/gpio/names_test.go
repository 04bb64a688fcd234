// SPDX-License-Identifier: MIT

package gpio

import (
	"strconv"
	"strings"
	"testing"

	"reflexd/board"
)

// chipOf returns a chip of count lines; names are those of the first.
func chipOf(name, label, device string, count int, names ...string) Chip {
	c := Chip{Name: name, Label: label, Device: device}
	for i := range count {
		l := LineInfo{Offset: i}
		if i < len(names) {
			l.Name = names[i]
		}
		c.Lines = append(c.Lines, l)
	}
	return c
}

func TestBoardsNamesOfLines(t *testing.T) {
	pi := []Chip{
		chipOf("gpiochip0", "raspberrypi-exp-gpio", "", 8, "BT_ON"),
		chipOf("gpiochip1", "pinctrl-bcm2711", "fe200000.gpio", 58, "ID_SDA", "ID_SCL", "SDA1"),
	}
	twins := append(pi, chipOf("gpiochip2", "mcp23017", "", 16, "GPIO17", "GPIO18"), chipOf("gpiochip3", "other", "", 2, "GPIO18"))
	again := append(pi, chipOf("gpiochip2", "pinctrl-bcm2711", "sim", 58))
	for _, test := range []struct {
		what  string
		chips []Chip
		board string
		spec  string
		want  string
	}{
		{"a pin", pi, "rpi-4b", "pin 11", "gpiochip1:17"},
		{"a processor's number", pi, "rpi-4b", "GPIO17", "gpiochip1:17"},
		{"the other history's name", pi, "rpi-4b", "GPIO2", "gpiochip1:2"},
		{"an offset by name of chip", pi, "rpi-4b", "pinctrl-bcm2711:17", "gpiochip1:17"},
		{"a name that an expander took, too", twins, "rpi-4b", "GPIO17", "gpiochip2:0"},
		{"a name that two others took", twins, "rpi-4b", "GPIO18", "gpiochip1:18"},
		{"two chips of the board's label", again, "rpi-4b", "GPIO17", "more than one chip may be that of GPIO17: write gpiochip1:17 or gpiochip2:17"},
		{"power", pi, "rpi-4b", "pin 2", "pin 2: pin 2 of J8 is 5V, not a GPIO line"},
		{"the chip is not there", pi, "rpi-5b", "GPIO17", "GPIO17 is line 17 of the Raspberry Pi 5 Model B's chip pinctrl-rp1, which is missing"},
		{"a slip", pi, "rpi-4b", "GPOI17", `no line is called GPOI17; did you mean "GPIO17"?`},
		{"a pin without its blank", pi, "rpi-4b", "PIN11", `no line is called PIN11; did you mean "pin 11"?`},
		{"nobody knows the board", pi, "", "pin 11", "pin 11: the pins of this board's header are not known"},
		{"nobody knows the board, but the line", pi, "", "SDA1", "gpiochip1:2"},
	} {
		var b *board.Board
		if test.board != "" {
			var err error
			if b, err = board.Named(test.board); err != nil {
				t.Fatal(err)
			}
		}
		chip, offset, err := Resolve(test.chips, b, test.spec)
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			got = test.chips[chip].Name + ":" + strconv.Itoa(offset)
		}
		if !strings.HasPrefix(got, test.want) {
			t.Errorf("%s: %s: %s, want %s", test.what, test.spec, got, test.want)
		}
	}
}

func TestALineMayComeUnlessAnotherIsMeant(t *testing.T) {
	chips := []Chip{chipOf("gpiochip0", "expander", "", 4, "GPIO17", "GPIO18", "twin", "twin")}
	for spec, want := range map[string]bool{
		"GPOI17":     false, // GPIO17 will have been meant
		"expandr:3":  false,
		"expander:9": false,
		"twin":       false, // which of them?
		"lamp":       true,
		"mcp23017:3": true,
	} {
		if _, _, err := Resolve(chips, nil, spec); err == nil || MayCome(err) != want {
			t.Errorf("%s may come: %v, want %v (%v)", spec, MayCome(err), want, err)
		}
	}
	if _, _, err := Resolve(nil, nil, "GPIO17"); !MayCome(err) {
		t.Errorf("no chip is there, and none may come: %v", err)
	}
}
