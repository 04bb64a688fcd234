// SPDX-License-Identifier: MIT

// Making the words of devices' makers fit for names: what udev does to them
// before it puts them into a property.

package uevent

import (
	"strings"
	"unicode/utf8"
)

// clean takes the spaces from both ends of s, makes each run of them inside
// an underscore, and an underscore of each byte that udev does not take for
// part of a name either. What would be longer than limit bytes is cut.
func clean(s string, limit int) string {
	s = cut(strings.Join(strings.FieldsFunc(s, isSpace), "_"), limit)
	var b strings.Builder
	for s != "" {
		n := nameable(s)
		if n == 0 {
			b.WriteByte('_')
			s = s[1:]
			continue
		}
		b.WriteString(s[:n])
		s = s[n:]
	}
	return b.String()
}

func isSpace(r rune) bool { return r == ' ' || '\t' <= r && r <= '\r' }

// cut shortens s to limit bytes, and not in the middle of a character.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// nameable returns for how many bytes s begins with one thing that may stay: a
// letter, a digit, one of #+-.:=@_, an escape such as \x20, or a character of
// UTF-8 that is not ASCII. Control characters beyond ASCII do not stay.
func nameable(s string) int {
	switch b := s[0]; {
	case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', strings.IndexByte("#+-.:=@_", b) >= 0:
		return 1
	case b == '\\':
		if len(s) >= 4 && s[1] == 'x' && isHex(s[2]) && isHex(s[3]) {
			return 4
		}
		return 0
	case b < utf8.RuneSelf:
		return 0
	}
	r, n := utf8.DecodeRuneInString(s)
	if r == utf8.RuneError || r < 0xa0 {
		return 0
	}
	return n
}

func isHex(b byte) bool {
	return '0' <= b && b <= '9' || 'a' <= b && b <= 'f' || 'A' <= b && b <= 'F'
}
