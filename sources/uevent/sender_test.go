// SPDX-License-Identifier: MIT

// Who may speak on udev's group, by the running kernel.

package uevent

import (
	"os"
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// as runs f on a thread that is the user uid, with no capabilities but
// CAP_NET_ADMIN, or without that too. The thread ends with it.
func as(t *testing.T, uid int, netAdmin bool, f func()) {
	t.Helper()
	done := make(chan unix.Errno)
	go func() {
		runtime.LockOSThread() // and never unlocked
		errno := becomeThreadOf(uid, netAdmin)
		if errno == 0 {
			f()
		}
		done <- errno
	}()
	if errno := <-done; errno != 0 {
		t.Skipf("cannot become another user: %v", errno)
	}
}

// becomeThreadOf changes the user of this thread alone.
func becomeThreadOf(uid int, netAdmin bool) unix.Errno {
	if _, _, errno := unix.RawSyscall(unix.SYS_PRCTL, unix.PR_SET_KEEPCAPS, 1, 0); errno != 0 {
		return errno
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)); errno != 0 {
		return errno
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if netAdmin {
		data[0].Effective = 1 << unix.CAP_NET_ADMIN
		data[0].Permitted = 1 << unix.CAP_NET_ADMIN
	}
	_, _, errno := unix.RawSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&data)), 0)
	return errno
}

// sendFrame sends b to the group, or to one port.
func sendFrame(b []byte, group, port uint32) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Sendto(fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: group, Pid: port})
}

// Only root is believed, and only what it sends to the group. To send at all
// takes CAP_NET_ADMIN: a user without it has no way in.
func TestUdevStageBelievesRootAlone(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only as root")
	}
	r := newRig(t, fakeSys(t), defaultBuffer)
	r.apply("{uevent: {SUBSYSTEM: mine}, stage: udev}")
	frame := func(path string) []byte { return udevFrame("ACTION=add", "DEVPATH="+path, "SUBSYSTEM=mine") }
	as(t, 1000, true, func() {
		if err := sendFrame(frame("/devices/spoof"), udevGroup, 0); err != nil {
			t.Errorf("with CAP_NET_ADMIN: %v", err)
		}
	})
	as(t, 1000, false, func() {
		if err := sendFrame(frame("/devices/spoof"), udevGroup, 0); err != unix.EPERM {
			t.Errorf("without CAP_NET_ADMIN: %v, want %v", err, unix.EPERM)
		}
	})
	var port uint32
	r.Do(func() {
		address, err := unix.Getsockname(r.source.udev.socket.FD)
		if err != nil {
			t.Error(err)
			return
		}
		port = address.(*unix.SockaddrNetlink).Pid
	})
	if err := sendFrame(frame("/devices/whispered"), 0, port); err != nil {
		t.Errorf("to the port: %v", err)
	}
	if err := sendFrame(frame("/devices/real"), udevGroup, 0); err != nil {
		t.Fatal(err)
	}
	r.Await("event", func() bool { return len(r.heard) > 0 })
	r.expect("0 add /devices/real")
	r.Do(func() {
		if c := r.source.udev.count; c.foreign < 2 || c.received != 1 {
			t.Errorf("%+v", c)
		}
	})
}
