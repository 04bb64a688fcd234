// SPDX-License-Identifier: MIT

//go:build lab

package trial

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"reflexd/lab"
)

const automounting = `
automount: true
rules:
  - {name: hear, when: {mount: "*", is: [mounted, unmounted, failed, yanked]}, mode: parallel,
     do: {log: "${REFLEXD_EVENT} ${DEVNAME} ${FSTYPE:-?} ${LABEL:-?} ro=${READ_ONLY:-?} ${ID_BUS:-?} ${WHY:-}${REASON:-}"}}
  - {name: let go, when: {signal: SIGUSR1}, do: {unmount: all}}
  - {name: eject, when: {mount: /media/EJECT*, is: mounted}, do: {eject: "${DEVNAME}"}}
`

// volume makes the image of a stick, with a partition or without.
func volume(t *testing.T, partition bool, v lab.Volume) string {
	t.Helper()
	image := filepath.Join(t.TempDir(), "stick.img")
	var err error
	if partition {
		err = lab.StickImage(t.Context(), image, v)
	} else {
		err = lab.VolumeImage(t.Context(), image, v)
	}
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// plugImage plugs a stick in, which is unplugged at the test's end.
func (b *board) plugImage(t *testing.T, id, image string) {
	t.Helper()
	if err := b.PlugStick(t.Context(), id, image); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Unplug(context.Background(), id) }) // perhaps it is already
}

// settle gives the emulated controller of the Pi its time between plugging
// and pulling.
func (b *board) settle(t *testing.T) {
	if strings.Contains(t.Name(), lab.Pi3.String()) {
		time.Sleep(time.Second)
	}
}

// nothingMounted waits until neither a mount, a folder nor a record of ours is left.
func (b *board) nothingMounted(t *testing.T) {
	t.Helper()
	const script = `i=0; while [ $i -lt 100 ]; do
  [ -z "$(ls -A /media)" ] && [ -z "$(ls -A /run/reflexd/mounts 2>/dev/null)" ] && ! grep -q /media/ /proc/self/mountinfo && exit 0
  sleep 0.1; i=$((i+1)); done; ls -A /media /run/reflexd/mounts; cat /proc/self/mountinfo; exit 1`
	if out, err := b.Shell(t.Context(), script); err != nil {
		t.Errorf("something is left: %s %v", out, err)
	}
}

func TestMountStickOfEveryKind(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		a := b.start(t, automounting)
		for _, kind := range []string{"vfat", "exfat", "ext4"} {
			for _, partition := range []bool{true, false} {
				label := strings.ToUpper(kind)
				image := volume(t, partition, lab.Volume{Type: kind, Label: label})
				b.plugImage(t, "stick", image)
				a.expect(fmt.Sprintf("mount /media/%s mounted /dev/sd[a-z]1? %s %s ro=0 usb", label, kind, label))
				out, err := b.Shell(t.Context(), fmt.Sprintf("grep ' /media/%s ' /proc/self/mountinfo; echo hello > /media/%s/new", label, label))
				if err != nil || !strings.Contains(out, "nosuid,nodev,noexec,relatime") {
					t.Errorf("%s: %s %v", kind, out, err)
				}
				if !partition {
					b.settle(t)
					b.unplug(t, "stick")
					a.expect("mount /media/" + label + " yanked")
					b.nothingMounted(t)
					continue
				}
				if err := a.proc.Signal(t.Context(), syscall.SIGUSR1); err != nil {
					t.Fatal(err)
				}
				a.expect("mount /media/" + label + " unmounted")
				b.nothingMounted(t)
				b.settle(t)
				b.unplug(t, "stick")
			}
		}
	})
}

func TestMountTwoOfOneLabel(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		a := b.start(t, automounting)
		b.plugImage(t, "one", volume(t, true, lab.Volume{Type: "vfat", Label: "TWIN"}))
		a.expect("mount /media/TWIN mounted")
		b.plugImage(t, "two", volume(t, true, lab.Volume{Type: "vfat", Label: "TWIN"}))
		a.expect("mount /media/TWIN-2 mounted")
		if status := a.verb("status"); !strings.Contains(status, "/media/TWIN-2") {
			t.Error(status)
		}
		b.settle(t)
		b.unplug(t, "one")
		a.expect("mount /media/TWIN yanked")
		b.settle(t)
		b.unplug(t, "two")
		a.expect("mount /media/TWIN-2 yanked")
		b.nothingMounted(t)
	})
}

func TestMountLockedAndDirty(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		a := b.start(t, automounting)
		locked := volume(t, true, lab.Volume{Type: "vfat", Label: "LOCKED"})
		if err := b.PlugLockedStick(t.Context(), "locked", locked); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = b.Unplug(context.Background(), "locked") }) // perhaps it is already
		a.expect("mount /media/LOCKED mounted .* ro=1 usb the device is write-protected")
		b.settle(t)
		b.unplug(t, "locked")
		a.expect("mount /media/LOCKED yanked")

		dirty := volume(t, false, lab.Volume{Type: "vfat", Label: "DIRTY"})
		setByte(t, dirty, 0x25, 1) // of a FAT16 boot sector: not unmounted
		b.plugImage(t, "dirty", dirty)
		a.expect("mount /media/DIRTY mounted .* ro=1 usb it was not unmounted after its last use")
		b.settle(t)
		b.unplug(t, "dirty")
		a.expect("mount /media/DIRTY yanked")
		b.nothingMounted(t)
	})
}

