// SPDX-License-Identifier: MIT

// udevd's frames, and who may send them.

package uevent

import (
	"encoding/binary"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"reflexd/sources"
	"reflexd/sources/nl"
)

// udevFrame makes a message as udevd sends it.
func udevFrame(pairs ...string) []byte {
	props := strings.Join(pairs, "\x00") + "\x00"
	b := binary.BigEndian.AppendUint32([]byte(framePrefix), frameMagic)
	for _, n := range []uint32{frameHeader, frameHeader, uint32(len(props))} {
		b = binary.NativeEndian.AppendUint32(b, n)
	}
	b = append(b, make([]byte, frameHeader-len(b))...) // hashes for filters in the kernel
	return append(b, props...)
}

func TestParseFrame(t *testing.T) {
	var m message
	b := udevFrame("ACTION=add", "DEVPATH=/devices/a", "SUBSYSTEM=block", "DEVNAME=/dev/sda1", "TAGS=:systemd:", "ID_FS_LABEL_ENC=a\\x20b", "x=y")
	if err := m.parseFrame(string(b), "/dev"); err != nil || m.action != "add" || m.subsystem != "block" || len(m.fields) != 6 {
		t.Errorf("%+v, %v", m, err)
	}
	spoil := func(at int, with ...byte) string {
		c := append([]byte(nil), b...)
		copy(c[at:], with)
		return string(c)
	}
	full := []byte{0xff, 0xff, 0xff, 0xff}
	for what, text := range map[string]string{
		"nothing":               "",
		"the kernel's":          string(kernelMessage("add", "/devices/a")),
		"short":                 string(b[:frameHeader-1]),
		"header only":           string(b[:frameHeader]),
		"cut":                   string(b[:len(b)-1]),
		"prefix":                spoil(7, 'x'),
		"magic":                 spoil(8, 0xca),
		"magic turned":          spoil(8, 0xfe, 0xca, 0xed, 0xfe),
		"header size 0":         spoil(frameHeaderSize, 0, 0, 0, 0),
		"header size huge":      spoil(frameHeaderSize, full...),
		"properties in header":  spoil(framePropsFrom, 0, 0, 0, 0),
		"properties far away":   spoil(framePropsFrom, full...),
		"properties too long":   spoil(framePropsSize, full...),
		"no properties":         spoil(framePropsSize, 0, 0, 0, 0),
		"no NUL":                spoil(len(b)-1, 'x'),
		"no ACTION":             string(udevFrame("DEVPATH=/devices/a")),
		"no DEVPATH":            string(udevFrame("ACTION=add")),
		"DEVPATH not a path":    string(udevFrame("ACTION=add", "DEVPATH=a")),
		"nothing but NUL bytes": string(make([]byte, 100)),
	} {
		if m.parseFrame(text, "/dev") == nil {
			t.Errorf("%s was taken", what)
		}
	}
}

// realFrame is what systemd-udevd 252 sent of /dev/null on a little-endian
// machine.
const realFrame = "libudev\x00\xfe\xed\xca\xfe\x28\x00\x00\x00\x28\x00\x00\x00\xf3\x00\x00\x00" +
	"\xc3\x65\xcd\x83\x00\x00\x00\x00\x02\x08\x04\x10\x10\x80\x20\x00" +
	"UDEV_DATABASE_VERSION=1\x00ACTION=change\x00DEVPATH=/devices/virtual/mem/null\x00SUBSYSTEM=mem\x00SYNTH_UUID=0\x00" +
	"DEVNAME=/dev/null\x00DEVMODE=0666\x00SEQNUM=212876\x00MAJOR=1\x00MINOR=3\x00USEC_INITIALIZED=15047172915\x00" +
	"ID_TEST=a b\x00TAGS=:systemd:x:\x00CURRENT_TAGS=:systemd:x:\x00"

func TestParseRealFrame(t *testing.T) {
	var m message
	err := m.parseFrame(realFrame, "/dev")
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("recorded on another kind of machine")
	}
	if err != nil || m.action != "change" || m.subsystem != "mem" || len(m.fields) != 14 {
		t.Fatalf("%+v, %v", m, err)
	}
	e := sources.Event{Fields: m.fields}
	for name, want := range map[string]string{"DEVNAME": "/dev/null", "ID_TEST": "a b", "TAGS": ":systemd:x:"} {
		if v, _ := e.Lookup(name); v.String() != want {
			t.Errorf("%s is %q, want %q", name, v, want)
		}
	}
}

func FuzzParseFrame(f *testing.F) {
	f.Add([]byte(realFrame))
	f.Add(udevFrame("ACTION=add", "DEVPATH=/devices/a", "SUBSYSTEM=block"))
	f.Add(udevFrame())
	f.Add([]byte(framePrefix))
	f.Add(kernelMessage("add", "/devices/a"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var m message
		if m.parseFrame(string(b), "/dev") != nil {
			return
		}
		if m.action == "" || m.devpath == "" || m.devpath[0] != '/' {
			t.Errorf("action %q, path %q", m.action, m.devpath)
		}
		for _, field := range m.fields {
			if !validKey(field.Name) || strings.Contains(field.Value.String(), "\x00") {
				t.Errorf("field %q is %q", field.Name, field.Value)
			}
		}
	})
}

// send sends a message to udev's group as this process.
func sendToUdevGroup(t *testing.T, b []byte) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Sendto(fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: udevGroup}); err != nil {
		t.Skipf("cannot send to udev's group: %v", err)
	}
}

