// SPDX-License-Identifier: MIT

// Words of a command line that is being typed in bash.

package main

import "strings"

// splitLine takes a command line apart, quotes and backslashes left in; the
// last word is the one being typed, and may be empty.
func splitLine(line string) []string {
	var words []string
	var quote byte
	begin := -1
	for i := 0; i < len(line); i++ {
		c := line[i]
		if quote == 0 && (c == ' ' || c == '\t') {
			if begin >= 0 {
				words, begin = append(words, line[begin:i]), -1
			}
			continue
		}
		if begin < 0 {
			begin = i
		}
		switch {
		case c == '\\' && quote != '\'':
			i++
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote != 0 && c == quote:
			quote = 0
		}
	}
	if begin < 0 {
		return append(words, "")
	}
	return append(words, line[begin:])
}

// special are the characters that a backslash escapes within double quotes.
const special = "\"\\$`"

// unquote returns what the shell makes of a word, which may end within quotes.
func unquote(word string) string {
	var b strings.Builder
	var quote byte
	for i := 0; i < len(word); i++ {
		switch c := word[i]; {
		case c == '\\' && i+1 < len(word) && (quote == 0 || quote == '"' && strings.IndexByte(special, word[i+1]) >= 0):
			i++
			b.WriteByte(word[i])
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote != 0 && c == quote:
			quote = 0
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// quoteLike returns what bash is to put in place of the word that is being
// typed so that it becomes text, quoted as the word is. Without quotes bash
// takes a colon and = for the end of a word, and replaces what is behind it.
func quoteLike(typed, text string) string {
	switch {
	case strings.HasPrefix(typed, `"`):
		return escaped(text, special)
	case strings.HasPrefix(typed, "'"):
		return strings.ReplaceAll(text, "'", `'\''`)
	}
	quoted := escaped(text, " \t\"'\\$`&|;<>()*?[]{}!#~")
	if i := strings.LastIndexAny(typed, ":="); i >= 0 && len(quoted) > i {
		return quoted[i+1:]
	}
	return quoted
}

// escaped puts a backslash before each of the special bytes.
func escaped(text, special string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if strings.IndexByte(special, text[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(text[i])
	}
	return b.String()
}
