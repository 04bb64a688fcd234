// SPDX-License-Identifier: MIT

// The GPIO chips that the kernel makes of a tree. What a chip is called and how many lines it has is said by its
// driver, not by the tree: those facts are from the driver's source, whose file in the kernel's tree stands beside them.

package dtb

import (
	"fmt"
	"slices"
	"strings"
)

// A Chip is a GPIO chip as programs see it.
type Chip struct {
	Label  string
	Device string   // its device in sysfs
	Names  []string // of its lines, by offset
}

// A driver makes chips of the nodes that have one of its compatibles.
type driver struct {
	compatible []string
	label      func(*Node) string
	lines      func(*Node) int
}

var drivers = []driver{
	// drivers/pinctrl/bcm/pinctrl-bcm2835.c
	{[]string{"brcm,bcm2711-gpio"}, always("pinctrl-bcm2711"), count(58)},
	{[]string{"brcm,bcm2835-gpio"}, always("pinctrl-bcm2835"), count(54)},
	// drivers/gpio/gpio-raspberrypi-exp.c
	{[]string{"raspberrypi,firmware-gpio"}, always("raspberrypi-exp-gpio"), count(8)},
	// drivers/gpio/gpio-rockchip.c: the bank's name of drivers/pinctrl/pinctrl-rockchip.c
	{[]string{"rockchip,gpio-bank"}, rockchipBank, count(32)},
	// drivers/pinctrl/sunxi/pinctrl-sunxi.c: whole banks up to the last pin of pinctrl-sun*.c, from PA or PL on
	{[]string{"allwinner,sun8i-h3-pinctrl", "allwinner,sun50i-h5-pinctrl"}, (*Node).DeviceName, count(7 * 32)},
	{[]string{"allwinner,sun50i-a64-pinctrl", "allwinner,sun50i-h6-pinctrl"}, (*Node).DeviceName, count(8 * 32)},
	{[]string{"allwinner,sun50i-h616-pinctrl", "allwinner,sun7i-a20-pinctrl"}, (*Node).DeviceName, count(9 * 32)},
	{[]string{"allwinner,sun8i-h3-r-pinctrl", "allwinner,sun50i-a64-r-pinctrl", "allwinner,sun50i-h616-r-pinctrl"}, (*Node).DeviceName, count(32)},
	{[]string{"allwinner,sun50i-h6-r-pinctrl"}, (*Node).DeviceName, count(2 * 32)},
	// drivers/gpio/gpio-omap.c: the label follows the order in which banks are found, so that it says nothing
	{[]string{"ti,omap4-gpio"}, always("gpio-0-31"), count(32)},
	// drivers/gpio/gpio-davinci.c
	{[]string{"ti,keystone-gpio"}, (*Node).DeviceName, func(n *Node) int { return int(append(n.Words("ti,ngpio"), 0)[0]) }},
	// drivers/gpio/gpio-tegra.c: four ports of eight lines for each interrupt
	{[]string{"nvidia,tegra124-gpio", "nvidia,tegra210-gpio"}, always("tegra-gpio"), func(n *Node) int { return len(n.Words("interrupts")) / 3 * 32 }},
}

// Chips returns the chips of a tree in its order. Chips of drivers that are not known here, as those of power
// controllers, are left out.
func (n *Node) Chips() []Chip {
	var chips []Chip
	n.All(func(n *Node) {
		if !n.Has("gpio-controller") || slices.Contains([]string{"disabled", "fail"}, n.String("status")) {
			return
		}
		if c, ok := n.chip(); ok {
			chips = append(chips, c)
		}
	})
	return chips
}

func (n *Node) chip() (Chip, bool) {
	if c, ok := n.mesonBank(); ok {
		return c, true
	}
	for _, compatible := range n.Strings("compatible") {
		for _, d := range drivers {
			if slices.Contains(d.compatible, compatible) {
				return Chip{d.label(n), n.DeviceName(), n.lineNames(d.lines(n))}, true
			}
		}
	}
	return Chip{}, false
}

// mesonBank makes the chip of an Amlogic bank: a node without a compatible, below that of a pin controller
// (drivers/pinctrl/meson/pinctrl-meson.c). Its lines are all that its gpio-ranges count.
func (n *Node) mesonBank() (Chip, bool) {
	controller := n.parent
	if controller == nil || len(n.Words("gpio-ranges")) != 4 {
		return Chip{}, false
	}
	label, ok := mesonLabel(controller.String("compatible"))
	return Chip{label, controller.DeviceName(), n.lineNames(int(n.Words("gpio-ranges")[3]))}, ok
}

// mesonLabel is the name that pinctrl-meson-gxbb.c, pinctrl-meson-g12a.c and pinctrl-meson8b.c give the banks.
func mesonLabel(compatible string) (string, bool) {
	switch {
	case !strings.HasPrefix(compatible, "amlogic,meson"):
		return "", false
	case strings.HasSuffix(compatible, "-periphs-pinctrl"):
		return "periphs-banks", true
	case strings.HasSuffix(compatible, "-cbus-pinctrl"):
		return "cbus-banks", true
	default:
		return "aobus-banks", strings.HasSuffix(compatible, "-aobus-pinctrl")
	}
}

// rockchipBank returns a bank's name: its alias has the number, or else its place among the banks.
func rockchipBank(n *Node) string {
	root := n
	for root.parent != nil {
		root = root.parent
	}
	if aliases := root.Find("aliases"); aliases != nil {
		for _, p := range aliases.Properties {
			if strings.HasPrefix(p.Name, "gpio") && strings.TrimRight(string(p.Value), "\x00") == n.Path() {
				return p.Name
			}
		}
	}
	place := 0
	for _, bank := range n.parent.Children {
		switch {
		case bank == n:
			return fmt.Sprintf("gpio%d", place)
		case slices.Contains(bank.Strings("compatible"), "rockchip,gpio-bank"):
			place++
		}
	}
	return ""
}

// lineNames returns the names of n lines; the tree may name fewer, or more.
func (n *Node) lineNames(lines int) []string {
	names := make([]string, lines)
	copy(names, n.Strings("gpio-line-names"))
	return names
}

func always(label string) func(*Node) string { return func(*Node) string { return label } }

func count(lines int) func(*Node) int { return func(*Node) int { return lines } }
