// SPDX-License-Identifier: MIT

// Messages of rtnetlink(7): linux/netlink.h, linux/rtnetlink.h,
// linux/if_link.h, linux/if_addr.h.

package link

import (
	"encoding/binary"
	"errors"
	"strings"

	"golang.org/x/sys/unix"
)

// Sizes of the kernel's structures, the same on all machines.
const (
	headerSize    = unix.SizeofNlMsghdr
	linkSize      = unix.SizeofIfInfomsg
	addressSize   = unix.SizeofIfAddrmsg
	attributeSize = unix.SizeofRtAttr
)

// nameMost is the longest name of a link: IFNAMSIZ less the NUL.
const nameMost = unix.IFNAMSIZ - 1

// operUp and operUnknown are values of IFLA_OPERSTATE (RFC 2863): unknown is
// what drivers leave there that do not know of it, and loopback.
const (
	operUnknown = 0
	operUp      = 6
)

var errLength = errors.New("a length that does not fit")

// message is one message of a datagram.
type message struct {
	kind  uint16 // RTM_NEWLINK, NLMSG_DONE, …
	flags uint16
	seq   uint32
	body  []byte
}

// next splits the first message off b.
func next(b []byte) (m message, rest []byte, err error) {
	if len(b) < headerSize {
		return m, nil, errLength
	}
	size := uint64(binary.NativeEndian.Uint32(b))
	if size < headerSize || size > uint64(len(b)) {
		return m, nil, errLength
	}
	m = message{
		kind:  binary.NativeEndian.Uint16(b[4:]),
		flags: binary.NativeEndian.Uint16(b[6:]),
		seq:   binary.NativeEndian.Uint32(b[8:]),
		body:  b[headerSize:size],
	}
	return m, b[min(align(int(size)), len(b)):], nil
}

// align rounds up to where the next message or attribute begins.
func align(n int) int { return (n + 3) &^ 3 }

// eachAttribute calls f with the attributes of b.
func eachAttribute(b []byte, f func(kind uint16, value []byte)) error {
	for len(b) > 0 {
		if len(b) < attributeSize {
			return errLength
		}
		size := int(binary.NativeEndian.Uint16(b))
		if size < attributeSize || size > len(b) {
			return errLength
		}
		const flags = unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER
		f(binary.NativeEndian.Uint16(b[2:])&^flags, b[attributeSize:size])
		b = b[min(align(size), len(b)):]
	}
	return nil
}

// link is what the kernel says of one.
type link struct {
	index  int
	name   string
	mac    string
	up     bool // operational, with a carrier
	mtu    int
	master int // the index of the bridge or bond that it is part of
}

// parseLink reads the body of RTM_NEWLINK or RTM_DELLINK. ok is false for
// messages about something else of the link: its being a bridge's port, its
// wireless events.
func parseLink(b []byte) (l link, ok bool, err error) {
	if len(b) < linkSize {
		return l, false, errLength
	}
	if b[0] != unix.AF_UNSPEC {
		return l, false, nil
	}
	l.index = int(int32(binary.NativeEndian.Uint32(b[4:])))
	flags := binary.NativeEndian.Uint32(b[8:])
	state := byte(operUnknown)
	err = eachAttribute(b[linkSize:], func(kind uint16, value []byte) {
		switch {
		case kind == unix.IFLA_IFNAME:
			l.name, _, _ = strings.Cut(string(value), "\x00")
		case kind == unix.IFLA_ADDRESS:
			l.mac = macText(value)
		case kind == unix.IFLA_MTU && len(value) == 4:
			l.mtu = int(binary.NativeEndian.Uint32(value))
		case kind == unix.IFLA_MASTER && len(value) == 4:
			l.master = int(binary.NativeEndian.Uint32(value))
		case kind == unix.IFLA_OPERSTATE && len(value) == 1:
			state = value[0]
		}
	})
	if err == nil && (l.index <= 0 || len(l.name) > nameMost) {
		err = errLength
	}
	const running = unix.IFF_UP | unix.IFF_LOWER_UP
	l.up = flags&running == running && (state == operUp || state == operUnknown)
	return l, l.name != "", err
}

// address is one address of a link.
type address struct {
	index  int
	family uint8
	prefix uint8
	ip     string // in text
}

// parseAddress reads the body of RTM_NEWADDR or RTM_DELADDR. usable is false
// for an address of IPv6 that is still being checked for duplicates, or is
// one. ok is false for other families.
func parseAddress(b []byte) (a address, scope uint8, usable, ok bool, err error) {
	if len(b) < addressSize {
		return a, 0, false, false, errLength
	}
	a = address{index: int(int32(binary.NativeEndian.Uint32(b[4:]))), family: b[0], prefix: b[1]}
	flags, scope := uint32(b[2]), b[3]
	var local, own []byte
	err = eachAttribute(b[addressSize:], func(kind uint16, value []byte) {
		switch {
		case kind == unix.IFA_LOCAL:
			local = value
		case kind == unix.IFA_ADDRESS:
			own = value // on a point-to-point link that of the other end
		case kind == unix.IFA_FLAGS && len(value) == 4:
			flags = binary.NativeEndian.Uint32(value)
		}
	})
	if local != nil {
		own = local
	}
	switch {
	case err != nil:
	case a.family == unix.AF_INET && len(own) == 4 && a.prefix <= 32:
		a.ip, ok = ip4Text([4]byte(own)), true
	case a.family == unix.AF_INET6 && len(own) == 16 && a.prefix <= 128:
		a.ip, ok = ip6Text([16]byte(own)), true
	case a.family == unix.AF_INET || a.family == unix.AF_INET6:
		err = errLength
	}
	if err == nil && a.index <= 0 {
		err = errLength
	}
	return a, scope, flags&(unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED) == 0, ok && err == nil, err
}
