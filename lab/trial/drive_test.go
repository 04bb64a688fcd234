// SPDX-License-Identifier: MIT

//go:build lab

// Drives whose superblocks ask the kernel for more than to be mounted: a
// panic, a warning, another device.

package trial

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"reflexd/lab"
	"reflexd/lab/image"
)

// tool runs a program that makes or changes an image.
func tool(t *testing.T, program string, args ...string) {
	t.Helper()
	if out, err := image.Command(t.Context(), program, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v\n%s", program, args, err, out)
	}
}

// blank makes a file of zeroes.
func blank(t *testing.T, size int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "drive.img")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	return path
}

func patch(t *testing.T, path string, at int64, text string) {
	t.Helper()
	for i := range len(text) {
		setByte(t, path, at+int64(i), text[i])
	}
}

// setSuper sets fields of an ext superblock, each "NAME VALUE", and keeps its
// checksum right.
func setSuper(t *testing.T, path string, fields ...string) {
	t.Helper()
	for _, field := range fields {
		tool(t, "debugfs", "-w", "-R", "ssv "+field, path)
	}
}

// wrong makes the image of an ext filesystem that has an error: a file that
// was deleted while it was open, whose inode is not in use.
func wrong(t *testing.T, kind string, fields ...string) string {
	t.Helper()
	path := blank(t, 8<<20)
	tool(t, "mkfs."+kind, "-q", "-F", "-L", "WRONG", path)
	setSuper(t, path, append(fields, "last_orphan 20")...)
	return path
}

// The kernel finds an error while it mounts the drive, and does what the
// superblock wants it to, unless a mount option says otherwise. The board is the test's
// own, as it would not survive.
func TestDriveCannotPanicTheBoard(t *testing.T) {
	wants(t, lab.Virt)
	b, err := boot(lab.Config{Machine: lab.Virt})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	if err := b.WriteFile(t.Context(), "/proc/sys/kernel/panic_on_warn", []byte("1"), 0o644); err != nil {
		t.Fatal(err)
	}
	a := b.start(t, automounting)
	const panics = "errors 3"
	for _, c := range []struct{ name, kind, asks string }{
		{"ext4", "ext4", panics},
		{"ext3", "ext3", panics},
		{"ext2", "ext2", panics},
		{"options", "ext4", "mount_opts errors=panic"},
		{"warning", "ext4", "mount_opts warn_on_error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b.plugImage(t, "wrong", wrong(t, c.kind, c.asks))
			t.Log(a.expect("mount /media/WRONG (mounted|failed) /dev/sd[a-z] ext. WRONG"))
			b.unplug(t, "wrong")
			b.nothingMounted(t)
		})
	}
}

// parts are a drive that holds a part of a filesystem, and what is on the
// other drive that it wants, which is /dev/sda.
type parts struct {
	drive, other string
	reason       string
}

// ext4WithJournal names the device number of its journal.
func ext4WithJournal(t *testing.T) parts {
	const id = "01234567-89ab-cdef-fedc-ba9876543210"
	p := parts{blank(t, 8<<20), blank(t, 8<<20), "its journal is on another device"}
	tool(t, "mke2fs", "-q", "-F", "-b", "1024", "-O", "journal_dev", "-U", id, p.other, "4096")
	patch(t, p.other, 2*1024+0x40, "\x00\x00\x00\x01") // users of the journal
	tool(t, "mkfs.ext4", "-q", "-F", "-b", "1024", "-O", "^has_journal", "-L", "PARTS", p.drive)
	tool(t, "debugfs", "-w", "-R", "feature has_journal", p.drive)
	setSuper(t, p.drive, "journal_uuid "+id, "journal_dev 0x800")
	return p
}

// ext4WithOptions names the path of its journal.
func ext4WithOptions(t *testing.T) parts {
	p := ext4WithJournal(t)
	setSuper(t, p.drive, "journal_dev 0", "mount_opts journal_path=/dev/sda")
	p.reason = "the mount options in its superblock"
	return p
}

func xfsWithLog(t *testing.T) parts {
	p := parts{blank(t, 32<<20), blank(t, 16<<20), "its log is on another device"}
	tool(t, "mkfs.xfs", "-q", "--unsupported", "-L", "PARTS", "-l", "logdev="+p.other+",size=10m", p.drive)
	return p
}

