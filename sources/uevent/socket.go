// SPDX-License-Identifier: MIT

// The sockets on which devices are announced: netlink(7), protocol
// NETLINK_KOBJECT_UEVENT.

package uevent

import (
	"fmt"

	"golang.org/x/sys/unix"

	"reflexd/sources/nl"
)

// The groups.
const (
	kernelGroup = 1
	udevGroup   = 2
)

// defaultBuffer is the size of the receive buffer that we ask for, in bytes.
// The kernel takes twice as much for its bookkeeping, and uses what is waiting
// only; a message takes about 1 KiB of it.
const defaultBuffer = 16 << 20

// maxMessage is larger than any message: the kernel makes the keys in a buffer
// of 2 KiB (UEVENT_BUFFER_SIZE), after a path of at most 4.
const maxMessage = 16 << 10

// openSocket returns a non-blocking socket that is a member of a group. The
// kernel is known by its port, udevd by its credentials.
func openSocket(buffer int, group uint32) (*nl.Socket, error) {
	s, err := nl.Open(nl.Config{Protocol: unix.NETLINK_KOBJECT_UEVENT, Buffer: buffer, Credentials: group == udevGroup})
	if err != nil {
		return nil, fmt.Errorf("uevent socket: %w", err)
	}
	if err := s.Join(group); err != nil {
		s.Close()
		return nil, fmt.Errorf("uevent socket: %w", err)
	}
	return &s, nil
}

// byUdevd reports whether the kernel vouches for a datagram's being sent to
// udevd's group by root.
func byUdevd(from nl.Sender) bool { return from.Group == udevGroup && from.Known && from.UID == 0 }
