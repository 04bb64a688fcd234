// SPDX-License-Identifier: MIT

package blkid

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"unicode"
)

// TestRecorded probes the images of TestLikeBlkid where the programs that
// made them are not: on boards, and as a 32-bit program.
func TestRecorded(t *testing.T) {
	for _, m := range loadImages(t) {
		got, err := Probe(&m, m.Size)
		if got != m.Want || (err != nil) != m.Fails {
			t.Errorf("%s: %+v %v, want %+v", m.Name, got, err, m.Want)
		}
	}
	for _, m := range crafted() {
		if got := probe(t, m); got.Type != m.Want.Type {
			t.Errorf("%s: Type %q, want %q", m.Name, got.Type, m.Want.Type)
		}
	}
}

// What is asked while a card is in doubt takes few reads.
func TestBears(t *testing.T) {
	for _, m := range loadImages(t) {
		if m.Want.Usage != Filesystem {
			continue
		}
		r := &recorder{r: &m}
		is, err := Bears(r, m.Size, m.Want.Type, m.Want.UUID)
		if err != nil || !is {
			t.Errorf("%s: bears its own superblock: %v %v", m.Name, is, err)
		}
		all := &recorder{r: &m}
		if _, err := Probe(all, m.Size); err != nil || r.reads > 1 && r.reads >= all.reads {
			t.Errorf("%s: %d reads, where a probe takes %d (%v)", m.Name, r.reads, all.reads, err)
		}
		other := "vfat"
		if m.Want.Type == other {
			other = "ext4"
		}
		for _, it := range [][2]string{{m.Want.Type, m.Want.UUID + "0"}, {other, m.Want.UUID}, {"swap", m.Want.UUID}, {"", ""}} {
			if is, err := Bears(&m, m.Size, it[0], it[1]); err != nil || is {
				t.Errorf("%s: bears a %q: %v %v", m.Name, it, is, err)
			}
		}
	}
	if is, err := Bears(dying{craft("", 4*mib, Content{}), 0}, 4*mib, "ext4", ""); err == nil || is {
		t.Errorf("what cannot be read: %v %v", is, err)
	}
}

func TestAmbivalent(t *testing.T) {
	m := craft("", mib*4, Content{}).put(0, fat16).put(510, "\x55\xaa").put(4086, "SWAP-SPACE")
	_, err := Probe(m, m.Size)
	if err == nil || !strings.Contains(err.Error(), "vfat and swap") {
		t.Errorf("error %v, want one that names vfat and swap", err)
	}
	m.Size = 1440 * kib // what remained on a floppy does not count
	if got := probe(t, m); got.Type != "vfat" {
		t.Errorf("Type %q, want vfat", got.Type)
	}
}

// What is known by a few bytes, which may have outlived it, never outweighs what
// has a superblock.
func TestStrongSignatures(t *testing.T) {
	fat := func(size int64) *image { return craft("", size, Content{}).put(0, fat16).put(510, "\x55\xaa") }
	swap := func(m *image) *image { return m.put(4086, "SWAPSPACE2").put(1024, "\x01\x00\x00\x00\xff") }
	disc := func(m *image) *image { return m.put(isoStart+9, "CDROM") }
	for what, c := range map[string]struct {
		image *image
		want  string // "" for ambivalent
	}{
		"swap over a nameless FAT":              {swap(fat(4 * mib)), "swap"},
		"a disc whose boot record looks as FAT": {disc(fat(4 * mib)), "iso9660"},
		"swap over a nameless FAT on a floppy":  {swap(fat(1440 * kib)), "swap"},
		"swap over a FAT with a name":           {swap(fat(4*mib).put(fatName16, "FAT16   ")), ""},
		"a disc over old swap":                  {disc(craft("", 4*mib, Content{}).put(4086, "SWAP-SPACE")), "iso9660"},
		"a nameless FAT alone":                  {fat(4 * mib), "vfat"},
	} {
		got, err := Probe(c.image, c.image.Size)
		if got.Type != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: %q, %v; want %q", what, got.Type, err, c.want)
		}
	}
}

