// SPDX-License-Identifier: MIT

// Addresses as people write them.

package link

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// mostMAC is the longest address of a link: MAX_ADDR_LEN of the kernel.
const mostMAC = 32

// macText returns 02:00:5e:10:00:01, for as many bytes as there are.
func macText(b []byte) string {
	const hex = "0123456789abcdef"
	var text []byte
	for i, c := range b[:min(len(b), mostMAC)] {
		if i > 0 {
			text = append(text, ':')
		}
		text = append(text, hex[c>>4], hex[c&15])
	}
	return string(text)
}

func ip4Text(b [4]byte) string {
	var text []byte
	for i, c := range b {
		if i > 0 {
			text = append(text, '.')
		}
		text = strconv.AppendUint(text, uint64(c), 10)
	}
	return string(text)
}

// ip6Text returns the form of RFC 5952: hexadecimal without leading zeroes, and
// :: for the longest run of two or more zero groups, the first of equals.
func ip6Text(b [16]byte) string {
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
		return "::ffff:" + ip4Text([4]byte(b[12:]))
	}
	var text strings.Builder
	for i := 0; i < 8; i++ {
		switch {
		case i == from:
			text.WriteString("::")
			i += length - 1
			continue
		case i > 0 && i != from+length:
			text.WriteByte(':')
		}
		text.WriteString(strconv.FormatUint(group(i), 16))
	}
	return text.String()
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
