// SPDX-License-Identifier: MIT

// Escape: what devices, programs and file names say cannot act on the terminal
// that reads it.

package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"reflexd/learn"
)

// escaper writes text with everything escaped but what can be printed, tabs and
// the ends of lines. All that the program prints passes through one, but for
// the colours of a drawn board. JSON stays JSON: its strings have such escapes.
type escaper struct{ io.Writer }

// Fd is that of the writer behind, if it has one: whether that is a terminal
// may be asked.
func (e escaper) Fd() uintptr {
	if f, ok := e.Writer.(interface{ Fd() uintptr }); ok {
		return f.Fd()
	}
	return ^uintptr(0)
}

// Write writes b, which holds whole characters. If something had to be escaped,
// a failure counts as nothing written.
func (e escaper) Write(b []byte) (int, error) {
	if countHarmless(b, "\n\t") == len(b) {
		return e.Writer.Write(b)
	}
	if _, err := e.Writer.Write(escape(b, "\n\t")); err != nil {
		return 0, err
	}
	return len(b), nil
}

// oneLine returns s with everything escaped that could break a line or a table.
func oneLine(s string) string {
	if countHarmless([]byte(s), "") == len(s) {
		return s
	}
	return string(escape([]byte(s), ""))
}

// escape escapes what cannot be printed, but for the characters of kept.
func escape(b []byte, kept string) []byte {
	var out []byte
	for len(b) > 0 {
		n := countHarmless(b, kept)
		out = append(out, b[:n]...)
		if b = b[n:]; len(b) > 0 {
			r, size := utf8.DecodeRune(b)
			out, b = appendEscaped(out, r, b[:size]), b[size:]
		}
	}
	return out
}

// countHarmless is how many bytes b begins with that need no escape.
func countHarmless(b []byte, kept string) int {
	for n := 0; n < len(b); {
		if ' ' <= b[n] && b[n] <= '~' { // as nearly all are
			n++
			continue
		}
		r, size := utf8.DecodeRune(b[n:])
		broken := r == utf8.RuneError && size == 1
		if broken || !strconv.IsGraphic(r) && !strings.ContainsRune(kept, r) {
			return n
		}
		n += size
	}
	return len(b)
}

// appendEscaped appends the escape of a character, or of a byte that is none.
// What JSON allows in its strings as it is, which is all from 0x7f on, gets an
// escape of JSON.
func appendEscaped(out []byte, r rune, b []byte) []byte {
	switch {
	case r == '\n':
		return append(out, `\n`...)
	case r == '\t':
		return append(out, `\t`...)
	case r == utf8.RuneError && len(b) == 1 || r < ' ':
		return fmt.Appendf(out, `\x%02x`, b[0])
	case r > 0xffff:
		high, low := utf16.EncodeRune(r)
		return fmt.Appendf(out, `\u%04x\u%04x`, high, low)
	}
	return fmt.Appendf(out, `\u%04x`, r)
}

// printable returns s on one line, in quotes where that needs escapes.
func printable(s string) string { return learn.Printable(s) }

// row writes a line of a table: no cell can break it.
func row(table io.Writer, cells ...any) {
	words := make([]string, len(cells))
	for i, c := range cells {
		words[i] = oneLine(fmt.Sprint(c))
	}
	fmt.Fprint(table, strings.Join(words, "\t"), "\t\n")
}