func setByte(t *testing.T, path string, at int64, value byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err == nil {
		_, err = f.WriteAt([]byte{value}, at)
		f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestMountIsTakenOver(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		a := b.start(t, automounting)
		b.plugImage(t, "stick", volume(t, true, lab.Volume{Type: "vfat", Label: "STAYS"}))
		a.expect("mount /media/STAYS mounted")
		b.plugImage(t, "other", volume(t, true, lab.Volume{Type: "ext4", Label: "GOES"}))
		a.expect("mount /media/GOES mounted")
		if err := a.proc.Signal(t.Context(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		a.ended = true
		if _, err := a.proc.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.unplug(t, "other")
		b.settle(t)
		next := b.start(t, automounting)
		next.expect("still mounted.*at=/media/STAYS")
		next.expect("mount /media/GOES yanked")
		if n, err := b.Shell(t.Context(), "grep -c ' /media/' /proc/self/mountinfo"); err != nil || strings.TrimSpace(n) != "1" {
			t.Errorf("mounted %s times, %v", n, err)
		}
		if err := next.proc.Signal(t.Context(), syscall.SIGUSR1); err != nil {
			t.Fatal(err)
		}
		next.expect("mount /media/STAYS unmounted /dev/sd[a-z]1 vfat STAYS")
		b.nothingMounted(t)
	})
}

func TestMountEject(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		a := b.start(t, automounting)
		b.plugImage(t, "stick", volume(t, true, lab.Volume{Type: "vfat", Label: "EJECT"}))
		a.expect("mount /media/EJECT mounted")
		a.expect("mount /media/EJECT unmounted")
		a.expect("msg=ejected .*device=/dev/sd[a-z]")
		const gone = `i=0; while [ $i -lt 100 ]; do grep -q Mass /sys/bus/usb/devices/*/interface 2>/dev/null; ls /dev/sd* >/dev/null 2>&1 || exit 0; sleep 0.1; i=$((i+1)); done; ls /dev/sd*; exit 1`
		if out, err := b.Shell(t.Context(), gone); err != nil {
			t.Errorf("the drive is still there: %s %v", out, err)
		}
		if n := count(a.log(), "yanked"); n != 0 {
			t.Errorf("what was ejected counts as pulled too early:\n%s", a.log())
		}
		b.nothingMounted(t)
	})
}

// A disc is handed out, and its drive stays for the next one.
func TestMountEjectDisc(t *testing.T) {
	b := on(t, lab.Virt)
	b.shell(t, "modprobe sr_mod && modprobe isofs")
	a := b.start(t, automounting)
	if err := b.PlugDisc(t.Context(), "disc", volume(t, false, lab.Volume{Type: "iso9660", Label: "EJECT_ME"})); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Unplug(context.Background(), "disc") })
	a.expect("mount /media/EJECT_ME mounted /dev/sr0 iso9660")
	a.expect("mount /media/EJECT_ME unmounted")
	a.expect("msg=ejected .*device=/dev/sr0")
	if open, err := b.TrayIsOpen(t.Context(), "disc"); err != nil || !open {
		t.Errorf("the tray is open: %t, %v", open, err)
	}
	b.shell(t, "test -e /dev/sr0")
	if n := count(a.log(), "yanked"); n != 0 {
		t.Errorf("a disc that was ejected counts as pulled too early:\n%s", a.log())
	}
}

const copying = `
automount: {at: "/media/${LABEL}"}
rules:
  - name: copy
    when: {mount: /media/*, is: mounted}
    do:
      - log: "copying from ${DEVNAME}"
      - shell: 'while cat "$MOUNTPOINT"/* > /tmp/copy && sync; do :; done; sleep 1000'
  - {name: pulled, when: {mount: "*", is: yanked}, do: {log: "pulled ${DEVNAME}"}}
`

