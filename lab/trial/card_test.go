// SPDX-License-Identifier: MIT

//go:build lab

package trial

import (
	"context"
	"regexp"
	"strings"
	"testing"

	"reflexd/lab"
)

// reader plugs in a card reader, and waits for its drive.
func (b *board) reader(t *testing.T) {
	t.Helper()
	if err := b.PlugReader(t.Context(), "reader"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Unplug(context.Background(), "reader") })
	if err := b.AwaitFile(t.Context(), "/dev/sda"); err != nil {
		t.Fatal(err)
	}
}

func (b *board) insert(t *testing.T, image string) {
	t.Helper()
	if err := b.InsertCard(t.Context(), "reader", image); err != nil {
		t.Fatal(err)
	}
}

func (b *board) pullCard(t *testing.T) {
	t.Helper()
	if err := b.PullCard(t.Context(), "reader"); err != nil {
		t.Fatal(err)
	}
}

// serial is the number of a FAT volume in a line of the log.
func serial(line string) string {
	return regexp.MustCompile("[0-9A-F]{4}-[0-9A-F]{4}").FindString(line)
}

// A card reader's drive is there all the time: that a card came or went, the
// kernel finds out only if it is configured to ask, which no udev does here.
func TestMountCardsOfAReader(t *testing.T) {
	b := on(t, lab.Virt)
	a := b.start(t, automounting+`  - {name: who, when: {mount: "*", is: mounted}, mode: parallel, do: {log: "is ${LABEL} ${UUID}"}}
`)
	b.reader(t)
	poll := `i=0; while [ $i -lt 50 ]; do [ "$(cat /sys/block/sda/events_poll_msecs)" = 2000 ] && exit 0; sleep 0.1; i=$((i+1)); done; exit 1`
	if _, err := b.Shell(t.Context(), poll); err != nil {
		t.Error("nobody has the kernel ask the reader for cards")
	}

	one := volume(t, true, lab.Volume{Type: "vfat", Label: "ONE"})
	b.insert(t, one)
	a.expect("mount /media/ONE mounted /dev/sda1 vfat ONE ro=0 usb")

	b.pullCard(t)
	a.expect("mount /media/ONE yanked")
	b.nothingMounted(t)
	b.insert(t, volume(t, true, lab.Volume{Type: "ext4", Label: "TWO"}))
	a.expect("mount /media/TWO mounted /dev/sda1 ext4 TWO ro=0 usb")

	// Faster than the kernel asks, so that it sees no empty slot. Between that it asks
	// and that the cards are compared, what is still to be written to the old card
	// would go to the new one; and what ext4 reads in the background of its first
	// seconds would be an error to it, which it writes down.
	written := func() {
		script := `i=0; while ps | grep -q '[e]xt4lazyinit'; do [ $i -lt 200 ] || exit 1; sleep 0.1; i=$((i+1)); done; sync`
		if out, err := b.Shell(t.Context(), script); err != nil {
			t.Fatal(out, err)
		}
	}
	written()
	b.pullCard(t)
	b.insert(t, volume(t, true, lab.Volume{Type: "vfat", Label: "THREE"}))
	a.expect("mount /media/TWO yanked")
	a.expect("mount /media/THREE mounted /dev/sd[a-z]1 vfat THREE ro=0 usb")
	three := a.expect("is THREE ")
	written()
	b.pullCard(t)
	b.insert(t, volume(t, true, lab.Volume{Type: "vfat", Label: "FOUR"}))
	a.expect("mount /media/THREE yanked")
	a.expect("mount /media/FOUR mounted /dev/sd[a-z]1 vfat FOUR ro=0 usb")
	if four := a.expect("is FOUR "); serial(four) == serial(three) {
		t.Error("the card that was pulled was written to the next one")
	}
	b.pullCard(t)
	a.expect("mount /media/FOUR yanked")
	b.nothingMounted(t)

	// Without partitions, and the first one again.
	b.insert(t, volume(t, false, lab.Volume{Type: "exfat", Label: "WHOLE"}))
	a.expect("mount /media/WHOLE mounted /dev/sd[a-z] exfat WHOLE ro=0 usb")
	b.pullCard(t)
	a.expect("mount /media/WHOLE yanked")
	b.insert(t, one)
	a.expect("mount /media/ONE mounted /dev/sd[a-z]1 vfat ONE ro=1 usb it was not unmounted after its last use")
	b.pullCard(t)
	a.expect("mount /media/ONE yanked")
	b.nothingMounted(t)

	for _, wrong := range []string{" failed ", "level=ERROR"} {
		if strings.Contains(a.log(), wrong) {
			t.Errorf("told wrongly: %s in\n%s", wrong, a.log())
		}
	}
}
