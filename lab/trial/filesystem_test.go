// SPDX-License-Identifier: MIT

//go:build lab

package trial

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"reflexd/lab"
)

// What else the guest's kernel can mount, and one that it cannot.
func TestMountOtherFilesystems(t *testing.T) {
	b := on(t, lab.Virt)
	a := b.start(t, automounting)
	files := map[string][]byte{"there": []byte("a file")}
	for _, c := range []struct {
		volume lab.Volume
		at     string
		found  string // what the event says: type, label, read-only
	}{
		{lab.Volume{Type: "ext2", Files: files}, "/media/EXT2", "ext2 EXT2 ro=0"},
		{lab.Volume{Type: "btrfs", Files: files}, "/media/BTRFS", "btrfs BTRFS ro=0"},
		{lab.Volume{Type: "f2fs"}, "/media/F2FS", "f2fs F2FS ro=0"},
		{lab.Volume{Type: "xfs"}, "/media/XFS", "xfs XFS ro=0"},
		{lab.Volume{Type: "udf"}, "/media/UDF", "udf UDF ro=0"},
		{lab.Volume{Type: "iso9660", Files: files}, "/media/ISO9660", "iso9660 ISO9660 ro=1"},
		{lab.Volume{Type: "squashfs", Files: files}, "/media/sd[a-z]", `squashfs \? ro=1`}, // it has neither label nor UUID
	} {
		c.volume.Label = strings.ToUpper(c.volume.Type)
		b.plugImage(t, "stick", volume(t, false, c.volume))
		a.expect(fmt.Sprintf(`mount %s mounted /dev/sd[a-z] %s usb *"`, c.at, c.found))
		b.useStick(t, c.at, strings.HasSuffix(c.found, "1"), len(c.volume.Files) > 0)
		if err := a.proc.Signal(t.Context(), syscall.SIGUSR1); err != nil {
			t.Fatal(err)
		}
		a.expect("mount " + c.at + " unmounted")
		b.nothingMounted(t)
		b.unplug(t, "stick")
	}
	b.plugImage(t, "stick", volume(t, false, lab.Volume{Type: "ntfs", Label: "NTFS"}))
	a.expect("mount /media/NTFS failed /dev/sd[a-z] ntfs NTFS .* this kernel has no driver for ntfs, built in or as a module")
	b.nothingMounted(t)
	b.unplug(t, "stick")
}

// An option that protects from the drive and is younger than this kernel is
// left out, and the log says so.
func TestMountWithoutAnOptionOfNewerKernels(t *testing.T) {
	b := on(t, lab.Virt)
	a := b.start(t, automounting)
	b.plugImage(t, "stick", volume(t, false, lab.Volume{Type: "f2fs", Label: "F2FS"}))
	a.expect(`the kernel does not support an option" .*option="?errors=remount-ro"? since="Linux 6.5"`)
	a.expect("mount /media/F2FS mounted .* f2fs F2FS ro=0")
	b.unplug(t, "stick")
	b.nothingMounted(t)
}

// useStick looks how a stick is mounted, and writes to it if that can be.
func (b *board) useStick(t *testing.T, at string, readOnly, filled bool) {
	t.Helper()
	script := fmt.Sprintf("set -e; cd %s; grep \" $PWD \" /proc/self/mountinfo; ", at)
	if filled {
		script += `[ "$(cat there)" = "a file" ]; `
	}
	if !readOnly {
		script += "echo hello > new; "
	}
	out, err := b.Shell(t.Context(), script)
	if err != nil || !strings.Contains(out, "nosuid,nodev,noexec,relatime") {
		t.Errorf("%s: %s %v", at, out, err)
	}
}

// The power fails while sticks are written to. On the next board that they are
// plugged into, what has a journal is as it was when it was last written back,
// and the rest is left as it is.
func TestMountAfterPowerCut(t *testing.T) {
	after := on(t, lab.Virt)
	kinds := []string{"vfat", "exfat", "ext2", "ext4"}
	before, err := boot(lab.Config{Machine: lab.Virt})
	if err != nil {
		t.Fatal(err)
	}
	defer before.Close()
	images := map[string]string{}
	for _, kind := range kinds {
		images[kind] = volume(t, false, lab.Volume{Type: kind, Label: strings.ToUpper(kind)})
	}
	before.plugAll(t, images)
	before.start(t, automounting).ended = true // by force
	for _, kind := range kinds {
		before.awaitMount(t, fmt.Sprintf("mount /media/%s mounted .* %s .* ro=0", strings.ToUpper(kind), kind))
	}
	before.writeForEver(t)
	if err := before.Close(); err != nil {
		t.Fatal(err)
	}

	after.plugAll(t, images)
	a := after.start(t, automounting)
	const left = "ro=1 usb it was not unmounted after its last use"
	for kind, how := range map[string]string{"vfat": left, "exfat": left, "ext2": left, "ext4": "ro=0 usb"} {
		at := "/media/" + strings.ToUpper(kind)
		after.awaitMount(t, fmt.Sprintf("mount %s mounted /dev/sd[a-z] %s .* %s", at, kind, how))
		if text, err := after.ReadFile(t.Context(), at+"/kept"); err != nil || string(text) != "written back\n" {
			t.Errorf("%s: %q, %v", kind, text, err)
		}
	}
	if err := a.proc.Signal(t.Context(), syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	for range kinds {
		a.expect("mount /media/[A-Z0-9]+ unmounted")
	}
	after.nothingMounted(t)
	a.finish()
}

// plugAll plugs sticks in and waits until the kernel has them. They are unplugged
// at the test's end.
func (b *board) plugAll(t *testing.T, images map[string]string) {
	t.Helper()
	for id, image := range images {
		b.plugImage(t, id, image)
	}
	last := fmt.Sprintf("/sys/block/sd%c", 'a'+len(images)-1)
	if err := b.AwaitFile(t.Context(), last); err != nil {
		t.Fatal(err)
	}
}

// awaitMount waits for a line anywhere in the log of the board's latest agent.
func (b *board) awaitMount(t *testing.T, pattern string) {
	t.Helper()
	if _, err := b.AwaitMatch(t.Context(), fmt.Sprintf("/tmp/%d/log", instances.Load()), pattern); err != nil {
		t.Fatalf("no %q: %v", pattern, err)
	}
}

// writeForEver has every stick written to, of which a file is written back.
func (b *board) writeForEver(t *testing.T) {
	t.Helper()
	const script = `cd /media; for d in *; do echo "written back" > $d/kept; done; sync
i=0; while :; do for d in *; do cat /usr/bin/probe > $d/$i; done; i=$(((i+1)%3)); echo again; done`
	p, err := b.Start(t.Context(), lab.Command{Args: []string{"/bin/sh", "-c", script}}, "/tmp/writing")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := p.Log.Await(t.Context(), "again"); err != nil {
			t.Fatal(err)
		}
	}
}
