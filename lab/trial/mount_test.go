// SPDX-License-Identifier: MIT

//go:build lab

package trial

import (
	"context"
	"fmt"
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
func (b *board) settle() { time.Sleep(time.Second) }

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
					b.settle()
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
				b.settle()
				b.unplug(t, "stick")
			}
		}
	})
}
