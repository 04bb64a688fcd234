// SPDX-License-Identifier: MIT

// Images of all kinds, made by the programs that people use, and by hand
// where those want a device: we must say what the real blkid says.

package blkid

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

var record = flag.Bool("record", false, "write what is read of the images into "+recorded)

// A sample is an image that commands make; % in them stands for the file.
type sample struct {
	name     string
	size     int64
	commands []string
	patch    func(*image) // what is changed then
	label    string       // stands for # in the commands, which are split at spaces
	dirty    bool
	readOnly bool
	unlike   unlike
}

// unlike is where we mean to differ from blkid.
type unlike string

const (
	same     unlike = ""
	exfat    unlike = "an exFAT boot sector is no partition table: blkid learnt that after version 2.38"
	checksum unlike = "a superblock with a wrong checksum is none: so did it this"
	member   unlike = "a part of a pool is no filesystem"
)

const (
	kib = 1 << 10
	mib = 1 << 20
)

var samples = []sample{
	{name: "fat12", size: mib, commands: []string{"mkfs.vfat -F12 %"}},
	{name: "fat12 floppy", size: 1440 * kib, commands: []string{"mkfs.vfat %"}},
	{name: "fat12 label", size: 4 * mib, commands: []string{"mkfs.vfat -F12 -n # %"}, label: "ELEVENCHARS"},
	{name: "fat16", size: 16 * mib, commands: []string{"mkfs.vfat -F16 %"}},
	{name: "fat16 label", size: 64 * mib, commands: []string{"mkfs.vfat -F16 -n # %"}, label: "MY STICK"},
	{name: "fat16 large sectors", size: 64 * mib, commands: []string{"mkfs.vfat -F16 -S4096 -n # %"}, label: "A B C"},
	{name: "fat32", size: 64 * mib, commands: []string{"mkfs.vfat -F32 %"}},
	{name: "fat32 label", size: 64 * mib, commands: []string{"mkfs.vfat -F32 -n # %"}, label: "CAMERA-1"},
	{name: "fat32 small clusters", size: 300 * mib, commands: []string{"mkfs.vfat -F32 -s1 -f1 -n # %"}, label: "X"},
	{name: "fat32 large clusters", size: 600 * mib, commands: []string{"mkfs.vfat -F32 -s128 -S4096 -n # %"}, label: "BIG"},
	{name: "fat32 dirty", size: 64 * mib, commands: []string{"mkfs.vfat -F32 %"}, dirty: true,
		patch: func(m *image) { m.put(0x41, "\x01") }},
	{name: "fat32 code page", size: 64 * mib, commands: []string{"mkfs.vfat -F32 -s1 -f1 -n # %"}, label: "MUELLER",
		patch: func(m *image) { m.put(fatRootAt(m), "\x05M\x9aLL\x01/..R") }},
	{name: "fat32 label in boot sector only", size: 64 * mib, commands: []string{"mkfs.vfat -F32 -s1 -f1 -n # %"}, label: "STALE",
		patch: func(m *image) { m.put(fatRootAt(m), "\xe5") }},
	{name: "fat without names", size: 16 * mib, commands: []string{"mkfs.vfat -F16 %"},
		patch: func(m *image) { m.put(0x36, "xxxxxxxx") }},

	{name: "exfat", size: 8 * mib, unlike: exfat, commands: []string{"mkfs.exfat %"}},
	{name: "exfat label", size: 64 * mib, unlike: exfat, commands: []string{"mkfs.exfat -L # %"}, label: "Bü/漢"},
	{name: "exfat large clusters", size: 512 * mib, unlike: exfat, commands: []string{"mkfs.exfat -c 1M -L # %"}, label: "elevenchars"},
	{name: "exfat dirty", size: 8 * mib, unlike: exfat, commands: []string{"mkfs.exfat %"}, dirty: true,
		patch: func(m *image) { m.put(exfatFlags, "\x02") }},

	{name: "ext2", size: 8 * mib, commands: []string{"mke2fs -q -t ext2 %"}},
	{name: "ext3 label", size: 16 * mib, commands: []string{"mke2fs -q -t ext3 -L # %"}, label: "sixteen letters!"},
	{name: "ext4", size: 16 * mib, commands: []string{"mke2fs -q -t ext4 %"}},
	{name: "ext4 label", size: 64 * mib, commands: []string{"mke2fs -q -t ext4 -L # %"}, label: "../ü\t\"$x\" "},
	{name: "ext4 control characters", size: 64 * mib, commands: []string{"mke2fs -q -t ext4 -b4096 -L # %"}, label: "a\nb\x1b[1m\xff"},
	{name: "ext4 without checksums", size: 16 * mib, commands: []string{"mke2fs -q -t ext4 -O ^metadata_csum,^64bit %"}},
	{name: "ext4 not clean", size: 16 * mib, commands: []string{"mke2fs -q -t ext4 -O ^metadata_csum %"}, dirty: true,
		patch: func(m *image) { m.put(extStart+extState, "\x00") }},
	{name: "ext4 with errors", size: 16 * mib, commands: []string{"mke2fs -q -t ext4 -O ^metadata_csum %"}, dirty: true,
		patch: func(m *image) { m.put(extStart+extState, "\x03") }},
	{name: "ext4 broken superblock", unlike: checksum, size: 16 * mib, commands: []string{"mke2fs -q -t ext4 %"},
		patch: func(m *image) { m.put(extStart+extLabel, "torn") }},
	{name: "ext4 read-only", size: 16 * mib, commands: []string{"mke2fs -q -t ext4 %", "tune2fs -O read-only %"}, readOnly: true},
	{name: "jbd", size: 16 * mib, commands: []string{"mke2fs -q -O journal_dev -L # %"}, label: "log"},

	{name: "ntfs", size: 16 * mib, commands: []string{"mkntfs -q -F -Q -p0 -H0 -S0 %"}},
	{name: "ntfs label", size: 64 * mib, commands: []string{"mkntfs -q -F -Q -p0 -H0 -S0 -c65536 -L # %"}, label: "Größe 𝄞 \\x"},

	{name: "iso9660", commands: []string{"genisoimage -quiet -V # -o % testdata"}, label: "PLAIN_DISC"},
	{name: "iso9660 joliet", commands: []string{"genisoimage -quiet -J -V # -o % testdata"}, label: "A LABEL OF TWO AND THIRTY LETTRS"},
	{name: "iso9660 joliet only", commands: []string{"xorriso -as mkisofs -quiet -J -V # -o % testdata"}, label: "ünicode disc"},
	{name: "iso9660 hybrid", commands: []string{"xorriso -as mkisofs -quiet -J -V # -append_partition 2 0xef testdata/../image_test.go -o % testdata"}, label: "HYBRID"},
	{name: "iso9660 gpt", commands: []string{"xorriso -as mkisofs -quiet -V # -appended_part_as_gpt -append_partition 2 0xef testdata/../image_test.go -o % testdata"}, label: "HYBRID2"},
	{name: "iso9660 and udf", commands: []string{"genisoimage -quiet -udf -V # -o % testdata", "truncate -s 4M %"}, label: "BRIDGE", readOnly: true},

	{name: "udf", size: 16 * mib, commands: []string{"mkudffs -b512 %"}},
	{name: "udf label", size: 16 * mib, commands: []string{"mkudffs --utf8 -b512 -l # %"}, label: "Wörter"},
	{name: "udf wide label", size: 16 * mib, commands: []string{"mkudffs --utf8 -b2048 -l # -r0x0201 %"}, label: "漢字 disc"},
	{name: "udf 4096", size: 16 * mib, commands: []string{"mkudffs -b4096 -r0x0102 --uuid=0123456789abcdef %"}},
	{name: "udf odd id", size: 16 * mib, commands: []string{"mkudffs -b512 --fullvsid # %"}, label: "Not hexadecimal digits"},
	{name: "udf half odd id", size: 16 * mib, commands: []string{"mkudffs -b512 --fullvsid # %"}, label: "0123ABCDnot these"},
	{name: "udf short id", size: 16 * mib, commands: []string{"mkudffs -b512 --fullvsid # %"}, label: "0123abcd9"},

	{name: "btrfs", size: 128 * mib, commands: []string{"mkfs.btrfs -q %"}},
	{name: "btrfs label", size: 128 * mib, commands: []string{"mkfs.btrfs -q --csum xxhash -L # %"}, label: "a b/c ü"},
	{name: "btrfs broken superblock", unlike: checksum, size: 128 * mib, commands: []string{"mkfs.btrfs -q %"},
		patch: func(m *image) { m.put(btrfsStart+btrfsLabel, "torn") }},
	{name: "xfs", size: 320 * mib, commands: []string{"mkfs.xfs -q %"}},
	{name: "xfs label", size: 320 * mib, commands: []string{"mkfs.xfs -q -L # -b size=1024 %"}, label: "twelveLetter"},
	{name: "xfs without checksums", size: 320 * mib, commands: []string{"mkfs.xfs -q -m crc=0 %"}},
	{name: "xfs broken superblock", unlike: checksum, size: 320 * mib, commands: []string{"mkfs.xfs -q %"},
		patch: func(m *image) { m.put(xfsLabel, "torn") }},
	{name: "f2fs", size: 64 * mib, commands: []string{"mkfs.f2fs -q %"}},
	{name: "f2fs label", size: 128 * mib, commands: []string{"mkfs.f2fs -q -l # %"}, label: "Flash ü/漢"},
	{name: "f2fs checksum", size: 64 * mib, commands: []string{"mkfs.f2fs -q -O extra_attr,sb_checksum %"}},
	{name: "f2fs broken superblock", unlike: checksum, size: 64 * mib, commands: []string{"mkfs.f2fs -q -O extra_attr,sb_checksum %"},
		patch: func(m *image) { m.put(f2fsStart+f2fsLabel, "t\x00o\x00r\x00n") }},
	{name: "squashfs", commands: []string{"mksquashfs image_test.go % -quiet -no-progress"}},

	{name: "swap", size: mib, commands: []string{"mkswap %"}},
	{name: "swap label", size: mib, commands: []string{"mkswap -p65536 -L # %"}, label: "swap/1 ü"},
	{name: "hibernated", size: mib, commands: []string{"mkswap %"},
		patch: func(m *image) { m.put(4096-10, "S1SUSPEND\x00") }},
	{name: "luks1", size: 32 * mib, commands: []string{
		"cryptsetup luksFormat -q --type luks1 --pbkdf-force-iterations 1000 --key-file testdata/key %"}},
	{name: "luks2", size: 32 * mib, commands: []string{
		"cryptsetup luksFormat -q --type luks2 --label # --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --key-file testdata/key %"}, label: "secret stuff"},

	{name: "dos table", size: 16 * mib, commands: []string{"sfdisk -q % <2048,,c\n"}},
	{name: "dos table without partitions", size: 16 * mib, commands: []string{"sfdisk -q % <label:dos\n"}},
	{name: "gpt", size: 16 * mib, commands: []string{"sfdisk -q % <label:gpt\n,,L\n"}},
	{name: "gpt, first header broken", size: 16 * mib, commands: []string{"sfdisk -q % <label:gpt\n,,L\n"},
		patch: func(m *image) { m.put(512+gptID, "torn") }},
	{name: "gpt broken", size: 16 * mib, commands: []string{"sfdisk -q % <label:gpt\n,,L\n"},
		patch: func(m *image) { m.put(512+gptID, "torn").put(m.Size-512+gptID, "torn") }},
	{name: "table and ext4", size: 16 * mib, commands: []string{"sfdisk -q % <2048,,c\n", "mke2fs -q -F -t ext4 %"}},
	{name: "fat and swap", size: 64 * mib, commands: []string{"mkfs.vfat -F32 %"}, patch: func(m *image) {
		m.put(1024, "\x01\x00\x00\x00\xff\x00\x00\x00").put(4096-10, "SWAPSPACE2")
	}},
	{name: "fat over a table", size: 64 * mib, commands: []string{"sfdisk -q % <2048,,c\n", "mkfs.vfat -I -F32 %"}},
}