// TestFATLabel reads labels from root directories that mkfs does not make.
func TestFATLabel(t *testing.T) {
	file := "FILE    TXT\x20" + strings.Repeat("\x00", 20)
	long := "Aa\x00b\x00c\x00d\x00e\x00\x0f" + strings.Repeat("\x00", 20)
	deleted := "\xe5LD        \x08" + strings.Repeat("\x00", 20)
	directory := "DIR        \x18" + strings.Repeat("\x00", 20)
	volume := "LABEL  1   \x08" + strings.Repeat("\x00", 20)
	end := strings.Repeat("\x00", 32)
	for _, test := range []struct{ name, root, label string }{
		{"first", volume, "LABEL  1"},
		{"after others", deleted + long + file + directory + volume, "LABEL  1"},
		{"after the end", file + end + volume, ""},
		{"in the last entry", strings.Repeat(file, 15) + volume, "LABEL  1"},
		{"after the last", strings.Repeat(file, 16) + volume, ""},
		{"of spaces", "           " + volume[11:], ""},
	} {
		m := craft(test.name, mib*4, Content{}).put(0, fat16).put(510, "\x55\xaa").put(1024, test.root)
		if got := probe(t, m); got.Type != "vfat" || got.Label != test.label {
			t.Errorf("%s: type %q, label %q, want %q", test.name, got.Type, got.Label, test.label)
		}
	}
}

// fat32 is an image with two reserved sectors, a table of 64 sectors, and
// clusters of one sector, the root directory at cluster 2.
func fat32(chain ...uint32) *image {
	boot := make([]byte, 512)
	copy(boot, fat16)
	copy(boot[fatReserved:], "\x02\x00\x01\x00\x00\x00\x00\xf8\x00\x00")
	le.PutUint32(boot[fatSectors32:], 8000)
	le.PutUint32(boot[fatLength32:], 64)
	le.PutUint32(boot[fatRootCluster:], 2)
	copy(boot[fatBootSig:], "\x55\xaa")
	table := []byte("\xf8\xff\xff\x0f\xff\xff\xff\x0f")
	for _, next := range chain {
		table = le.AppendUint32(table, next)
	}
	return craft("", 8000*512, Content{}).put(0, string(boot)).put(2*512, string(table))
}

// cluster is where a cluster of fat32's is.
func cluster(n int64) int64 { return (2 + 64 + n - 2) * 512 }

func TestFATChain(t *testing.T) {
	full := strings.Repeat("FILE    TXT\x20"+strings.Repeat("\x00", 20), 16)
	volume := "FOUND      \x08"
	m := fat32(5, 0, 0, 3).put(cluster(2), full).put(cluster(5), full).put(cluster(3), volume)
	if got := probe(t, m); got.Label != "FOUND" || got.Version != "FAT32" || got.Dirty {
		t.Errorf("a chain of three: %+v", got)
	}
	for name, m := range map[string]*image{
		"a loop":             fat32(5, 0, 0, 2).put(cluster(2), full).put(cluster(5), full),
		"to itself":          fat32(2).put(cluster(2), full),
		"out of the table":   fat32(0x0ffffff7).put(cluster(2), full),
		"out of the disk":    fat32(8100).put(cluster(2), full),
		"to a reserved one":  fat32(1).put(cluster(2), full).put(cluster(1), volume),
		"nowhere":            fat32(0).put(cluster(2), full),
		"of an empty volume": fat32(0x0fffffff),
	} {
		r := &recorder{r: m}
		if got, err := Probe(r, m.Size); err != nil || got.Type != "vfat" || got.Label != "" {
			t.Errorf("a chain that goes %s: %+v %v", name, got, err)
		}
		if r.amount > maxRead {
			t.Errorf("a chain that goes %s: %d bytes read", name, r.amount)
		}
	}
}

// TestFATDirty looks at the marks that Windows leaves in the table.
func TestFATDirty(t *testing.T) {
	for mark, want := range map[uint32]bool{0x0fffffff: false, 0x07ffffff: true, 0x0bffffff: true} {
		m := fat32(0x0fffffff).put(2*512+4, string(le.AppendUint32(nil, mark)))
		if got := probe(t, m); got.Dirty != want {
			t.Errorf("mark %#x: Dirty %v, want %v", mark, got.Dirty, want)
		}
	}
}

// stored returns the recorded image of a name, and the offset in it of the
// first text.
func stored(t *testing.T, name, text string) (*image, int64) {
	t.Helper()
	for _, m := range loadImages(t) {
		if m.Name != name {
			continue
		}
		for _, p := range m.Pieces {
			if at := strings.Index(string(p.Data), text); at >= 0 {
				return &m, p.Offset + int64(at)
			}
		}
	}
	t.Fatalf("no %q in a recorded image %q", text, name)
	return nil, 0
}