// A stick is pulled in the middle of a copy, again and again: nothing may be
// left of it.
func TestMountYankedWhileCopying(t *testing.T) {
	for _, c := range []struct {
		machine lab.Machine
		times   int
	}{{lab.Virt, 20}, {lab.Pi3, 3}} {
		t.Run(c.machine.String(), func(t *testing.T) {
			b := on(t, c.machine)
			image := volume(t, true, lab.Volume{Type: "vfat", Label: "PHOTOS", Files: map[string][]byte{
				"one.jpg": make([]byte, 3<<20), "two.jpg": make([]byte, 2<<20)}})
			a := b.start(t, copying)
			before := 0
			for i := range c.times {
				b.plugImage(t, "stick", image)
				a.expect("copying from /dev/sd[a-z]1")
				b.settle(t)
				b.unplug(t, "stick")
				a.expect("msg=stopped rule=copy")
				a.expect("pulled /dev/sd[a-z]1")
				b.nothingMounted(t)
				if i == 0 { // now, for a start has more open for a moment
					before = b.holds(t, a)
				}
			}
			if status := a.verb("status"); strings.Contains(status, "running shell") {
				t.Errorf("something runs:\n%s", status)
			}
			after := b.holds(t, a)
			for range 20 { // a reader beside the loop may still have a file open
				if after <= before {
					break
				}
				b.shell(t, "sleep 0.2")
				after = b.holds(t, a)
			}
			if after > before {
				t.Errorf("descriptors and processes: %d after the first stick, %d after %d\n%s", before, after, c.times, b.shell(t, fmt.Sprintf("ls -l /proc/%d/fd; ps", a.proc.PID)))
			}
			if _, err := b.Shell(t.Context(), "rm -f /tmp/copy"); err != nil {
				t.Error(err)
			}
		})
	}
}

// holds counts what an agent of the rules `copying` has: its open descriptors and
// the processes of its programs.
func (b *board) holds(t *testing.T, a *agent) int {
	t.Helper()
	out := b.shell(t, fmt.Sprintf("ls /proc/%d/fd | wc -l; ps | grep -c '[M]OUNTPOINT'; :", a.proc.PID))
	descriptors, processes := 0, 0
	if _, err := fmt.Sscan(out, &descriptors, &processes); err != nil {
		t.Fatalf("%q: %v", out, err)
	}
	return descriptors + processes
}

// The example, as it stands: a photo is copied and the LED says that the stick
// may be pulled; of a stick without photos it says that it was no use; and the button
// unmounts.
func TestMountPhotoAppliance(t *testing.T) {
	appliance, err := os.ReadFile("../../examples/photo-appliance.yaml")
	if err != nil {
		t.Fatal(err)
	}
	everywhere(t, func(t *testing.T, b *board) {
		if _, err := b.Shell(t.Context(), "rm -rf /srv/photos; mkdir -p /srv/photos"); err != nil {
			t.Fatal(err)
		}
		b.pull(t, 27, true)
		a := b.start(t, string(appliance))
		photos := volume(t, true, lab.Volume{Type: "vfat", Label: "PHOTOS", Files: map[string][]byte{"DCIM/1.JPG": []byte("a photo")}})
		b.plugImage(t, "stick", photos)
		a.expect("msg=unmounted")
		b.awaitSteady(t, 17, true)
		if err := b.AwaitText(t.Context(), "/srv/photos/DCIM/1.JPG", "a photo"); err != nil {
			t.Error(err)
		}
		b.settle(t)
		b.unplug(t, "stick")
		b.nothingMounted(t)
		if n := count(a.log(), "was removed while mounted"); n != 0 {
			t.Error("it was unmounted, and yet counts as pulled")
		}

		b.plugImage(t, "empty", volume(t, true, lab.Volume{Type: "ext4"}))
		a.expect("nothing copied from a USB drive without a label")
		b.awaitSteady(t, 17, false) // after 20 blinks
		b.nothingMounted(t)
		b.settle(t)
		b.unplug(t, "empty")

		b.stopInTheMiddle(t, a)
	})
}

// stopInTheMiddle presses the button while a photo is copied, to a pipe that
// nobody reads: the copy ends, and the stick may be pulled.
func (b *board) stopInTheMiddle(t *testing.T, a *agent) {
	t.Helper()
	if _, err := b.Shell(t.Context(), "mkfifo /srv/photos/DCIM/LONG.JPG"); err != nil {
		t.Fatal(err)
	}
	image := volume(t, true, lab.Volume{Type: "vfat", Label: "LONG", Files: map[string][]byte{"DCIM/LONG.JPG": []byte("a photo")}})
	b.plugImage(t, "long", image)
	a.expect("msg=mounted .*at=/media/LONG")
	const copying = `until ls -l /proc/[0-9]*/fd 2>/dev/null | grep -q /media/LONG/DCIM/LONG.JPG; do sleep 0.1; done`
	if _, err := b.Shell(t.Context(), copying); err != nil {
		t.Fatal(err)
	}
	b.press(t, 27)
	a.expect("fired rule=\"stop and let go\"")
	a.expect("msg=unmounted .*at=/media/LONG")
	b.nothingMounted(t)
	b.settle(t)
	b.unplug(t, "long")
	if n := count(a.log(), "was removed while mounted"); n != 0 {
		t.Error("it was let go, and yet counts as pulled")
	}
}

// awaitSteady waits until a line has been high, or low, for longer than a
// blink takes.
func (b *board) awaitSteady(t *testing.T, offset int, high bool) {
	t.Helper()
	const looks, pause, patience = 10, 60 * time.Millisecond, 30 * time.Second
	for begin, same := time.Now(), 0; same < looks; time.Sleep(pause) {
		value, err := b.header.Value(t.Context(), offset)
		if err != nil || time.Since(begin) > patience {
			t.Fatalf("line %d does not stay %v: %v", offset, high, err)
		}
		if same++; value != high {
			same = 0
		}
	}
}