// fatRootAt is where the root directory of a FAT32 image with one table and
// one sector a cluster is.
func fatRootAt(m *image) int64 {
	boot := make([]byte, 512)
	m.ReadAt(boot, 0)
	return (int64(le.Uint16(boot[fatReserved:])) + int64(le.Uint32(boot[fatLength32:]))) * 512
}

func TestLikeBlkid(t *testing.T) {
	dir := t.TempDir()
	var images []image
	for i, s := range samples {
		t.Run(s.name, func(t *testing.T) {
			path := filepath.Join(dir, strconv.Itoa(i))
			s.make(t, path)
			defer os.Remove(path)
			m := image{Name: s.name, Want: likeBlkid(t, path, s.unlike)}
			r := m.recordFile(t, path)
			if t.Failed() {
				return
			}
			if m.Want.Dirty != s.dirty {
				t.Errorf("Dirty: %v, want %v", m.Want.Dirty, s.dirty)
			}
			if s.readOnly && !m.Want.ReadOnly {
				t.Errorf("not ReadOnly")
			}
			t.Logf("%+v, %d KiB in %d reads", m.Want, r.amount>>10, r.reads)
			images = append(images, m)
		})
	}
	for _, m := range crafted() {
		t.Run(m.Name, func(t *testing.T) {
			path := filepath.Join(dir, "crafted")
			m.file(t, path)
			defer os.Remove(path)
			difference := same
			if m.Want.Type == "zfs_member" {
				difference = member
			}
			got := likeBlkid(t, path, difference)
			if got.Type != m.Want.Type {
				t.Errorf("Type %q, want %q", got.Type, m.Want.Type)
			}
			m.Want = got
			images = append(images, *m)
		})
	}
	if *record && !t.Failed() {
		saveImages(t, images)
	}
}

