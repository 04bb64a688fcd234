// SPDX-License-Identifier: MIT

// The socket on which the kernel announces devices: netlink(7), family
// NETLINK_KOBJECT_UEVENT, group 1. Group 2 is udev's.

package uevent

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
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

// socket is the open socket. Its buffer is used again for each message.
type socket struct {
	fd     int
	size   int  // of the kernel's receive buffer, as it says
	forced bool // past net.core.rmem_max
	buf    [maxMessage]byte
	from   unix.RawSockaddrNetlink
}

// openSocket returns a non-blocking socket that hears a group, with a receive
// buffer of at least buffer bytes, or what net.core.rmem_max allows to us.
func openSocket(buffer int, group uint32) (*socket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		return nil, fmt.Errorf("open uevent socket: %w", err)
	}
	s := &socket{fd: fd, forced: true}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, buffer) != nil {
		s.forced = false
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, buffer)
	}
	if err == nil {
		s.size, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	}
	if err != nil {
		s.close()
		return nil, fmt.Errorf("set receive buffer of uevent socket: %w", err)
	}
	if group == udevGroup { // the kernel is known by its port
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PASSCRED, 1)
	}
	if err != nil {
		s.close()
		return nil, fmt.Errorf("ask for the senders on uevent socket: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: group}); err != nil {
		s.close()
		return nil, fmt.Errorf("bind uevent socket: %w", err)
	}
	return s, nil
}

func (s *socket) close() { unix.Close(s.fd) }

// receive returns the next message and the port that sent it, which is 0 for
// the kernel alone. The message is valid until the next call. EMSGSIZE says
// that a message was longer than any should be, and is lost.
func (s *socket) receive() (b []byte, port uint32, err error) {
	length := uint32(unsafe.Sizeof(s.from))
	// MSG_TRUNC makes it return the whole length. The wrapper of x/sys would
	// allocate an address a message.
	n, _, errno := unix.Syscall6(unix.SYS_RECVFROM, uintptr(s.fd),
		uintptr(unsafe.Pointer(&s.buf)), maxMessage, unix.MSG_TRUNC,
		uintptr(unsafe.Pointer(&s.from)), uintptr(unsafe.Pointer(&length)))
	switch {
	case errno != 0:
		return nil, 0, errno
	case n > maxMessage:
		return nil, s.from.Pid, unix.EMSGSIZE
	}
	return s.buf[:n], s.from.Pid, nil
}

// receiveTrusted returns the next message to the socket's group and whether
// the kernel vouches for its being root's. It is for the few messages of
// udevd's: it allocates.
func (s *socket) receiveTrusted() (b []byte, trusted bool, err error) {
	var control [64]byte
	n, controlLength, flags, from, err := unix.Recvmsg(s.fd, s.buf[:], control[:], unix.MSG_CMSG_CLOEXEC)
	switch {
	case err != nil:
		return nil, false, err
	case flags&unix.MSG_TRUNC != 0:
		return nil, false, unix.EMSGSIZE
	}
	sender, ok := from.(*unix.SockaddrNetlink)
	toGroup := ok && sender.Groups == udevGroup
	return s.buf[:n], toGroup && byRoot(control[:controlLength]), nil
}

// byRoot reports whether the control messages name a sender, and it is root.
func byRoot(control []byte) bool {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return false
	}
	for i := range messages {
		if c, err := unix.ParseUnixCredentials(&messages[i]); err == nil {
			return c.Uid == 0
		}
	}
	return false
}

// knob says what would help against lost messages.
func (s *socket) knob() string {
	if s.forced {
		return fmt.Sprintf("SO_RCVBUFFORCE gave %d KiB, and they were full: see what holds up the machine", s.size>>10)
	}
	return fmt.Sprintf("SO_RCVBUF gave %d KiB: raise net.core.rmem_max, or give CAP_NET_ADMIN to the agent", s.size>>10)
}