// TestNTFSDirty sets the flag in the record of the volume, where the version
// of the format stands before it.
func TestNTFSDirty(t *testing.T) {
	version := strings.Repeat("\x00", 8) + "\x03\x01"
	m, at := stored(t, "ntfs", version+"\x00\x00")
	if got := probe(t, m.put(at+int64(len(version)), "\x01")); !got.Dirty {
		t.Errorf("%+v, want it dirty", got)
	}
}

// TestNTFSLies makes nonsense of the lengths in the attribute with the label.
func TestNTFSLies(t *testing.T) {
	const header = 24 // bytes, before the label
	for _, lie := range []struct {
		offset int64
		value  string
	}{
		{4, "\x00\x00\x00\x00"}, {4, "\x10\x00\x00\x00"}, {4, "\xff\xff\xff\xff"}, {4, "\x00\x10\x00\x00"},
		{16, "\xff\xff\xff\xff"}, {16, "\x00\x10\x00\x00"}, {20, "\xff\xff"},
	} {
		m, at := stored(t, "ntfs label", "G\x00r\x00")
		if got := probe(t, m.put(at-header+lie.offset, lie.value)); got.Type != "ntfs" || got.Label != "" {
			t.Errorf("%x at %d: %+v", lie.value, lie.offset, got)
		}
	}
}

func TestExfatLies(t *testing.T) {
	m, at := stored(t, "exfat label", "\x83\x04B\x00")
	if got := probe(t, m.put(at+1, "\xff")); got.Type != "exfat" || got.Label != "Bü/漢" {
		t.Errorf("%+v", got)
	}
}

func TestUDFDirty(t *testing.T) {
	closed := string(le.AppendUint32(nil, 1))
	m, at := stored(t, "udf", "\x09\x00\x03\x00") // integrity descriptor, and the version of its tag
	if !m.has(at+udfIsClosed, closed) {
		t.Fatal("made open")
	}
	if got := probe(t, m.put(at+udfIsClosed, "\x00")); got.Type != "udf" || !got.Dirty {
		t.Errorf("%+v, want it dirty", got)
	}
}

// TestF2FSDirty writes a checkpoint that is not from umount, as the newest
// and as one that is not.
func TestF2FSDirty(t *testing.T) {
	for version, want := range map[uint64]bool{1 << 40: true, 0: false} {
		m, at := stored(t, "f2fs", f2fsMagic)
		block := make([]byte, 4)
		m.ReadAt(block, at+f2fsCheckpoint)
		second := int64(le.Uint32(block))*4096 + 512*4096
		m.put(second, string(le.AppendUint64(nil, version))).put(second+f2fsFlags, "\x00")
		if got := probe(t, m); got.Dirty != want {
			t.Errorf("checkpoint %d: %+v", version, got)
		}
	}
}

// TestExtSize counts blocks in 64 bits where the filesystem does.
func TestExtSize(t *testing.T) {
	m := craft("", mib, Content{}).put(extStart+extMagic, "\x53\xef").put(extStart+extBlocks, "\x05").
		put(extStart+extBlocksHigh, "\x01").put(extStart+extBlockShift, "\x02")
	if got := probe(t, m); got.Type != "ext2" || got.Size != 5*4096 {
		t.Errorf("32 bits: %+v", got)
	}
	m.put(extStart+extIncompatible, "\x80")
	if got := probe(t, m); got.Type != "ext4" || got.Size != (1<<32+5)*4096 {
		t.Errorf("64 bits: %+v", got)
	}
	m.put(extStart+extBlockShift, "\xff")
	if got := probe(t, m); got.Size != 0 {
		t.Errorf("blocks of an impossible size: %+v", got)
	}
}

// TestShort cuts images off wherever their superblocks are: what then cannot
// be read is not there, and no error.
func TestShort(t *testing.T) {
	for _, m := range loadImages(t) {
		for _, p := range m.Pieces {
			for _, size := range []int64{p.Offset, p.Offset + 1, p.Offset + int64(len(p.Data)) - 1} {
				if _, err := Probe(&m, size); err != nil && !m.Fails {
					t.Errorf("%s of %d bytes: %v", m.Name, size, err)
				}
				short := image{Size: size, Pieces: m.Pieces} // which it has not said
				if _, err := Probe(&short, m.Size); err != nil && !m.Fails {
					t.Errorf("%s that ends after %d bytes: %v", m.Name, size, err)
				}
			}
		}
	}
}