func xfsWithRealtime(t *testing.T) parts {
	p := parts{blank(t, 32<<20), blank(t, 16<<20), "its realtime section is on another device"}
	tool(t, "mkfs.xfs", "-q", "--unsupported", "-L", "PARTS", "-r", "rtdev="+p.other, p.drive)
	return p
}

// f2fsOfTwo names the paths of its devices.
func f2fsOfTwo(t *testing.T) parts {
	p := parts{blank(t, 64<<20), blank(t, 64<<20), "its superblock names devices"}
	tool(t, "mkfs.f2fs", "-q", "-l", "PARTS", "-c", p.other, p.drive)
	const devices, size = 1024 + 2201, 68
	for _, copy := range []int64{0, 4096} {
		patch(t, p.drive, copy+devices, "/dev/sdb\x00")
		patch(t, p.drive, copy+devices+size, "/dev/sda\x00")
	}
	return p
}

func btrfsOfTwo(t *testing.T) parts {
	p := parts{blank(t, 128<<20), blank(t, 128<<20), "it is one of 2 devices"}
	tool(t, "mkfs.btrfs", "-q", "--mixed", "-L", "PARTS", p.drive, p.other)
	return p
}

// What a drive holds may want another device, which it names. With that one
// plugged in or not, the drive is not mounted, and the other is not touched.
func TestDriveCannotNameOthers(t *testing.T) {
	b := on(t, lab.Virt)
	a := b.start(t, automounting)
	for name, make := range map[string]func(*testing.T) parts{
		"journal": ext4WithJournal, "options": ext4WithOptions, "log": xfsWithLog, "realtime": xfsWithRealtime, "f2fs": f2fsOfTwo, "btrfs": btrfsOfTwo,
	} {
		t.Run(name, func(t *testing.T) {
			p := make(t)
			before, err := os.ReadFile(p.other)
			if err != nil {
				t.Fatal(err)
			}
			b.plugImage(t, "other", p.other)
			if err := b.AwaitFile(t.Context(), "/dev/sda"); err != nil {
				t.Fatal(err)
			}
			b.plugImage(t, "parts", p.drive)
			if e := a.expect("mount /media/PARTS (mounted|failed) /dev/sdb .*"); !strings.Contains(e, p.reason) {
				t.Error(e)
			}
			if _, err := b.Shell(t.Context(), "cd /media/PARTS && echo hello > new && sync"); err == nil {
				t.Error("it can be written to")
			}
			if err := a.proc.Signal(t.Context(), syscall.SIGUSR1); err != nil {
				t.Fatal(err)
			}
			b.nothingMounted(t)
			b.unplug(t, "parts")
			b.unplug(t, "other")
			if err := b.AwaitGone(t.Context(), "/dev/sda"); err != nil {
				t.Fatal(err)
			}
			after, err := os.ReadFile(p.other)
			if err != nil || !bytes.Equal(before, after) {
				t.Errorf("the other drive was written to (%v)", err)
			}
		})
	}
}

// A drive has the UUID of one that is mounted: the kernel cannot have both.
func TestDriveCannotBeAnother(t *testing.T) {
	b := on(t, lab.Virt)
	a := b.start(t, automounting)
	for kind, reason := range map[string]string{
		"btrfs": "a btrfs with this UUID is already mounted",
		"xfs":   "the UUID of another mounted one",
	} {
		one := volume(t, false, lab.Volume{Type: kind, Label: "ONE"})
		data, err := os.ReadFile(one)
		if err != nil {
			t.Fatal(err)
		}
		two := filepath.Join(t.TempDir(), "two.img")
		if err := os.WriteFile(two, data, 0o644); err != nil {
			t.Fatal(err)
		}
		b.plugImage(t, "one", one)
		a.expect("mount /media/ONE mounted")
		b.plugImage(t, "two", two)
		a.expect("mount /media/ONE(-2)? failed .* " + kind + " ONE .*" + reason)
		if err := a.proc.Signal(t.Context(), syscall.SIGUSR1); err != nil {
			t.Fatal(err)
		}
		a.expect("mount /media/ONE unmounted")
		b.nothingMounted(t)
		b.unplug(t, "one")
		b.unplug(t, "two")
	}
}
