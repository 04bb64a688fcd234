// SPDX-License-Identifier: MIT

// Addresses as people write them.

package link

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// appendText appends 02:00:5e:10:00:01, for as many bytes as there are.
func (m *mac) appendText(text []byte) []byte {
	const hex = "0123456789abcdef"
	for i, c := range m.bytes[:m.size] {
		if i > 0 {
			text = append(text, ':')
		}
		text = append(text, hex[c>>4], hex[c&15])
	}
	return text
}

// appendText appends the address without its prefix.
func (a *address) appendText(text []byte) []byte {
	if a.family == unix.AF_INET {
		return appendIP4(text, [4]byte(a.ip[:]))
	}
	return appendIP6(text, a.ip)
}

func (a *address) String() string { return string(a.appendText(nil)) }

func appendIP4(text []byte, b [4]byte) []byte {
	for i, c := range b {
		if i > 0 {
			text = append(text, '.')
		}
		text = strconv.AppendUint(text, uint64(c), 10)
	}
	return text
}

// appendIP6 appends the form of RFC 5952: hexadecimal without leading zeroes, and
// :: for the longest run of two or more zero groups, the first of equals.
func appendIP6(text []byte, b [16]byte) []byte {
	group := func(i int) uint64 { return uint64(b[2*i])<<8 | uint64(b[2*i+1]) }
	from, length := -1, 1
	for i := 0; i < 8; i++ {
		n := 0
		for i+n < 8 && group(i+n) == 0 {
			n++
		}
		if n > length {
			from, length = i, n
		}
		i += n
	}
	if from == 0 && length == 5 && group(5) == 0xffff { // an address of IPv4 in that of IPv6
		return appendIP4(append(text, "::ffff:"...), [4]byte(b[12:]))
	}
	for i := 0; i < 8; i++ {
		switch {
		case i == from:
			text = append(text, "::"...)
			i += length - 1
			continue
		case i > 0 && i != from+length:
			text = append(text, ':')
		}
		text = strconv.AppendUint(text, group(i), 16)
	}
	return text
}

func familyText(family uint8) string {
	if family == unix.AF_INET {
		return "inet"
	}
	return "inet6"
}

func scopeText(scope uint8) string {
	switch scope {
	case unix.RT_SCOPE_UNIVERSE:
		return "global"
	case unix.RT_SCOPE_SITE:
		return "site"
	case unix.RT_SCOPE_LINK:
		return "link"
	case unix.RT_SCOPE_HOST:
		return "host"
	}
	return strconv.Itoa(int(scope))
}
