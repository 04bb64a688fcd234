// SPDX-License-Identifier: MIT

// What needs no board: logs, tails, command lines and sticks.

package lab

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"reflexd/lab/image"
)

func TestLineAround(t *testing.T) {
	const text = "first\nsecond line\nthird\n"
	for _, test := range []struct {
		match, line string
		rest        string
	}{
		{"first", "first", "second line\nthird\n"},
		{"cond", "second line", "third\n"},
		{"third\n", "third", ""},
		{"first\nsec", "first\nsecond line", "third\n"},
	} {
		begin := strings.Index(text, test.match)
		line, end := lineAround([]byte(text), [2]int{begin, begin + len(test.match)})
		if line != test.line || text[end:] != test.rest {
			t.Errorf("match %q: line %q, rest %q; want %q, %q", test.match, line, text[end:], test.line, test.rest)
		}
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	var tail tail
	for range 10 {
		if _, err := tail.Write(bytes.Repeat([]byte("x"), tailSize/2)); err != nil {
			t.Fatal(err)
		}
	}
	_, _ = tail.Write([]byte("end"))
	if text := tail.String(); len(text) != tailSize || !strings.HasSuffix(text, "xend") {
		t.Errorf("%d bytes, ending in %q", len(text), text[len(text)-4:])
	}
}

func TestIcountNeedsVirt(t *testing.T) {
	if _, err := Pi3.qemuArgs(Config{Icount: true}, &image.Image{}); err == nil {
		t.Error("the Pi took instruction counting")
	}
	args, err := Virt.qemuArgs(Config{Icount: true}, &image.Image{})
	if err != nil || !slices.Contains(args, "-icount") || args[slices.Index(args, "-smp")+1] != "1" {
		t.Errorf("args %q, error %v", args, err)
	}
}

func TestHeader(t *testing.T) {
	spec := Header("pinctrl-bcm2711")
	if len(spec.Lines) != 54 || spec.Lines[17] != "GPIO17" || spec.Lines[1] != "" || spec.Lines[28] != "" {
		t.Errorf("lines %q", spec.Lines)
	}
}

func TestStickImage(t *testing.T) {
	if missing := image.MissingPackages(); len(missing) > 0 && os.Getenv("REFLEXD_TOOLS") != "all" {
		t.Skip("without ", missing)
	}
	stick := filepath.Join(t.TempDir(), "stick.img")
	err := StickImage(t.Context(), stick,
		Volume{Type: "vfat", Label: "PHOTOS", ID: "1234ABCD", Files: map[string][]byte{"DCIM/one.jpg": []byte("one")}},
		Volume{Type: "ext4", Label: "data", Size: 8 << 20, Files: map[string][]byte{"a": []byte("hello")}},
		Volume{Type: "exfat", Label: "big", Size: 8 << 20},
	)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(stick)
	if err != nil {
		t.Fatal(err)
	}
	wantTypes := []byte{0x0c, 0x83, 0x07, 0}
	for i, want := range wantTypes {
		if got := data[partitionAt+i*partitionSize+4]; got != want {
			t.Errorf("partition %d has type %#x, want %#x", i+1, got, want)
		}
	}
	partition := func(i int) []byte {
		entry := data[partitionAt+i*partitionSize:]
		at := sector * int(binary.LittleEndian.Uint32(entry[8:]))
		return data[at : at+sector*int(binary.LittleEndian.Uint32(entry[12:]))]
	}
	if fat := partition(0); string(fat[0x36:0x3b]) != "FAT16" || binary.LittleEndian.Uint32(fat[0x27:]) != 0x1234abcd {
		t.Errorf("the first partition begins %q", fat[:64])
	}
	if ext4 := partition(1); binary.LittleEndian.Uint16(ext4[0x438:]) != 0xef53 || !bytes.Contains(ext4, []byte("hello")) {
		t.Error("the second partition is no ext4 with a file in it")
	}
	if exfat := partition(2); string(exfat[3:8]) != "EXFAT" {
		t.Errorf("the third partition begins %q", exfat[:16])
	}
}

func TestStickImageErrors(t *testing.T) {
	stick := filepath.Join(t.TempDir(), "stick.img")
	for name, volumes := range map[string][]Volume{
		"unknown file system": {{Type: "zfs"}},
		"filled exfat":        {{Type: "exfat", Files: map[string][]byte{"a": nil}}},
		"five partitions":     make([]Volume, 5),
	} {
		if err := StickImage(t.Context(), stick, volumes...); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
