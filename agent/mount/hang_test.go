// SPDX-License-Identifier: MIT

package mount

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// FIFREEZE and FITHAW of linux/fs.h; the same on all our machines.
const (
	fiFreeze = 0xc0045877
	fiThaw   = 0xc0045878
)

// hanging returns a stick that stops to answer when freeze is called, and
// answers again after thaw: it lies on a filesystem that can be frozen.
func hanging(t *testing.T, dir, label string) (s *stick, freeze, thaw func()) {
	t.Helper()
	below, base := newStick(t, dir), t.TempDir()
	below.insert(ext4(t, "BELOW"), false)
	if err := unix.Mount(below.name, base, "ext4", 0, ""); err != nil {
		t.Fatal(err)
	}
	folder, err := os.Open(base)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(small(t, label))
	if err == nil {
		err = os.WriteFile(base+"/image", text, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	s = newStick(t, dir)
	s.insert(base+"/image", false)
	thaw = func() { _ = unix.IoctlSetInt(int(folder.Fd()), fiThaw, 0) }
	t.Cleanup(func() {
		thaw()
		folder.Close()
		s.empty()
		_ = unix.Unmount(base, unix.MNT_DETACH)
	})
	return s, func() {
		if err := unix.IoctlSetInt(int(folder.Fd()), fiFreeze, 0); err != nil {
			t.Fatal(err)
		}
	}, thaw
}

// small makes an image that fits into another one.
func small(t *testing.T, label string) string {
	t.Helper()
	return imageOf(t, 4<<20, "/usr/sbin/mkfs.ext2", "-q", "-F", "-L", label)
}

func TestHangingStickHoldsNobodyUp(t *testing.T) {
	dir := t.TempDir()
	bad, freeze, thaw := hanging(t, dir, "BAD")
	good := newStick(t, dir)
	r := start(t, dir, loops)
	r.expect("mounted "+bad.name, "/media/BAD")
	if err := os.WriteFile(dir+"/media/BAD/file", make([]byte, 1<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	freeze()
	first, second := make(chan error, 1), make(chan error, 1)
	r.do(func() {
		u := UnmountRequest{Target: bad.name}
		r.source.Unmount(u, func(err error) { first <- err })
		r.source.Unmount(u, func(err error) { second <- err })
	})
	// It hangs. Another one comes and goes meanwhile.
	good.insert(ext4(t, "GOOD"), false)
	r.expect("mounted "+good.name, "/media/GOOD")
	if err := r.unmount(good.name, false, false); err != nil {
		t.Fatal(err)
	}
	r.expect("unmounted " + good.name)
	select {
	case err := <-first:
		t.Fatal("it did not hang:", err)
	default:
	}
	// It is pulled: what waits is cancelled, and rules are notified although the
	// kernel has not let go of it.
	r.pull(bad)
	if err := await(t, second); !errors.Is(err, errPulled) {
		t.Errorf("what waited ended with %v", err)
	}
	r.expect("yanked " + bad.name)
	thaw()
	_ = await(t, first)
	r.quiet()
	sane(t, dir)
}

// What was copied from it fails as soon as the kernel has noticed, and a rule
// that unmounts upon that may be faster than the word that the stick has gone.
func TestPulledWhileBeingUnmounted(t *testing.T) {
	dir := t.TempDir()
	d, freeze, thaw := hanging(t, dir, "PHOTOS")
	r := start(t, dir, loops)
	r.expect("mounted "+d.name, "/media/PHOTOS")
	if err := os.WriteFile(dir+"/media/PHOTOS/file", make([]byte, 1<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	freeze()
	end := make(chan error, 1)
	r.do(func() {
		r.source.Unmount(UnmountRequest{Target: d.name}, func(err error) { end <- err })
	})
	r.pull(d)
	thaw()
	if err := await(t, end); !errors.Is(err, errPulled) {
		t.Errorf("it ended with %v", err)
	}
	r.expect("yanked " + d.name + " " + dir + "/media/PHOTOS")
	r.quiet()
	sane(t, dir)
}
