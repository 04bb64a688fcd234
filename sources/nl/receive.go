// SPDX-License-Identifier: MIT

// Receiving datagrams, and who sent them.

package nl

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Longest is more than the kernel puts into a datagram: a page of a dump has
// 32 KiB at most. Drivers and processes may send more.
const Longest = 64 << 10

// Sender is where a datagram came from, by the kernel's word.
type Sender struct {
	Port  uint32
	Group uint32 // that it was sent to; 0 if it was sent to our port
	Known bool   // PID and UID are: Config.Credentials asked for them
	PID   int32
	UID   uint32
}

// Receiver receives datagrams into a buffer that it uses again for each. The
// zero value takes up to Longest bytes.
type Receiver struct {
	// Listens is set for a socket on which nothing is sent, so that no dump can be under way: then
	// recvmsg(2) never waits, and Go's runtime is not prepared for that, as with sources.Read.
	Listens bool

	buf     []byte
	from    unix.RawSockaddrNetlink
	iov     unix.Iovec
	control [16]uint64 // aligned like struct cmsghdr
	hdr     unix.Msghdr
}

// Fit makes room for datagrams of up to so many bytes.
func (r *Receiver) Fit(longest int) {
	if len(r.buf) != longest {
		r.buf = make([]byte, longest)
	}
}

// Room returns the length of the longest datagram that fits.
func (r *Receiver) Room() int { return len(r.buf) }

// Receive returns the next datagram of a socket, which is valid until the next
// call, and its sender. The error is an errno: EAGAIN if there is no datagram,
// ENOBUFS if the receive buffer has overflowed, EMSGSIZE if the datagram was
// longer than ours, in which case it is lost. Receive does not allocate.
func (r *Receiver) Receive(fd int) ([]byte, Sender, error) {
	if r.buf == nil {
		r.Fit(Longest)
	}
	r.iov.Base = &r.buf[0]
	r.iov.SetLen(len(r.buf))
	r.from = unix.RawSockaddrNetlink{}
	r.hdr = unix.Msghdr{Name: (*byte)(unsafe.Pointer(&r.from)), Namelen: uint32(unsafe.Sizeof(r.from)), Iov: &r.iov}
	r.hdr.SetIovlen(1)
	r.hdr.Control = (*byte)(unsafe.Pointer(&r.control))
	r.hdr.SetControllen(int(unsafe.Sizeof(r.control)))
	// The wrappers of x/sys allocate an address for each datagram. MSG_TRUNC
	// has the kernel return the whole length.
	var n uintptr
	var errno unix.Errno
	if r.Listens {
		n, _, errno = unix.RawSyscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&r.hdr)), unix.MSG_TRUNC)
	} else {
		n, _, errno = unix.Syscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&r.hdr)), unix.MSG_TRUNC)
	}
	if errno != 0 {
		return nil, Sender{}, errno
	}
	from := Sender{Port: r.from.Pid}
	r.ancillary(&from)
	if int(n) > len(r.buf) {
		return nil, from, unix.EMSGSIZE
	}
	return r.buf[:n], from, nil
}

// ancillary reads what came beside the datagram: struct nl_pktinfo and struct
// ucred.
func (r *Receiver) ancillary(from *Sender) {
	size := min(uintptr(r.hdr.Controllen), unsafe.Sizeof(r.control))
	base := unsafe.Pointer(&r.control)
	for at := uintptr(0); at+unix.SizeofCmsghdr <= size; {
		h := (*unix.Cmsghdr)(unsafe.Add(base, at))
		length := uintptr(h.Len)
		if length < unix.SizeofCmsghdr || length > size-at {
			return
		}
		data := unsafe.Add(base, at+uintptr(unix.CmsgLen(0)))
		room := length - uintptr(unix.CmsgLen(0))
		switch {
		case h.Level == unix.SOL_NETLINK && h.Type == unix.NETLINK_PKTINFO && room >= 4:
			from.Group = *(*uint32)(data)
		case h.Level == unix.SOL_SOCKET && h.Type == unix.SCM_CREDENTIALS && room >= unix.SizeofUcred:
			c := (*unix.Ucred)(data)
			from.Known, from.PID, from.UID = true, c.Pid, c.Uid
		}
		at += uintptr(unix.CmsgSpace(int(room)))
	}
}
