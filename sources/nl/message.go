// SPDX-License-Identifier: MIT

// Messages, which a datagram consists of, and attributes, which the body of a
// message mostly consists of.

package nl

import (
	"bytes"
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"
)

// order is the byte order of netlink: the machine's.
var order = binary.NativeEndian

// Sizes of struct nlmsghdr and struct nlattr, and NLMSG_ALIGNTO, which
// NLA_ALIGNTO equals.
const (
	headerSize     = unix.SizeofNlMsghdr
	attrHeaderSize = unix.SizeofNlAttr
	alignment      = 4
)

// Align rounds n up to where the next message or attribute begins.
func Align(n int) int { return (n + alignment - 1) &^ (alignment - 1) }

var (
	// ErrLength is a length that does not fit what it is the length of.
	ErrLength = errors.New("a length that does not fit")
	// ErrTrailing is one to three bytes after the last message or attribute:
	// less than a header, and as much as padding may be.
	ErrTrailing = errors.New("trailing bytes")
)

// Message is one message: struct nlmsghdr without its length, and what follows
// it.
type Message struct {
	Type, Flags uint16
	Seq, Port   uint32 // what the sender has written there
	Body        []byte
}

// Append appends the message to b.
func (m Message) Append(b []byte) []byte {
	b = order.AppendUint32(b, uint32(headerSize+len(m.Body)))
	b = order.AppendUint16(b, m.Type)
	b = order.AppendUint16(b, m.Flags)
	b = order.AppendUint32(b, m.Seq)
	b = order.AppendUint32(b, m.Port)
	return append(b, m.Body...)
}

// Datagram is what Receive returns: messages one after the other.
type Datagram []byte

// Each yields the messages; their bodies are parts of b. If a length is wrong or
// bytes are left over, ErrLength or ErrTrailing comes last.
//
//	for m, err := range nl.Datagram(b).Each {
//
// Written like this, without a function that returns an iterator, a loop
// allocates nothing even where the compiler inlines nothing.
func (b Datagram) Each(yield func(Message, error) bool) {
	for len(b) >= headerSize {
		length := order.Uint32(b)
		if length < headerSize || uint64(length) > uint64(len(b)) {
			break
		}
		m := Message{order.Uint16(b[4:]), order.Uint16(b[6:]), order.Uint32(b[8:]), order.Uint32(b[12:]), b[headerSize:length]}
		if !yield(m, nil) {
			return
		}
		b = b[min(Align(int(length)), len(b)):]
	}
	if err := leftOver(b); err != nil {
		yield(Message{}, err)
	}
}

// leftOver returns what is wrong with the bytes after the last message or
// attribute.
func leftOver(b []byte) error {
	switch {
	case len(b) == 0:
		return nil
	case len(b) < alignment:
		return ErrTrailing
	}
	return ErrLength
}

// Attr is one attribute: struct nlattr.
type Attr struct {
	Type      uint16 // without the flags
	Nested    bool   // NLA_F_NESTED; not all senders set it
	BigEndian bool   // NLA_F_NET_BYTEORDER
	Value     []byte
}

// Attributes is the end of a message's body, or the value of an attribute that
// holds further ones.
type Attributes []byte

// Each yields the attributes; their values are parts of b. If a length is wrong
// or bytes are left over, ErrLength or ErrTrailing comes last.
func (b Attributes) Each(yield func(Attr, error) bool) {
	for len(b) >= attrHeaderSize {
		length := int(order.Uint16(b))
		if length < attrHeaderSize || length > len(b) {
			break
		}
		kind := order.Uint16(b[2:])
		a := Attr{
			Type:      kind &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER),
			Nested:    kind&unix.NLA_F_NESTED != 0,
			BigEndian: kind&unix.NLA_F_NET_BYTEORDER != 0,
			Value:     b[attrHeaderSize:length],
		}
		if !yield(a, nil) {
			return
		}
		b = b[min(Align(length), len(b)):]
	}
	if err := leftOver(b); err != nil {
		yield(Attr{}, err)
	}
}

// AppendAttr appends an attribute and its padding to b. The value has 65531
// bytes at most.
func AppendAttr(b []byte, kind uint16, value []byte) []byte {
	b = order.AppendUint16(b, uint16(attrHeaderSize+len(value)))
	b = order.AppendUint16(b, kind)
	b = append(b, value...)
	return append(b, make([]byte, Align(len(value))-len(value))...)
}

// Int returns the value as an integer; ok is false unless it has 1, 2, 4 or 8
// bytes.
func (a Attr) Int() (n int64, ok bool) {
	var bytes binary.ByteOrder = order
	if a.BigEndian {
		bytes = binary.BigEndian
	}
	switch len(a.Value) {
	case 1:
		return int64(a.Value[0]), true
	case 2:
		return int64(bytes.Uint16(a.Value)), true
	case 4:
		return int64(bytes.Uint32(a.Value)), true
	case 8:
		return int64(bytes.Uint64(a.Value)), true
	}
	return 0, false
}

// Text returns the value as a string: up to its first NUL, if it has one.
func (a Attr) Text() string { return string(CString(a.Value)) }

// CString returns the part of b before its first NUL.
func CString(b []byte) []byte {
	if end := bytes.IndexByte(b, 0); end >= 0 {
		return b[:end]
	}
	return b
}
