// SPDX-License-Identifier: MIT

package dtb

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A writer makes flattened trees, well formed or not.
type writer struct{ structure, names bytes.Buffer }

func (w *writer) words(words ...uint32) {
	for _, n := range words {
		w.structure.Write(binary.BigEndian.AppendUint32(nil, n))
	}
}

func (w *writer) padded(b []byte) {
	w.structure.Write(b)
	w.structure.Write(make([]byte, -len(b)&3))
}

func (w *writer) begin(name string) {
	w.words(beginNode)
	w.padded([]byte(name + "\x00"))
}

func (w *writer) property(name string, value []byte) {
	w.words(property, uint32(len(value)), uint32(w.names.Len()))
	w.names.WriteString(name + "\x00")
	w.padded(value)
}

func (w *writer) cells(name string, words ...uint32) {
	var value []byte
	for _, n := range words {
		value = binary.BigEndian.AppendUint32(value, n)
	}
	w.property(name, value)
}

// blob puts the blocks behind a header.
func (w *writer) blob() []byte {
	structure, names := uint32(w.structure.Len()), uint32(w.names.Len())
	var b []byte
	for _, n := range []uint32{magic, headerSize + structure + names, headerSize, headerSize + structure, headerSize, 17, 16, 0, names, structure} {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return append(append(b, w.structure.Bytes()...), w.names.Bytes()...)
}

// sample is a board with a bus, whose children's addresses begin at 0.
func sample() []byte {
	var w writer
	w.begin("")
	w.cells("#address-cells", 1)
	w.cells("#size-cells", 1)
	w.property("compatible", []byte("acme,board\x00acme,soc\x00"))
	w.property("empty", nil)
	w.begin("bus@44c00000")
	w.cells("#address-cells", 1)
	w.cells("#size-cells", 1)
	w.cells("ranges", 0, 0x44c00000, 0x400000)
	w.words(nop)
	w.begin("gpio@207000")
	w.property("compatible", []byte("ti,omap4-gpio\x00"))
	w.property("gpio-controller", nil)
	w.cells("reg", 0x207000, 0x1000)
	w.property("gpio-line-names", []byte("a\x00\x00c d\x00"))
	w.words(endNode)
	w.begin("gpio@500000")
	w.property("compatible", []byte("ti,omap4-gpio\x00"))
	w.property("gpio-controller", nil)
	w.property("status", []byte("disabled\x00"))
	w.words(endNode, endNode, endNode, end)
	return w.blob()
}

func TestTreeIsRead(t *testing.T) {
	root, err := Parse(sample())
	if err != nil {
		t.Fatal(err)
	}
	if got := root.Strings("compatible"); !slices.Equal(got, []string{"acme,board", "acme,soc"}) {
		t.Errorf("compatible %q", got)
	}
	if !root.Has("empty") || root.Has("absent") || root.Strings("empty") != nil {
		t.Error("an empty property is there, and holds no string")
	}
	gpio := root.Find("/bus@44c00000/gpio@207000")
	if gpio == nil || gpio.Path() != "/bus@44c00000/gpio@207000" {
		t.Fatalf("gpio is %v", gpio)
	}
	if root.Find("/bus@44c00000/gpio") != nil || root.Find("/") != root {
		t.Error("a path leads to its node and to no other")
	}
}

func TestChipsAreThoseThatTheKernelWouldMake(t *testing.T) {
	root, err := Parse(sample())
	if err != nil {
		t.Fatal(err)
	}
	chips := root.Chips()
	if len(chips) != 1 || chips[0].Device != "44e07000.gpio" {
		t.Fatalf("chips %+v", chips)
	}
	if names := chips[0].Names; len(names) != 32 || names[0] != "a" || names[1] != "" || names[2] != "c d" || names[3] != "" {
		t.Errorf("lines %q", names)
	}
}

func TestTreeIsWrittenAsTheKernelShowsIt(t *testing.T) {
	root, err := Parse(sample())
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "device-tree")
	if err := root.Write(dir); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"compatible":                               "acme,board\x00acme,soc\x00",
		"empty":                                    "",
		"bus@44c00000/gpio@207000/reg":             "\x00\x20\x70\x00\x00\x00\x10\x00",
		"bus@44c00000/gpio@500000/status":          "disabled\x00",
		"bus@44c00000/gpio@207000/gpio-controller": "",
	} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestNamesDoNotLeadOutOfTheFolder(t *testing.T) {
	for _, name := range []string{"..", "a/b"} {
		var w writer
		w.begin("")
		w.begin(name)
		w.words(endNode, endNode, end)
		root, err := Parse(w.blob())
		if err != nil {
			t.Fatal(err)
		}
		if err := root.Write(filepath.Join(t.TempDir(), "tree")); err == nil {
			t.Errorf("a node called %q was written", name)
		}
	}
}

func TestMalformedTreesAreRefused(t *testing.T) {
	tree := func(f func(*writer)) []byte {
		var w writer
		f(&w)
		return w.blob()
	}
	word := func(n int, value uint32) []byte {
		b := sample()
		binary.BigEndian.PutUint32(b[4*n:], value)
		return b
	}
	for want, blob := range map[string][]byte{
		"shorter than its header":        []byte("\xd0\x0d\xfe\xed"),
		"begins with":                    word(0, 1),
		"bytes of":                       word(1, 1<<30),
		"structure block":                word(2, 1<<31),
		"strings block":                  word(8, 0xffffffff),
		"not of this format":             word(5, 3),
		"does not begin with a node":     tree(func(w *writer) { w.words(end) }),
		"a node's name does not end":     tree(func(w *writer) { w.words(beginNode) }),
		"the root is called":             tree(func(w *writer) { w.begin("x"); w.words(endNode, end) }),
		"ends too early":                 tree(func(w *writer) { w.begin("") }),
		"does not end after the root":    tree(func(w *writer) { w.begin(""); w.words(endNode, end, nop) }),
		"token 7 out of place":           tree(func(w *writer) { w.begin(""); w.words(7) }),
		"token 3 out of place":           tree(func(w *writer) { w.begin(""); w.begin("a"); w.words(endNode, property) }),
		"ends within a value":            tree(func(w *writer) { w.begin(""); w.words(property, 9, 0); w.names.WriteString("a\x00") }),
		"a property's name is beyond":    tree(func(w *writer) { w.begin(""); w.words(property, 0, 9) }),
		"a property's name does not end": tree(func(w *writer) { w.begin(""); w.words(property, 0, 0); w.names.WriteString("a") }),
		"more than 64 nodes within": tree(func(w *writer) {
			w.begin("")
			for range 70 {
				w.begin("a")
			}
		}),
	} {
		if _, err := Parse(blob); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(sample())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, blob []byte) {
		root, err := Parse(blob)
		if err != nil {
			return
		}
		root.All(func(n *Node) { n.DeviceName() })
		root.Chips()
	})
}
