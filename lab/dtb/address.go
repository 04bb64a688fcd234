// SPDX-License-Identifier: MIT

// The names of platform devices: of_device_make_bus_id in drivers/of/device.c (drivers/of/platform.c before Linux 6.4)
// makes them of a node's address as the processor sees it and of the node's name.

package dtb

import (
	"fmt"
	"strings"
)

// DeviceName returns what the platform device of the node is called in sysfs: "44e07000.gpio".
func (n *Node) DeviceName() string {
	name := ""
	for ; n.parent != nil; n = n.parent {
		base, _, _ := strings.Cut(n.Name, "@")
		if address, ok := n.address(); ok {
			return fmt.Sprintf("%x.%s", address, joined(base, name))
		}
		name = joined(n.Name, name)
	}
	return name
}

func joined(name, rest string) string {
	if rest == "" {
		return name
	}
	return name + ":" + rest
}

// address returns the first address of the node's reg as the processor sees it. There is none where a node above it
// does not map its children's addresses.
func (n *Node) address() (uint64, bool) {
	cells, _ := n.parent.cells()
	reg := n.Words("reg")
	if len(reg) < cells || cells == 0 {
		return 0, false
	}
	address := number(reg[:cells])
	for bus := n.parent; bus.parent != nil; bus = bus.parent {
		var ok bool
		if address, ok = bus.translate(address); !ok {
			return 0, false
		}
	}
	return address, true
}

// translate takes an address of the bus's children to one of the bus's parent (Devicetree Specification 2.3.8).
func (n *Node) translate(address uint64) (uint64, bool) {
	ranges := n.Words("ranges")
	if len(ranges) == 0 {
		return address, n.Has("ranges")
	}
	child, size := n.cells()
	parent, _ := n.parent.cells()
	for entry := child + parent + size; len(ranges) >= entry; ranges = ranges[entry:] {
		from, to := number(ranges[:child]), number(ranges[child:child+parent])
		length := number(ranges[child+parent : entry])
		if from <= address && address-from < length {
			return to + address - from, true
		}
	}
	return 0, false
}

// cells returns how many words the addresses and sizes of the node's children have.
func (n *Node) cells() (address, size int) {
	address, size = 2, 1
	if words := n.Words("#address-cells"); len(words) == 1 {
		address = int(words[0])
	}
	if words := n.Words("#size-cells"); len(words) == 1 {
		size = int(words[0])
	}
	return min(address, 4), min(size, 4)
}

// number puts words together, the highest first.
func number(words []uint32) uint64 {
	var n uint64
	for _, w := range words {
		n = n<<32 | uint64(w)
	}
	return n
}
