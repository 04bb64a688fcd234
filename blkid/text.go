// SPDX-License-Identifier: MIT

// Labels and UUIDs as libblkid writes them.

package blkid

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

var (
	le = binary.LittleEndian
	be = binary.BigEndian
)

// spaces are those of isspace(3), which libblkid trims.
const spaces = " \t\n\v\f\r"

// label is the text of a field that a NUL may end.
func label(field []byte) string {
	return strings.TrimRight(untilNUL(field), spaces)
}

func untilNUL(field []byte) string {
	if end := bytes.IndexByte(field, 0); end >= 0 {
		field = field[:end]
	}
	return string(field)
}

// label16 is the text of a field of UTF-16 that a NUL may end.
func label16(field []byte, order binary.ByteOrder) string {
	return strings.TrimRight(utf16Text(field, order), spaces)
}

func utf16Text(field []byte, order binary.ByteOrder) string {
	var text []byte
	for len(field) >= 2 {
		unit := rune(order.Uint16(field))
		field = field[2:]
		if unit == 0 {
			break
		}
		if utf16.IsSurrogate(unit) && len(field) >= 2 {
			if r := utf16.DecodeRune(unit, rune(order.Uint16(field))); r != utf8.RuneError {
				unit, field = r, field[2:]
			}
		}
		text = utf8.AppendRune(text, unit)
	}
	return string(text)
}

// plain is an ID that is stored as text; empty if there is anything in it
// that has no place in an ID, let alone in a path.
func plain(id string) string {
	for _, c := range []byte(id) {
		if c != '-' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return ""
		}
	}
	return id
}

// uuid writes 16 bytes as 8-4-4-4-12 digits, in the order in which they
// stand; all zeros are no UUID.
func uuid(b []byte) string {
	if len(b) != 16 || allZero(b) {
		return ""
	}
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// Readable returns the label of a FAT filesystem in UTF-8. It is stored in the
// code page of the system that wrote it; the one that is taken for it, 437, is
// the one that Linux takes for file names there unless it is told otherwise.
// Formatters of Unix wrote UTF-8 for a while: that is returned as it is.
func Readable(text string) string {
	if utf8.ValidString(text) {
		return text
	}
	var out []byte
	for i := range len(text) {
		if b := text[i]; b < 0x80 {
			out = append(out, b)
		} else {
			out = utf8.AppendRune(out, codePage437[b-0x80])
		}
	}
	return string(out)
}

// codePage437 are its characters from 0x80 on: fs/nls/nls_cp437.c.
var codePage437 = [128]rune([]rune("ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»" +
	"░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀" +
	"αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0"))
