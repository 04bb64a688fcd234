// SPDX-License-Identifier: MIT

// The system calls on netlink sockets: netlink(7) and
// include/uapi/linux/netlink.h. Where it is said, they may block.

package netlink

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// opened is a socket that was just opened.
type opened struct {
	fd     int
	port   uint32
	size   int  // of the receive buffer, as the kernel says
	forced bool // past net.core.rmem_max
}

// openSocket opens a non-blocking socket with its port and without groups. It
// may block: the kernel may look for a module that brings the protocol.
func openSocket(protocol int, port uint32, buffer int) (opened, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, protocol)
	if err == unix.EPROTONOSUPPORT {
		return opened{}, fmt.Errorf("open socket of %s: %w: is its module loaded?", protocolName(protocol), err)
	}
	if err != nil {
		return opened{}, fmt.Errorf("open socket of %s: %w", protocolName(protocol), err)
	}
	o := opened{fd: fd}
	if err := o.prepare(port, buffer); err != nil {
		unix.Close(fd)
		return opened{}, err
	}
	return o, nil
}

func (o *opened) prepare(port uint32, buffer int) error {
	o.forced = unix.SetsockoptInt(o.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, buffer) == nil
	var err error
	if !o.forced {
		err = unix.SetsockoptInt(o.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, buffer)
	}
	if err == nil {
		o.size, err = unix.GetsockoptInt(o.fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	}
	if err != nil {
		return fmt.Errorf("set receive buffer: %w", err)
	}
	if err := unix.SetsockoptInt(o.fd, unix.SOL_NETLINK, unix.NETLINK_PKTINFO, 1); err != nil {
		return fmt.Errorf("ask for the group of messages: %w", err)
	}
	// Only for better answers.
	_ = unix.SetsockoptInt(o.fd, unix.SOL_NETLINK, unix.NETLINK_EXT_ACK, 1)
	_ = unix.SetsockoptInt(o.fd, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1)
	if err := unix.Bind(o.fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Pid: port}); err != nil {
		return fmt.Errorf("bind port %d: %w", port, err)
	}
	name, err := unix.Getsockname(o.fd)
	if err != nil {
		return fmt.Errorf("ask for the port: %w", err)
	}
	o.port = name.(*unix.SockaddrNetlink).Pid
	return nil
}

// join makes the socket a member of the group. It may block: a driver may
// want to know.
func join(fd int, number uint32) error {
	err := unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, int(number))
	if errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("join group %d: %w: the protocol has fewer groups", number, err)
	}
	if err != nil {
		return fmt.Errorf("join group %d: %w", number, err)
	}
	return nil
}

// askCredentials has each message bring its sender's.
func askCredentials(fd int) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PASSCRED, 1); err != nil {
		return fmt.Errorf("ask for the senders' credentials: %w", err)
	}
	return nil
}

// dropped returns how many messages the kernel could not put into the
// socket's buffer since it was opened.
func dropped(fd int) (uint32, bool) {
	const skMeminfoDrops = 8 // SK_MEMINFO_DROPS of include/uapi/linux/sock_diag.h
	var info [skMeminfoDrops + 1]uint32
	length := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&length)), 0)
	return info[skMeminfoDrops], errno == 0 && length == uint32(unsafe.Sizeof(info))
}

// receiver receives datagrams into a buffer that it uses again for each.
type receiver struct {
	buf     []byte
	from    unix.RawSockaddrNetlink
	iov     unix.Iovec
	control [16]uint64 // aligned as cmsghdr wants it
	hdr     unix.Msghdr
}

// fit makes room for datagrams of so many bytes.
func (r *receiver) fit(longest int) {
	if len(r.buf) != longest {
		r.buf = make([]byte, longest)
	}
}

// receive returns the next datagram that waits in the socket, and its sender.
// The datagram is valid until the next call. EMSGSIZE says that it was longer
// than the buffer, and is lost. It allocates nothing.
func (r *receiver) receive(fd int) ([]byte, sender, error) {
	r.iov.Base = &r.buf[0]
	r.iov.SetLen(len(r.buf))
	r.hdr = unix.Msghdr{Name: (*byte)(unsafe.Pointer(&r.from)), Namelen: uint32(unsafe.Sizeof(r.from)), Iov: &r.iov}
	r.hdr.SetIovlen(1)
	r.hdr.Control = (*byte)(unsafe.Pointer(&r.control))
	r.hdr.SetControllen(int(unsafe.Sizeof(r.control)))
	n, _, errno := unix.Syscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&r.hdr)), unix.MSG_TRUNC)
	if errno != 0 {
		return nil, sender{}, errno
	}
	who := sender{port: r.from.Pid}
	r.ancillary(&who)
	if int(n) > len(r.buf) {
		return nil, who, unix.EMSGSIZE
	}
	return r.buf[:n], who, nil
}

// ancillary reads what came beside the datagram: struct nl_pktinfo and struct
// ucred.
func (r *receiver) ancillary(who *sender) {
	size := min(uintptr(r.hdr.Controllen), unsafe.Sizeof(r.control))
	base := unsafe.Pointer(&r.control)
	for at := uintptr(0); at+unix.SizeofCmsghdr <= size; {
		h := (*unix.Cmsghdr)(unsafe.Add(base, at))
		length := uintptr(h.Len)
		if length < unix.SizeofCmsghdr || at+length > size {
			return
		}
		data := unsafe.Add(base, at+uintptr(unix.CmsgLen(0)))
		room := length - uintptr(unix.CmsgLen(0))
		switch {
		case h.Level == unix.SOL_NETLINK && h.Type == unix.NETLINK_PKTINFO && room >= 4:
			who.group = *(*uint32)(data)
		case h.Level == unix.SOL_SOCKET && h.Type == unix.SCM_CREDENTIALS && room >= unix.SizeofUcred:
			c := (*unix.Ucred)(data)
			who.known, who.pid, who.uid = true, c.Pid, c.Uid
		}
		at += uintptr(unix.CmsgSpace(int(room)))
	}
}

// transmit sends one datagram to a port and, unless group is 0, to the
// group's members. It blocks as long as a driver's input callback does.
func transmit(fd int, b []byte, port uint32, group int) error {
	to := &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Pid: port}
	if group > 0 {
		to.Groups = 1 << (group - 1)
	}
	err := unix.Sendto(fd, b, unix.MSG_NOSIGNAL, to)
	if group > 0 && port == 0 && err == unix.ECONNREFUSED {
		// The group has it; the kernel wants a copy too, on every protocol,
		// and on this one has no socket.
		return nil
	}
	return err
}
