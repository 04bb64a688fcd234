// SPDX-License-Identifier: MIT

// Payloads as text.

package netlink

import (
	"bytes"
	"encoding/hex"
	"unicode"
	"unicode/utf8"
)

// printable returns b as text: a C string, which ends before its first NUL,
// without a line's end. What cannot be printed stands there as \x1b, so that
// neither a terminal nor a log is led astray by what a driver sends.
func printable(b []byte) string { return string(appendPrintable(nil, b)) }

// appendPrintable appends to text what printable returns.
func appendPrintable(text, b []byte) []byte {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	b = bytes.TrimSuffix(b, []byte("\n"))
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		if shown(r, size) {
			text = append(text, b[:size]...)
		} else {
			for i := range size {
				text = hex.AppendEncode(append(text, `\x`...), b[i:i+1])
			}
		}
		b = b[size:]
	}
	return text
}

func allPrintable(b []byte) bool {
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		if !shown(r, size) {
			return false
		}
		b = b[size:]
	}
	return true
}

func shown(r rune, size int) bool {
	invalid := r == utf8.RuneError && size == 1
	return r == '\t' || !invalid && unicode.IsPrint(r)
}

// isString reports whether an attribute looks like a string: one NUL, at its
// end, and nothing but what can be printed before it.
func isString(b []byte) bool {
	last := len(b) - 1
	return last > 0 && b[last] == 0 && bytes.IndexByte(b[:last], 0) < 0 && allPrintable(b[:last])
}
