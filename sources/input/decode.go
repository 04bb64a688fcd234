// SPDX-License-Identifier: MIT

// struct input_event, as read from a device.

package input

import (
	"encoding/binary"
	"time"
)

// The layout of struct input_event: two longs of time, two 16-bit words, one
// of 32 bits. Where a long has 32 bits its seconds still last for 136 years of
// CLOCK_MONOTONIC.
const (
	longSize  = 4 << (^uintptr(0) >> 63)
	eventSize = 2*longSize + 8
)

// batch is how many events one read takes.
const batch = 64

// record is one struct input_event.
type record struct {
	at        time.Duration // CLOCK_MONOTONIC
	typ, code uint16
	value     int32
}

// decode reads the record that b begins with; b holds at least eventSize.
func decode(b []byte) record {
	return record{
		at: time.Duration(long(b))*time.Second +
			time.Duration(long(b[longSize:]))*time.Microsecond,
		typ:   binary.NativeEndian.Uint16(b[2*longSize:]),
		code:  binary.NativeEndian.Uint16(b[2*longSize+2:]),
		value: int32(binary.NativeEndian.Uint32(b[2*longSize+4:])),
	}
}

// long reads an unsigned long of the kernel.
func long(b []byte) uint64 {
	if longSize == 8 {
		return binary.NativeEndian.Uint64(b)
	}
	return uint64(binary.NativeEndian.Uint32(b))
}
