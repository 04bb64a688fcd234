// SPDX-License-Identifier: MIT

package blkid

import (
	"strings"
	"testing"
	"unicode"
)

// field is what a patch writes.
type field struct {
	at   int64
	text string
}

const zero8 = "\x00\x00\x00\x00\x00\x00\x00\x00"

// bits returns the four bytes of an image in which some bits are set.
func (m *image) bits(at int64, set uint32) field {
	b := make([]byte, 4)
	m.ReadAt(b, at)
	return field{at, string(le.AppendUint32(nil, le.Uint32(b)|set))}
}

// seal makes the checksum of a patched superblock right.
func (m *image) seal(kind string) {
	read := func(at int64, n int) []byte {
		b := make([]byte, n)
		m.ReadAt(b, at)
		return b
	}
	switch kind {
	case "ext4":
		m.put(extStart+extChecksum, string(le.AppendUint32(nil, crc32c(read(extStart, extChecksum)))))
	case "btrfs":
		m.put(btrfsStart, string(le.AppendUint32(nil, ^crc32c(read(btrfsStart+btrfsUUID, btrfsLength-btrfsUUID)))))
	case "xfs":
		m.put(xfsChecksum, "\x00\x00\x00\x00")
		m.put(xfsChecksum, string(le.AppendUint32(nil, ^crc32c(read(0, 512)))))
	}
}

func TestElsewhere(t *testing.T) {
	ext, _ := stored(t, "ext4", "\x53\xef")
	path := strings.Repeat("/", 64)
	for _, c := range []struct {
		name, kind string
		fields     []field
		want       string
	}{
		{"ext4", "ext4", nil, ""},
		{"ext4", "ext4", []field{{extStart + extJournalInode, "\x00\x00\x00\x00"}}, "its journal is on another device"},
		{"ext4", "ext4", []field{{extStart + extCompatible, "\x00\x00\x00\x00"}, {extStart + extJournalInode, "\x00\x00\x00\x00"}}, ""}, // no journal
		{"ext4", "ext4", []field{ext.bits(extStart+extJournalInode, 1<<31)}, ""},
		{"xfs", "xfs", nil, ""},
		{"xfs", "xfs", []field{{xfsLogStart, zero8}}, "its log is on another device"},
		{"xfs", "xfs", []field{{xfsRealtime, "\xff"}}, "its realtime section is on another device"},
		{"xfs", "xfs", []field{{xfsRealtime, "\xff"}, {xfsIncompatible, "\x00\x00\x02\x00"}}, ""}, // behind the data
		{"xfs without checksums", "", []field{{xfsLogStart, zero8}}, "its log is on another device"},
		{"xfs without checksums", "", []field{{xfsRealtime, "\xff"}, {xfsIncompatible, "\x00\x00\x02\x00"}}, "its realtime section is on another device"},
		{"btrfs", "btrfs", nil, ""},
		{"btrfs", "btrfs", []field{{btrfsStart + btrfsDevices, "\x02"}}, "it is one of 2 devices"},
		{"btrfs", "btrfs", []field{{btrfsStart + btrfsDevices, strings.Repeat("\xff", 8)}}, "it is one of 18446744073709551615 devices"},
		{"btrfs", "btrfs", []field{{btrfsStart + btrfsDevices, zero8}}, ""},
		{"f2fs", "", nil, ""},
		{"f2fs", "", []field{{f2fsStart + f2fsDevice, "/dev/sda\x00junk"}}, `its superblock names devices, the first of them "/dev/sda"`},
		{"f2fs", "", []field{{f2fsStart + f2fsDevice, path + "\x01"}}, `"` + path + `"`},
		{"f2fs", "", []field{{f2fsStart + f2fsDevice, "\n\x1b[1m\xff\u202e"}}, `"\n\x1b[1m\xff\u202e"`},
		{"f2fs", "", []field{{f2fsStart + f2fsDevice + 68, "/dev/sda"}}, ""}, // the second of none
		{"f2fs", "", []field{{f2fsStart + f2fsMajor, "\x01\x00\x00\x00"}, {f2fsStart + f2fsDevice, "/dev/sda"}}, `"/dev/sda"`},
		{"f2fs", "", []field{{4096 + f2fsStart, f2fsMagic}, {4096 + f2fsStart + f2fsDevice, "/dev/sda"}}, `"/dev/sda"`},
		{"f2fs", "", []field{{16<<10 + f2fsStart, f2fsMagic}, {16<<10 + f2fsStart + f2fsDevice, "/dev/sda"}}, `"/dev/sda"`},
		{"f2fs", "", []field{{16<<10 + f2fsStart + f2fsDevice, "/dev/sda"}}, ""}, // no superblock
	} {
		m, _ := stored(t, c.name, "")
		for _, f := range c.fields {
			m.put(f.at, f.text)
		}
		m.seal(c.kind)
		got := probe(t, m)
		if !strings.HasSuffix(got.Elsewhere, c.want) || (got.Elsewhere == "") != (c.want == "") || got.Type == "" {
			t.Errorf("%s with %v: %+v, want %q", c.name, c.fields, got, c.want)
		}
		if strings.ContainsFunc(got.Elsewhere, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%s: %q is not printable", c.name, got.Elsewhere)
		}
	}
}

func TestExtOptions(t *testing.T) {
	long := strings.Repeat("x", 64)
	for text, want := range map[string]string{
		"": "", "errors=panic\x00": "errors=panic", "\x00journal_path=/dev/sda": "", long: long,
	} {
		m, _ := stored(t, "ext4", "")
		m.put(extStart+extOptions, text)
		m.seal("ext4")
		if got := probe(t, m); got.Options != want || got.Type != "ext4" {
			t.Errorf("%q: %+v", text, got)
		}
	}
}