// make runs the commands of a sample.
func (s *sample) make(t *testing.T, path string) {
	t.Helper()
	if s.size > 0 {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, s.size); err != nil {
			t.Fatal(err)
		}
	}
	for _, command := range s.commands {
		command, input, _ := strings.Cut(command, " <")
		args := strings.Split(command, " ")
		for i, arg := range args {
			switch arg {
			case "%":
				args[i] = path
			case "#":
				args[i] = s.label
			}
		}
		run(t, input, args...)
	}
	if s.patch != nil {
		patchFile(t, path, s.patch)
	}
}

// patchFile changes a file.
func patchFile(t *testing.T, path string, patch func(*image)) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	stat, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	start := make([]byte, 512)
	if _, err := f.ReadAt(start, 0); err != nil {
		t.Fatal(err)
	}
	m := (&image{Size: stat.Size()}).put(0, string(start))
	patch(m)
	for _, p := range m.Pieces[1:] {
		if _, err := f.WriteAt(p.Data, p.Offset); err != nil {
			t.Fatal(err)
		}
	}
}

// recordFile fills in the image of what a probe reads.
func (m *image) recordFile(t *testing.T, path string) *recorder {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	stat, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	m.Size = stat.Size()
	r := &recorder{r: f}
	_, err = Probe(r, m.Size)
	m.Pieces, m.Fails = r.pieces, err != nil
	return r
}

