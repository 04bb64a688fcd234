// SPDX-License-Identifier: MIT

// Which board this is.

package board

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Machine is what a machine reports about itself. What it does not report is
// empty.
type Machine struct {
	// Model is the device tree's, or of a PC the maker's and product's names.
	Model string
	// Compatible are the entries of the device tree's root, the most specific
	// first (Devicetree Specification 2.3.1).
	Compatible []string
	// Revision is the code that a Raspberry Pi's firmware gives; 0 elsewhere.
	Revision uint32
}

// Read asks the machine whose /proc and /sys are there. What cannot be read is
// as if it were not reported.
func Read(proc, sys string) Machine {
	tree := filepath.Join(proc, "device-tree")
	m := Machine{Model: text(filepath.Join(tree, "model"))}
	for _, entry := range strings.Split(text(filepath.Join(tree, "compatible")), "\x00") {
		if entry != "" {
			m.Compatible = append(m.Compatible, entry)
		}
	}
	if m.mayBePi() {
		m.Revision = revision(proc, tree)
	}
	if m.Model == "" {
		id := filepath.Join(sys, "class/dmi/id")
		m.Model = strings.TrimSpace(text(filepath.Join(id, "sys_vendor")) + " " + text(filepath.Join(id, "product_name")))
	}
	return m
}

// text returns what a file holds, without the zeros and the white space at
// its end.
func text(path string) string {
	b, _ := os.ReadFile(path) // what is not there is not reported
	return strings.ToValidUTF8(strings.TrimRight(string(b), "\x00\n "), "\uFFFD")
}

// revision returns the code of a Raspberry Pi: from the device tree, where the
// firmware puts it, else from /proc/cpuinfo. There, old firmware set a bit
// above the code (1000000) to say that the board had been overvolted.
func revision(proc, tree string) uint32 {
	if b, _ := os.ReadFile(filepath.Join(tree, "system/linux,revision")); len(b) == 4 {
		return binary.BigEndian.Uint32(b)
	}
	for line := range strings.Lines(text(filepath.Join(proc, "cpuinfo"))) {
		key, value, _ := strings.Cut(line, ":")
		if strings.TrimSpace(key) == "Revision" {
			n, _ := strconv.ParseUint(strings.TrimSpace(value), 16, 32)
			if uint32(n)&newCode == 0 {
				n &= 0xffff
			}
			return uint32(n)
		}
	}
	return 0
}

// newCode is set in a revision code whose bits 4 to 11 are the board's type
// (Raspberry Pi documentation, "New-style revision codes").
const newCode = 1 << 23

// Board returns the board that the machine is, nil if the tables do not have
// it. The revision code of a Raspberry Pi comes first: the two generations of
// the first header share a device tree.
func (m *Machine) Board() *Board {
	if m.Revision != 0 && m.mayBePi() {
		if b := find("raspberrypi,", func(b *Board) bool { return b.hasRevision(m.Revision) }); b != nil {
			return b
		}
	}
	for _, entry := range m.Compatible {
		if b := find(entry, func(b *Board) bool { return slices.Contains(b.compatible, entry) }); b != nil {
			return b
		}
	}
	return nil
}

// mayBePi reports whether the machine may be a Raspberry Pi, by its device tree.
func (m *Machine) mayBePi() bool {
	return len(m.Compatible) == 0 || slices.ContainsFunc(m.Compatible, func(c string) bool { return strings.HasPrefix(c, "raspberrypi,") })
}

func (b *Board) hasRevision(code uint32) bool {
	if code&newCode != 0 {
		return slices.Contains(b.types, code>>4&0xff)
	}
	return slices.Contains(b.codes, code)
}

// find returns the first board of the tables that is meant. It reads only
// those families in whose text the word stands, and keeps none.
func find(word string, meant func(*Board) bool) *Board {
	for _, family := range families {
		if !strings.Contains(*family.text, word) {
			continue
		}
		boards := load(family.name, *family.text)
		if i := slices.IndexFunc(boards, meant); i >= 0 {
			return boards[i]
		}
	}
	return nil
}

// Names returns by what names a configuration may call the board: that of the
// tables, and those of the device trees that are it, with their maker or
// without.
func (b *Board) Names() []string {
	names := []string{b.Name}
	for _, entry := range b.compatible {
		_, short, _ := strings.Cut(entry, ",")
		for _, name := range []string{entry, short} {
			if name != "" && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// Named returns the board that goes by name: see Board.Names.
func Named(name string) (*Board, error) {
	word := strings.ToLower(name)
	if b := find(word, func(b *Board) bool { return b.Name == word }); b != nil {
		return b, nil
	}
	if b := find(word, func(b *Board) bool { return slices.Contains(b.Names(), word) }); b != nil {
		return b, nil
	}
	return nil, fmt.Errorf("unknown board %q", name)
}

// All returns all boards of the tables.
func All() []*Board {
	var all []*Board
	for _, family := range families {
		all = append(all, load(family.name, *family.text)...)
	}
	return all
}
