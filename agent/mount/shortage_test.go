// SPDX-License-Identifier: MIT

// What the kernel has not the means to tell or do just now is no news of a device, and is tried again.

package mount

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"reflexd/agent/mount/fstype"
)

// noDescriptors has every call that needs a descriptor fail.
func noDescriptors(t *testing.T) (giveBack func()) {
	t.Helper()
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	giveBack = func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(giveBack)
	return giveBack
}

func TestMountOfARemovedDeviceIsTakenAwayInTheEnd(t *testing.T) {
	dir, d, r := mountedStick(t, "PHOTOS")
	point := dir + "/media/PHOTOS"
	giveBack := noDescriptors(t)
	r.do(func() { r.source.remove(r.source.devices[d.name]) })
	r.expect("yanked " + d.name + " " + point)
	r.quiet()
	giveBack()
	r.until("its mount point is free", func() bool { return r.source.points[point] == nil })
	r.quiet()
	sane(t, dir)
}

func TestDeviceThatCannotBeLookedAtKeepsItsMount(t *testing.T) {
	for what, look := range map[string]func(*Source, *device){
		"its medium": func(s *Source, d *device) { s.consider(d, true) },
		"all":        func(s *Source, _ *device) { s.list(true) },
	} {
		t.Run(what, func(t *testing.T) {
			dir, stick, r := mountedStick(t, "PHOTOS")
			giveBack := noDescriptors(t)
			fails := func() bool { return r.source.listError != "" || r.source.devices[stick.name].looks > 0 }
			r.do(func() { look(r.source, r.source.devices[stick.name]) })
			r.until("it fails", fails)
			giveBack()
			r.until("it is tried again", func() bool { return !fails() })
			r.do(func() {
				if d := r.source.points[dir+"/media/PHOTOS"]; d == nil || d.gone || d.problem != nil {
					t.Errorf("afterwards it is %+v", d)
				}
			})
			if err := r.unmount("all", false, false); err != nil {
				t.Fatal(err)
			}
			r.expect("unmounted") // and nothing before
		})
	}
}

// A drive whose mount cannot be found in the table is not mounted.
func TestMountThatCannotBeVerifiedIsTakenBack(t *testing.T) {
	dir := t.TempDir()
	stick := newStick(t, dir)
	stick.insert(ext4(t, "PHOTOS"), false)
	c := claims{blocks: blocks{dev: dir + "/dev", sys: "/sys"}, mounts: "/proc", proc: "/proc", fstab: dir + "/fstab"}
	id, err := c.find(stick.name)
	f := c.look(id, nil)
	if err != nil || f.err != nil {
		t.Fatal(err, f.err)
	}
	w := newPolicy().wish(f)
	w.root, w.below, w.kind = dir+"/media", "PHOTOS", fstype.Find(f.content.Type)
	proc := filepath.Join(dir, "proc")
	if err := os.MkdirAll(proc, 0o755); err != nil {
		t.Fatal(err)
	}
	m := mounter{mounts: mountinfo(proc), records: records(filepath.Join(dir, "records"))}
	if result, err := m.attach(w); err == nil {
		t.Errorf("it is mounted: %+v", result)
	}
	sane(t, dir)
}

// What was ordered fails with the reason for which nothing is known of the device.
func TestOrdersWhileThereAreNoDescriptors(t *testing.T) {
	dir := t.TempDir()
	stick := newStick(t, dir)
	stick.insert(ext4(t, "PHOTOS"), false)
	b := blocks{dev: dir + "/dev", sys: "/sys"}
	giveBack := noDescriptors(t)
	_, find := b.find(stick.name)
	_, eject := b.drive(stick.name)
	_, parts := hasPartitions("/sys/class/block")
	giveBack()
	for what, err := range map[string]error{"find": find, "eject": eject, "partitions": parts} {
		if !errors.Is(err, unix.EMFILE) {
			t.Errorf("%s: %v, want %v", what, err, unix.EMFILE)
		}
	}
	if _, err := b.find(dir + "/dev/nothing"); err != errNoDevice {
		t.Errorf("%v, want %v", err, errNoDevice)
	}
}