// likeBlkid probes a file and compares the result with blkid's.
func likeBlkid(t *testing.T, path string, unlike unlike) Content {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	stat, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Probe(f, stat.Size())
	want := blkid(t, path)
	if ambivalent := want["ID_FS_AMBIVALENT"]; ambivalent != "" {
		if err == nil {
			t.Errorf("no error, but blkid finds %s", ambivalent)
		}
		return got
	}
	if err != nil {
		t.Fatalf("Probe: %v", err)
	}
	switch unlike {
	case exfat:
		delete(want, "ID_PART_TABLE_TYPE")
	case checksum:
		clear(want)
	case member:
		want["ID_FS_USAGE"] = string(RAID)
	}
	for _, field := range []struct{ name, got string }{
		{"ID_FS_TYPE", got.Type}, {"ID_FS_USAGE", string(got.Usage)}, {"ID_FS_VERSION", got.Version},
		{"ID_FS_LABEL_ENC", got.Label}, {"ID_FS_UUID_ENC", got.UUID},
		{"ID_PART_TABLE_TYPE", got.Table}, {"ID_PART_TABLE_UUID", got.TableUUID},
	} {
		if field.got != want[field.name] {
			t.Errorf("%s: %q, blkid says %q", field.name, field.got, want[field.name])
		}
	}
	return got
}

// blkid asks the real one.
func blkid(t *testing.T, path string) map[string]string {
	t.Helper()
	values := map[string]string{}
	for line := range strings.Lines(run(t, "", "blkid", "-p", "-o", "udev", path)) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		values[name] = decode(value)
	}
	return values
}

// decode undoes udev's encoding.
func decode(text string) string {
	var b strings.Builder
	for text != "" {
		var c byte
		if n, _ := fmt.Sscanf(text, `\x%02x`, &c); n == 1 {
			b.WriteByte(c)
			text = text[4:]
			continue
		}
		b.WriteByte(text[0])
		text = text[1:]
	}
	return b.String()
}

// run runs a program and returns its output. That of blkid fails where it
// finds nothing, or too much.
func run(t *testing.T, input string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(args[0])
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/" + args[0])
	}
	if err != nil {
		if os.Getenv("REFLEXD_TOOLS") == "all" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	cmd := exec.Command(path, args[1:]...)
	cmd.Stdin = strings.NewReader(input)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !(args[0] == "blkid" && errors.As(err, &exit) && (exit.ExitCode() == 2 || exit.ExitCode() == 8)) {
		t.Fatalf("%q: %v\n%s%s", args, err, out, stderr.String())
	}
	return string(out)
}
