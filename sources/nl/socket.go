// SPDX-License-Identifier: MIT

// Package nl opens netlink sockets, receives datagrams without allocating, and
// splits them into messages and attributes. It knows no protocol beyond
// netlink itself: netlink(7), Documentation/userspace-api/netlink/intro.rst and
// include/uapi/linux/netlink.h. Whatever bytes come in, it stays within them.
//
// A port is the address of a socket, which the kernel calls nl_pid. Port 0 is
// the kernel.
package nl

import (
	"errors"
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Config says what socket to open.
type Config struct {
	Protocol int    // NETLINK_ROUTE, NETLINK_GENERIC, …
	Port     uint32 // 0: the kernel chooses one
	// Buffer is the size of the receive buffer in bytes, 0 for the system's
	// default. With CAP_NET_ADMIN it may exceed net.core.rmem_max.
	Buffer int
	// Credentials asks for the sender's PID and UID with each datagram.
	Credentials bool
	// Timeout limits how long a call waits for a datagram. The zero value makes
	// the socket non-blocking.
	Timeout time.Duration
}

// Socket is an open socket.
type Socket struct {
	FD     int
	Port   uint32
	Buffer int  // size of the receive buffer, as the kernel reports it
	Forced bool // Buffer may exceed net.core.rmem_max

	seq   uint32 // of the last request
	drops uint32 // that Dropped has returned
	early bool   // some of them are of an overflow that Receive has not reported
}

// Open opens a socket that is a member of no group. It may block while the
// kernel loads the module of the protocol.
func Open(c Config) (Socket, error) {
	kind := unix.SOCK_RAW | unix.SOCK_CLOEXEC
	if c.Timeout == 0 {
		kind |= unix.SOCK_NONBLOCK
	}
	fd, err := unix.Socket(unix.AF_NETLINK, kind, c.Protocol)
	if err != nil {
		return Socket{FD: -1}, fmt.Errorf("open socket: %w", err)
	}
	s := Socket{FD: fd}
	if err := s.prepare(&c); err != nil {
		s.Close()
		return Socket{FD: -1}, err
	}
	return s, nil
}

func (s *Socket) prepare(c *Config) error {
	if err := s.setBuffer(c.Buffer); err != nil {
		return fmt.Errorf("set receive buffer: %w", err)
	}
	if err := unix.SetsockoptInt(s.FD, unix.SOL_NETLINK, unix.NETLINK_PKTINFO, 1); err != nil {
		return fmt.Errorf("enable NETLINK_PKTINFO: %w", err)
	}
	// Better error messages, where the kernel has them.
	_ = unix.SetsockoptInt(s.FD, unix.SOL_NETLINK, unix.NETLINK_EXT_ACK, 1)
	_ = unix.SetsockoptInt(s.FD, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1)
	if c.Credentials {
		if err := unix.SetsockoptInt(s.FD, unix.SOL_SOCKET, unix.SO_PASSCRED, 1); err != nil {
			return fmt.Errorf("enable SO_PASSCRED: %w", err)
		}
	}
	if c.Timeout > 0 {
		t := unix.NsecToTimeval(int64(c.Timeout))
		if err := unix.SetsockoptTimeval(s.FD, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &t); err != nil {
			return fmt.Errorf("set timeout: %w", err)
		}
	}
	if err := unix.Bind(s.FD, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Pid: c.Port}); err != nil {
		return fmt.Errorf("bind port %d: %w", c.Port, err)
	}
	name, err := unix.Getsockname(s.FD)
	if err != nil {
		return fmt.Errorf("get the port: %w", err)
	}
	s.Port = name.(*unix.SockaddrNetlink).Pid
	return nil
}

func (s *Socket) setBuffer(size int) (err error) {
	if size > 0 {
		s.Forced = unix.SetsockoptInt(s.FD, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, size) == nil
		if !s.Forced {
			err = unix.SetsockoptInt(s.FD, unix.SOL_SOCKET, unix.SO_RCVBUF, size)
		}
	}
	if err == nil {
		s.Buffer, err = unix.GetsockoptInt(s.FD, unix.SOL_SOCKET, unix.SO_RCVBUF)
	}
	return err
}

// Close closes the socket. It may block until the protocol's module has taken
// note of it.
func (s *Socket) Close() { unix.Close(s.FD) }

// Join makes the socket a member of groups, by number. It may block: a
// protocol may refuse members or want to know them.
func (s *Socket) Join(groups ...uint32) error {
	for _, g := range groups {
		err := unix.SetsockoptInt(s.FD, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, int(g))
		if errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("join group %d: %w: the protocol has fewer groups", g, err)
		}
		if err != nil {
			return fmt.Errorf("join group %d: %w", g, err)
		}
	}
	return nil
}

// Send sends a datagram to a port and, unless group is 0, to the members of a
// group, which is 32 at most. It blocks as long as the receiver is a driver
// whose input callback runs.
func (s *Socket) Send(b []byte, port uint32, group int) error {
	to := &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Pid: port}
	if group > 0 {
		to.Groups = 1 << (group - 1)
	}
	err := unix.Sendto(s.FD, b, unix.MSG_NOSIGNAL, to)
	if group > 0 && port == 0 && err == unix.ECONNREFUSED {
		// The group got it. The kernel was to get a copy too, as on every
		// protocol, and has no socket on this one.
		return nil
	}
	return err
}

// Dropped returns how many messages did not fit into the receive buffer since it was asked last, or the socket was
// opened; 0 if the kernel does not say. It is asked after Receive has reported a loss, and news is false if it has
// returned all of that loss before. In a socket that has overflowed the kernel drops all further messages until it
// is empty, and reports that once (NETLINK_S_CONGESTED in net/netlink/af_netlink.c). Only an empty socket shows how many
// were lost, and only then can asking the kernel for the state make up for them.
func (s *Socket) Dropped() (count int, news bool) {
	var info [unix.SK_MEMINFO_VARS]uint32
	length := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(s.FD), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&length)), 0)
	if errno == 0 && length > 4*unix.SK_MEMINFO_DROPS {
		count = int(info[unix.SK_MEMINFO_DROPS] - s.drops)
		s.drops = info[unix.SK_MEMINFO_DROPS]
	}
	news = count > 0 || !s.early
	waiting := []unix.PollFd{{Fd: int32(s.FD)}}
	_, err := unix.Poll(waiting, 0)
	s.early = count > 0 && err == nil && waiting[0].Revents&unix.POLLERR != 0
	return count, news
}

// Hint says what would help when the receive buffer has overflowed.
func (s *Socket) Hint() string {
	if s.Forced {
		return fmt.Sprintf("SO_RCVBUFFORCE gave %d KiB, and they were full: find what delays the machine", s.Buffer>>10)
	}
	return fmt.Sprintf("SO_RCVBUF gave %d KiB: raise net.core.rmem_max, or give CAP_NET_ADMIN to the agent", s.Buffer>>10)
}
