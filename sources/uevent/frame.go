// SPDX-License-Identifier: MIT

// The frame in which udevd sends an event: struct monitor_netlink_header of
// systemd's src/libsystemd/sd-device/device-monitor.c, and then KEY=VALUE texts,
// each ended by a NUL.

package uevent

import (
	"encoding/binary"
	"errors"
	"strings"
)

const (
	framePrefix = "libudev\x00"
	frameMagic  = 0xfeedcafe // in network byte order
	frameHeader = 40         // bytes of the header that all versions have
)

// Offsets in the header of 32-bit numbers in the machine's byte order.
const (
	frameHeaderSize = 12
	framePropsFrom  = 16
	framePropsSize  = 20
)

var (
	errFrame   = errors.New("no libudev frame")
	errBounds  = errors.New("properties outside of the message")
	errNothing = errors.New("no ACTION or no DEVPATH")
)

// parseFrame reads udevd's message into m.
func (m *message) parseFrame(text, dev string) error {
	m.reset()
	if len(text) < frameHeader || !strings.HasPrefix(text, framePrefix) ||
		binary.BigEndian.Uint32([]byte(text[len(framePrefix):frameHeaderSize])) != frameMagic {
		return errFrame
	}
	number := func(at int) uint64 { return uint64(binary.NativeEndian.Uint32([]byte(text[at : at+4]))) }
	size, from, length := number(frameHeaderSize), number(framePropsFrom), number(framePropsSize)
	switch {
	case size < frameHeader || from < size || from+length > uint64(len(text)):
		return errBounds
	case length == 0 || text[from+length-1] != 0:
		return errEnd
	}
	m.addAll(text[from:from+length], dev)
	if m.action == "" || !strings.HasPrefix(m.devpath, "/") {
		return errNothing
	}
	return nil
}
