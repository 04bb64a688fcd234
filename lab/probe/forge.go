// SPDX-License-Identifier: MIT

// Announcing a device in udevd's name.

package main

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// udevGroup is the group of NETLINK_KOBJECT_UEVENT on which udevd announces devices.
const udevGroup = 2

// forge sends a message as udevd does, as the user uid with CAP_NET_ADMIN, without which nobody may send to the group.
func forge(uid string, properties []string) error {
	id, err := strconv.Atoi(uid)
	if err != nil {
		return err
	}
	runtime.LockOSThread()
	if err := becomeNetAdmin(id); err != nil {
		return fmt.Errorf("become user %d: %w", id, err)
	}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		return fmt.Errorf("open uevent socket: %w", err)
	}
	defer unix.Close(fd)
	return unix.Sendto(fd, udevFrame(properties), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: udevGroup})
}

// becomeNetAdmin makes this thread another user's, with one capability.
func becomeNetAdmin(uid int) error {
	if err := unix.Prctl(unix.PR_SET_KEEPCAPS, 1, 0, 0, 0); err != nil {
		return err
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)); errno != 0 {
		return errno
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := [2]unix.CapUserData{{Effective: 1 << unix.CAP_NET_ADMIN, Permitted: 1 << unix.CAP_NET_ADMIN}}
	return unix.Capset(&header, &data[0])
}

// udevFrame is struct monitor_netlink_header of systemd's device-monitor.c, and the properties.
func udevFrame(properties []string) []byte {
	const header = 40
	text := strings.Join(properties, "\x00") + "\x00"
	b := binary.BigEndian.AppendUint32([]byte("libudev\x00"), 0xfeedcafe)
	for _, n := range []uint32{header, header, uint32(len(text))} {
		b = binary.NativeEndian.AppendUint32(b, n)
	}
	b = append(b, make([]byte, header-len(b))...)
	return append(b, text...)
}