func TestUdevStage(t *testing.T) {
	r := newRig(t, fakeSys(t), defaultBuffer)
	control := filepath.Join(t.TempDir(), "control")
	r.Do(func() { r.source.udev.control = control })
	r.apply("{uevent: {ID_FS_TYPE: vfat, ACTION: add, SUBSYSTEM: mine, STAGE: udev}, stage: udev}", "uevent: {SUBSYSTEM: mine}")
	state := func() (st sources.State) {
		r.Do(func() { st = r.source.Status()[1] })
		return st
	}
	if st := state(); st.OK || !strings.Contains(st.Error, "udevd is not running") {
		t.Errorf("status is %+v", st)
	}
	udevd, err := net.Listen("unixpacket", control)
	if err != nil {
		t.Fatal(err)
	}
	sendToUdevGroup(t, []byte("libudev\x00 but no more"))
	sendToUdevGroup(t, udevFrame("ACTION=add", "DEVPATH=/devices/x", "SUBSYSTEM=mine", "ID_FS_TYPE=ext4"))
	sendToUdevGroup(t, udevFrame("ACTION=add", "DEVPATH=/devices/y", "SUBSYSTEM=mine", "ID_FS_TYPE=vfat"))
	r.Await("event", func() bool { return len(r.heard) > 0 })
	r.expect("0 add /devices/y")
	if st := state(); !st.OK || !strings.Contains(st.Detail, "3 received, 1 malformed") {
		t.Errorf("status is %+v", st)
	}
	udevd.(*net.UnixListener).SetUnlinkOnClose(false) // as udevd does it
	must(t, udevd.Close())
	if st := state(); st.OK || !strings.Contains(st.Error, "nothing listens on "+control) {
		t.Errorf("status after udevd's end is %+v", st)
	}
	r.apply(warm)
	r.Do(func() {
		if r.source.udev.socket != nil || len(r.source.Status()) != 1 {
			t.Error("udev's socket stays open")
		}
	})
}

func TestUdevSocketFails(t *testing.T) {
	r := newRig(t, fakeSys(t), defaultBuffer)
	r.apply("{uevent: {SUBSYSTEM: mine}, stage: udev}")
	other := r.notASocket()
	r.Do(func() {
		u := &r.source.udev
		must(t, unix.Dup3(other, u.socket.FD, unix.O_CLOEXEC))
		u.ready(0)
		if st := r.source.Status()[0]; st.OK || !strings.Contains(st.Error, "read udev's socket") {
			t.Errorf("status is %+v", st)
		}
		u.opener.Visit() // rather than wait
	})
	r.Await("socket", func() bool { return r.source.udev.socket != nil })
	sendToUdevGroup(t, udevFrame("ACTION=add", "DEVPATH=/devices/x", "SUBSYSTEM=mine"))
	r.Await("event", func() bool { return len(r.heard) > 0 })
	r.expect("0 add /devices/x")
}

// Each event that udevd sends while the loop is held up is received, or counted as lost.
func TestUdevSocketOverflows(t *testing.T) {
	const sent = 100
	r := newRig(t, fakeSys(t), defaultBuffer)
	r.apply("{uevent: {SUBSYSTEM: mine}, stage: udev}")
	r.Do(func() {
		must(t, unix.SetsockoptInt(r.source.udev.socket.FD, unix.SOL_SOCKET, unix.SO_RCVBUF, 4096))
		for range sent {
			sendToUdevGroup(t, udevFrame("ACTION=add", "DEVPATH=/devices/x", "SUBSYSTEM=mine"))
		}
	})
	r.Await("loss", func() bool { return len(r.losses) > 0 })
	r.Do(func() {
		lost, _ := r.losses[0].Lookup("COUNT")
		if got := len(r.heard); got == 0 || lost != sources.Int(int64(sent-got)) || len(r.losses) > 1 {
			t.Errorf("sent %d, received %d, lost %v in %d losses", sent, got, lost, len(r.losses))
		}
	})
}

// A loss is told even if the last event that waits is the last of what is read at a time.
func TestUdevLossIsToldAfterHoweverManyEvents(t *testing.T) {
	r := newRig(t, fakeSys(t), defaultBuffer)
	r.apply("{uevent: {SUBSYSTEM: mine}, stage: udev}")
	send := func(n int) {
		for range n {
			sendToUdevGroup(t, udevFrame("ACTION=add", "DEVPATH=/devices/x", "SUBSYSTEM=mine"))
		}
	}
	for n := range 2*batch + 2 {
		r.Do(func() {
			fd := r.source.udev.socket.FD
			must(t, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 1<<20))
			send(n)
			must(t, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 0))
			send(20)
			r.losses = nil
		})
		r.Await("loss", func() bool { return len(r.losses) > 0 })
	}
}

func TestByUdevd(t *testing.T) {
	for from, want := range map[nl.Sender]bool{
		{Port: 1, Group: udevGroup, Known: true, PID: 1, UID: 0}:    true,
		{Port: 1, Group: udevGroup, Known: true, PID: 1, UID: 1000}: false,
		{Port: 1, Group: udevGroup}:                                 false, // nobody is root
		{Port: 1, Group: kernelGroup, Known: true}:                  false,
		{Port: 1, Known: true}:                                      false,
		{}:                                                          false,
	} {
		if got := byUdevd(from); got != want {
			t.Errorf("%+v: %v", from, got)
		}
	}
}
