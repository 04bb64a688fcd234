// SPDX-License-Identifier: MIT

// What an event takes from the descriptor to Emit.

package uevent

import (
	"testing"

	"golang.org/x/sys/unix"

	"reflexd/sources"
)

// ofDisk is what the kernel announces of a stick's disk, but for its subsystem.
func ofDisk(action string) []byte {
	return kernelMessage(action, "/devices/pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0/host4/target4:0:0/4:0:0:0/block/sdb",
		"DEVNAME=sdb", "DEVTYPE=disk", "DISKSEQ=17", "MAJOR=8", "MINOR=16")
}

// reader returns a function that has the source read datagrams, which come from
// a socket of ours: it stands for the kernel's. It is called on the loop's
// thread.
func reader(t testing.TB, s *Source) (read func(datagrams ...[]byte), restore func()) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	real := s.socket.FD
	s.socket.FD = pair[0]
	read = func(datagrams ...[]byte) {
		for _, b := range datagrams {
			if _, err := unix.Write(pair[1], b); err != nil {
				t.Error(err)
			}
		}
		if !s.read(batch) {
			t.Error("there is more to be read")
		}
	}
	return read, func() {
		s.socket.FD = real
		unix.Close(pair[0])
		unix.Close(pair[1])
	}
}

func TestReadingAllocatesNothing(t *testing.T) {
	for what, test := range map[string]struct {
		trigger   string
		datagrams [][]byte
		most      float64
	}{
		"of a known device":    {"uevent: {SUBSYSTEM: fake}", [][]byte{ofDisk("change"), ofDisk("change")}, 0},
		"of other subsystems":  {"uevent: {SUBSYSTEM: other}", [][]byte{ofDisk("add"), ofDisk("remove")}, 0},
		"of one that is added": {"uevent: {SUBSYSTEM: fake}", [][]byte{ofDisk("add"), ofDisk("remove")}, 6}, // the table takes 4, and 2 more under the race detector
	} {
		r := newRig(t, fakeSys(t), defaultBuffer)
		r.apply(test.trigger)
		r.quiet()
		r.Do(func() {
			emitted := 0
			r.source.host.Emit = func(*sources.Event) { emitted++ }
			read, restore := reader(t, r.source)
			defer restore()
			read(test.datagrams...)
			emitted = 0
			const runs = 100
			allocs := testing.AllocsPerRun(runs, func() { read(test.datagrams...) })
			if allocs > test.most || emitted != (runs+1)*len(test.datagrams) {
				t.Errorf("%s: %v allocations for %d events, %d were emitted", what, allocs, len(test.datagrams), emitted)
			}
		})
	}
}

// The same with what the running kernel says.
func TestReadingTheKernelAllocatesNothing(t *testing.T) {
	needEvents(t)
	r := newRig(t, fakeSys(t), defaultBuffer)
	r.apply("uevent: {SUBSYSTEM: mem}")
	r.quiet()
	const runs = 100
	r.Do(func() {
		emitted := 0
		r.source.host.Emit = func(*sources.Event) { emitted++ }
		for range runs + 2 {
			causeEvent(t, "change "+uuid(t))
		}
		one := func() {
			b, from, err := r.source.receiver.Receive(r.source.socket.FD)
			if err != nil || from.Port != 0 {
				t.Error(from, err)
				return
			}
			r.source.take(b)
		}
		one()
		if allocs := testing.AllocsPerRun(runs, one); allocs != 0 || emitted < runs {
			t.Errorf("%v allocations for an event, %d were emitted", allocs, emitted)
		}
	})
}

func TestReadingUdevdAllocatesNothing(t *testing.T) {
	r := newRig(t, fakeSys(t), defaultBuffer)
	r.apply("{uevent: {SUBSYSTEM: mem}, stage: udev}")
	frame := []byte(realFrame)
	r.Do(func() {
		u := &r.source.udev
		u.host.Emit = func(*sources.Event) {}
		u.take(frame)
		if allocs := testing.AllocsPerRun(100, func() { u.take(frame) }); allocs != 0 || u.count.malformed > 0 {
			t.Errorf("%v allocations for an event, %d malformed", allocs, u.count.malformed)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	r := newRig(b, fakeSys(b), defaultBuffer)
	r.apply("uevent: {SUBSYSTEM: fake}")
	r.quiet()
	r.Do(func() {
		r.source.host.Emit = func(*sources.Event) {}
		read, restore := reader(b, r.source)
		defer restore()
		datagrams := [][]byte{ofDisk("change")}
		b.ReportAllocs()
		for b.Loop() {
			read(datagrams...)
		}
	})
}