// A dying device cannot be read from an offset on.
type dying struct {
	io.ReaderAt
	from int64
}

func (d dying) ReadAt(b []byte, offset int64) (int, error) {
	if end := offset + int64(len(b)); end > d.from {
		return 0, &wrapped{syscall.EIO}
	}
	return d.ReaderAt.ReadAt(b, offset)
}

type wrapped struct{ error }

func (w *wrapped) Unwrap() error { return w.error }

func TestReadError(t *testing.T) {
	m := craft("", 4*mib, Content{}).put(0, fat16).put(510, "\x55\xaa")
	for _, from := range []int64{0, 4096, 64 * kib, 4*mib - 8*kib} {
		content, err := Probe(dying{m, from}, m.Size)
		if !errors.Is(err, syscall.EIO) || content != (Content{}) {
			t.Errorf("unreadable from %d on: %+v, %v", from, content, err)
			continue
		}
		var n int
		var at int64
		if _, err := fmt.Sscanf(err.Error(), "read %d bytes at %d:", &n, &at); err != nil || at+int64(n) <= from {
			t.Errorf("unreadable from %d on: %v", from, err)
		}
	}
}

// TestReadsLittle holds what a probe reads of an ordinary stick to a few
// pages.
func TestReadsLittle(t *testing.T) {
	for _, m := range loadImages(t) {
		r := &recorder{r: &m}
		if _, err := Probe(r, m.Size); err != nil && !m.Fails {
			t.Fatal(err)
		}
		if r.reads > 24 || r.amount > 256*kib || r.largest > maxPiece+page {
			t.Errorf("%s: %d bytes in %d reads, %d at once", m.Name, r.amount, r.reads, r.largest)
		}
	}
}

// FuzzProbe takes a size and pieces, each an offset of eight bytes, a length
// of two, and data.
func FuzzProbe(f *testing.F) {
	add := func(m *image) {
		var pieces []byte
		for _, p := range m.Pieces {
			for len(p.Data) > 0 {
				data := p.Data[:min(len(p.Data), 4096)]
				pieces = binary.BigEndian.AppendUint64(pieces, uint64(p.Offset))
				pieces = binary.BigEndian.AppendUint16(pieces, uint16(len(data)))
				pieces = append(pieces, data...)
				p.Offset, p.Data = p.Offset+int64(len(data)), p.Data[len(data):]
			}
		}
		f.Add(m.Size, pieces)
	}
	for _, m := range crafted() {
		add(m)
	}
	add(fat32(5, 0, 0, 2))
	for _, m := range loadImages(f) {
		add(&m)
	}
	f.Fuzz(func(t *testing.T, size int64, pieces []byte) {
		m := &image{Size: size}
		for len(pieces) >= 10 {
			n := min(int(binary.BigEndian.Uint16(pieces[8:])), len(pieces)-10)
			m.put(int64(binary.BigEndian.Uint64(pieces)), string(pieces[10:10+n]))
			pieces = pieces[10+n:]
		}
		r := &recorder{r: m}
		c, err := Probe(r, size)
		if r.amount > maxRead || r.largest > maxPiece+page {
			t.Errorf("%d bytes read, %d at once", r.amount, r.largest)
		}
		if err != nil {
			if !strings.HasPrefix(err.Error(), "ambivalent") {
				t.Errorf("Probe: %v", err)
			}
			return
		}
		if (c.Type == "") != (c.Usage == "") || c.Size < 0 || strings.Contains(c.Label, "\x00") ||
			strings.Contains(c.Options, "\x00") || strings.ContainsFunc(c.Elsewhere, func(r rune) bool { return !unicode.IsPrint(r) }) ||
			plain(c.UUID) != c.UUID || plain(c.TableUUID) != c.TableUUID {
			t.Errorf("%+v", c)
		}
	})
}

// BenchmarkProbe probes a stick as cameras format them.
func BenchmarkProbe(b *testing.B) {
	for _, m := range loadImages(b) {
		if m.Name != "fat32 label" && m.Name != "ext4" && m.Name != "exfat" {
			continue
		}
		b.Run(m.Name, func(b *testing.B) {
			b.ReportAllocs()
			r := &recorder{r: &m}
			for b.Loop() {
				if _, err := Probe(&m, m.Size); err != nil {
					b.Fatal(err)
				}
			}
			Probe(r, m.Size)
			b.ReportMetric(float64(r.amount), "read-B/op")
			b.ReportMetric(float64(r.reads), "reads/op")
		})
	}
}
