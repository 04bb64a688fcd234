// SPDX-License-Identifier: MIT

// What rtnetlink(7) says of links and addresses: linux/rtnetlink.h,
// linux/if_link.h, linux/if_addr.h.

package link

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"reflexd/sources/nl"
)

// Sizes of the kernel's structures, the same on all machines.
const (
	linkSize    = unix.SizeofIfInfomsg
	addressSize = unix.SizeofIfAddrmsg
)

// nameMost is the longest name of a link: IFNAMSIZ less the NUL.
const nameMost = unix.IFNAMSIZ - 1

// mostMAC is the longest address of a link: MAX_ADDR_LEN of the kernel.
const mostMAC = 32

// operUp and operUnknown are values of IFLA_OPERSTATE (RFC 2863): unknown is
// what drivers leave there that do not know of it, and loopback.
const (
	operUnknown = 0
	operUp      = 6
)

// link is what the kernel says of one.
type link struct {
	index  int
	name   name
	mac    mac
	up     bool // operational, with a carrier
	mtu    int
	master int // the index of the bridge or bond that it is part of
}

// name is that of a link, with NULs at its end.
type name [unix.IFNAMSIZ]byte

func (n *name) bytes() []byte  { return nl.CString(n[:]) }
func (n *name) String() string { return string(n.bytes()) }

// mac is the hardware address of a link.
type mac struct {
	size  int
	bytes [mostMAC]byte
}

// parseLink reads the body of RTM_NEWLINK or RTM_DELLINK. ok is false for
// messages about something else of the link: its being a bridge's port, its
// wireless events.
func parseLink(b []byte) (l link, ok bool, err error) {
	if len(b) < linkSize {
		return l, false, nl.ErrLength
	}
	if b[0] != unix.AF_UNSPEC {
		return l, false, nil
	}
	l.index = int(int32(binary.NativeEndian.Uint32(b[4:])))
	flags := binary.NativeEndian.Uint32(b[8:])
	state := byte(operUnknown)
	for a, err := range nl.Attributes(b[linkSize:]).Each {
		switch {
		case err != nil:
			return l, false, err
		case a.Type == unix.IFLA_IFNAME:
			text := nl.CString(a.Value)
			if len(text) > nameMost {
				return l, false, nl.ErrLength
			}
			l.name = name{}
			copy(l.name[:], text)
		case a.Type == unix.IFLA_ADDRESS:
			l.mac = mac{}
			l.mac.size = copy(l.mac.bytes[:], a.Value)
		case a.Type == unix.IFLA_MTU && len(a.Value) == 4:
			l.mtu = int(binary.NativeEndian.Uint32(a.Value))
		case a.Type == unix.IFLA_MASTER && len(a.Value) == 4:
			l.master = int(binary.NativeEndian.Uint32(a.Value))
		case a.Type == unix.IFLA_OPERSTATE && len(a.Value) == 1:
			state = a.Value[0]
		}
	}
	if l.index <= 0 {
		return l, false, nl.ErrLength
	}
	const running = unix.IFF_UP | unix.IFF_LOWER_UP
	l.up = flags&running == running && (state == operUp || state == operUnknown)
	return l, l.name != name{}, nil
}

// address is one address of a link.
type address struct {
	index  int
	family uint8
	prefix uint8
	ip     [16]byte // of IPv4 the first four
}

// parseAddress reads the body of RTM_NEWADDR or RTM_DELADDR. usable is false
// for an address of IPv6 that is still being checked for duplicates, or is
// one. ok is false for other families.
func parseAddress(b []byte) (a address, scope uint8, usable, ok bool, err error) {
	if len(b) < addressSize {
		return a, 0, false, false, nl.ErrLength
	}
	a = address{index: int(int32(binary.NativeEndian.Uint32(b[4:]))), family: b[0], prefix: b[1]}
	flags, scope := uint32(b[2]), b[3]
	var local, own []byte
	for attr, err := range nl.Attributes(b[addressSize:]).Each {
		switch {
		case err != nil:
			return a, 0, false, false, err
		case attr.Type == unix.IFA_LOCAL:
			local = attr.Value
		case attr.Type == unix.IFA_ADDRESS:
			own = attr.Value // on a point-to-point link that of the other end
		case attr.Type == unix.IFA_FLAGS && len(attr.Value) == 4:
			flags = binary.NativeEndian.Uint32(attr.Value)
		}
	}
	if local != nil {
		own = local
	}
	switch {
	case a.family == unix.AF_INET && len(own) == 4 && a.prefix <= 32, a.family == unix.AF_INET6 && len(own) == 16 && a.prefix <= 128:
		copy(a.ip[:], own)
		ok = true
	case a.family == unix.AF_INET || a.family == unix.AF_INET6:
		err = nl.ErrLength
	}
	if err == nil && a.index <= 0 {
		err = nl.ErrLength
	}
	return a, scope, flags&(unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED) == 0, ok && err == nil, err
}
