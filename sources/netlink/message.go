// SPDX-License-Identifier: MIT

// Messages: what a datagram holds. Whatever bytes come in, these functions
// come to an end and never look outside of them.

package netlink

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// order is the byte order of netlink: the machine's.
var order = binary.NativeEndian

// Sizes of struct nlmsghdr, genlmsghdr and nlattr, and what their lengths are
// rounded up to.
const (
	headerSize        = 16
	genericHeaderSize = 4
	attrHeaderSize    = 4
	alignment         = 4
)

func align(n int) int { return (n + alignment - 1) &^ (alignment - 1) }

// header is struct nlmsghdr without the length.
type header struct {
	kind, flags uint16 // nlmsg_type, nlmsg_flags
	seq, port   uint32 // nlmsg_seq, nlmsg_pid: what the sender wrote there
}

// append appends the header of a message with so many bytes of payload.
func (h header) append(b []byte, payload int) []byte {
	b = order.AppendUint32(b, uint32(headerSize+payload))
	b = order.AppendUint16(b, h.kind)
	b = order.AppendUint16(b, h.flags)
	b = order.AppendUint32(b, h.seq)
	return order.AppendUint32(b, h.port)
}

// eachMessage calls take for each message of a datagram, and reports whether
// their lengths made sense. The messages before one whose length lies are
// taken.
func eachMessage(b []byte, take func(h header, payload []byte)) (sound bool) {
	for len(b) >= headerSize {
		length := order.Uint32(b)
		if length < headerSize || uint64(length) > uint64(len(b)) {
			return false
		}
		h := header{order.Uint16(b[4:]), order.Uint16(b[6:]), order.Uint32(b[8:]), order.Uint32(b[12:])}
		take(h, b[headerSize:length])
		b = b[min(align(int(length)), len(b)):]
	}
	return len(b) < alignment // what is left is padding
}

// attr is struct nlattr.
type attr struct {
	number     uint16
	networkish bool // NLA_F_NET_BYTEORDER
	value      []byte
}

// eachAttr calls take for each attribute, not descending into nested ones,
// and reports whether their lengths made sense.
func eachAttr(b []byte, take func(attr)) (sound bool) {
	for len(b) >= attrHeaderSize {
		length := int(order.Uint16(b))
		if length < attrHeaderSize || length > len(b) {
			return false
		}
		kind := order.Uint16(b[2:])
		const mask = unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER
		take(attr{kind &^ mask, kind&unix.NLA_F_NET_BYTEORDER != 0, b[attrHeaderSize:length]})
		b = b[min(align(length), len(b)):]
	}
	return len(b) < alignment
}

// appendAttr appends an attribute with its padding.
func appendAttr(b []byte, number uint16, value []byte) []byte {
	b = order.AppendUint16(b, uint16(attrHeaderSize+len(value)))
	b = order.AppendUint16(b, number)
	b = append(b, value...)
	for len(b)%alignment != 0 {
		b = append(b, 0)
	}
	return b
}

// integer returns an attribute's value as a number, if it has a number's size.
func (a attr) integer() (n int64, ok bool) {
	switch len(a.value) {
	case 1:
		n = int64(a.value[0])
	case 2:
		n = int64(order.Uint16(a.value))
	case 4:
		n = int64(order.Uint32(a.value))
	case 8:
		n = int64(order.Uint64(a.value))
	default:
		return 0, false
	}
	if a.networkish {
		n = 0
		for _, b := range a.value {
			n = n<<8 | int64(b)
		}
	}
	return n, true
}

// answer is what NLMSG_ERROR says: struct nlmsgerr, and the extended ack.
type answer struct {
	errno unix.Errno // 0: it was done
	text  string     // what the driver says of it
}

// describe returns the answer in words.
func (a answer) describe() string {
	switch {
	case a.errno == 0:
		return "done"
	case a.text != "":
		return a.errno.Error() + ": " + a.text
	}
	return a.errno.Error()
}

// parseAnswer reads the payload of NLMSG_ERROR.
func parseAnswer(h header, b []byte) (a answer, sound bool) {
	const errnoSize = 4
	if len(b) < errnoSize+headerSize {
		return answer{}, false
	}
	errno := -int64(int32(order.Uint32(b)))
	if errno < 0 {
		return answer{}, false
	}
	a.errno = unix.Errno(errno)
	if h.flags&unix.NLM_F_ACK_TLVS == 0 {
		return a, true
	}
	b = b[errnoSize:]
	request := headerSize // the message that was refused, or its header alone
	if h.flags&unix.NLM_F_CAPPED == 0 {
		length := order.Uint32(b)
		if length < headerSize || uint64(length) > uint64(len(b)) {
			return answer{}, false
		}
		request = min(align(int(length)), len(b))
	}
	sound = eachAttr(b[request:], func(at attr) {
		if at.number == unix.NLMSGERR_ATTR_MSG {
			a.text = printable(at.value)
		}
	})
	return a, sound
}
