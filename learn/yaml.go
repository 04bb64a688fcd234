// SPDX-License-Identifier: MIT

// Words that devices gave, made fit for YAML, for its comments and for the
// patterns of the language.

package learn

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Word returns s as a YAML scalar, in quotes where it could be read as
// something else than this text. s must be UTF-8.
func Word(s string) string {
	if plainWord(s) {
		return s
	}
	return strconv.Quote(s)
}

// plainWord reports whether s is the same text to every version of YAML with
// and without quotes, also within {} and [].
func plainWord(s string) bool {
	if s == "" || !isLetter(s[0]) && s[0] != '/' || slices.Contains(taken, strings.ToLower(s)) {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !(isLetter(byte(r)) && r < utf8.RuneSelf || '0' <= r && r <= '9' || strings.ContainsRune("_-+/.", r))
	})
}

func isLetter(b byte) bool { return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' }

// taken are the words that are no text to YAML.
var taken = []string{"false", "n", "no", "null", "off", "on", "true", "y", "yes"}

// Pattern returns a pattern that matches s: one of the language's, as a YAML
// scalar. What patterns or YAML cannot say is `?`.
func Pattern(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1, r == '\\', r == 0:
			b.WriteByte('?')
		case strings.ContainsRune("*?[", r):
			b.WriteByte('[')
			b.WriteRune(r)
			b.WriteByte(']')
		default:
			b.WriteRune(r)
		}
		i += size
	}
	return Word(b.String())
}

// Printable returns s on one line, in quotes where it could trick a terminal
// or end a comment.
func Printable(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) || r == utf8.RuneError }) {
		return strconv.QuoteToASCII(s)
	}
	return s
}

// called returns a device's name within a sentence.
func called(name string) string { return "'" + Printable(name) + "'" }

// slug makes a name for the configuration out of s: "qemu-usb-keyboard".
func slug(s, otherwise string) string {
	const longest = 24
	var words []string
	length := 0
	for _, w := range strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return !('a' <= r && r <= 'z' || '0' <= r && r <= '9') }) {
		if length += len(w) + 1; length > longest && words != nil {
			break
		}
		if !slices.Contains(words, w) {
			words = append(words, w[:min(len(w), longest)])
		}
	}
	name := strings.Join(words, "-")
	if name == "" || !isLetter(name[0]) {
		return strings.TrimSuffix(otherwise+"-"+name, "-")
	}
	return name
}

// distinct returns name, or name-2 and so on if used has it, and adds that to
// used.
func distinct(name string, used map[string]bool) string {
	unique := name
	for n := 2; used[unique]; n++ {
		unique = fmt.Sprintf("%s-%d", name, n)
	}
	used[unique] = true
	return unique
}

// list returns words as a YAML list, or the only one by itself.
func list(words []string) string {
	if len(words) == 1 {
		return words[0]
	}
	return "[" + strings.Join(words, ", ") + "]"
}
