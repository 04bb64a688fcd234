// SPDX-License-Identifier: MIT

// Entries: lines of slog.TextHandler, taken apart again.

package journal

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// The priorities that are used, of syslog(3).
const (
	errorPriority   = 3
	warningPriority = 4
	infoPriority    = 6
	debugPriority   = 7
)

// entry is one line of the log.
type entry struct {
	priority int
	message  string // what happened, and the fields in words
	fields   []field
}

type field struct{ key, value string }

// parse takes a line apart: time=… level=INFO msg=fired rule=lamp. What is no such
// line becomes the message as it is.
func (e *entry) parse(line []byte) {
	text := strings.ToValidUTF8(strings.TrimSuffix(string(line), "\n"), string(utf8.RuneError))
	e.priority, e.message, e.fields = infoPriority, text, e.fields[:0]
	for rest := text; rest != ""; {
		key, value, after, ok := cut(rest)
		switch {
		case !ok:
			e.priority, e.message, e.fields = infoPriority, text, e.fields[:0]
			return
		case key == "level" && len(e.fields) == 0:
			e.priority = priority(value)
		case key == "msg" && len(e.fields) == 0:
			e.message = strings.TrimSuffix(value+" "+after, " ")
		case key != "time" || len(e.fields) > 0:
			e.fields = append(e.fields, field{key, value})
		}
		rest = after
	}
}

// cut returns the first key and value of text, and what follows.
func cut(text string) (key, value, after string, ok bool) {
	key, rest, ok := strings.Cut(text, "=")
	if strings.HasPrefix(key, `"`) || strings.Contains(key, " ") {
		return "", "", "", false // a key that needs quotes: none of ours does
	}
	if !strings.HasPrefix(rest, `"`) {
		value, after, _ = strings.Cut(rest, " ")
		return key, value, after, ok
	}
	quoted, err := strconv.QuotedPrefix(rest)
	if err != nil {
		return "", "", "", false
	}
	if value, err = strconv.Unquote(quoted); err != nil {
		return "", "", "", false
	}
	after, spaced := strings.CutPrefix(rest[len(quoted):], " ")
	return key, value, after, spaced || after == ""
}

// priority returns that of a level's name, such as WARN or ERROR+2.
func priority(level string) int {
	name, _, _ := strings.Cut(level, "+")
	switch name {
	case "ERROR":
		return errorPriority
	case "WARN":
		return warningPriority
	case "DEBUG":
		return debugPriority
	}
	return infoPriority
}

// Prefixed returns a line of the log, text or JSON, after the prefix with its priority
// that the journal and others read from a service's standard error: "<6>". It appends
// to b.
func Prefixed(b, line []byte) []byte {
	text := string(line[:min(len(line), 128)])
	_, level, _ := strings.Cut(text, `level=`)
	if strings.HasPrefix(text, "{") {
		_, level, _ = strings.Cut(text, `"level":"`)
	}
	if end := strings.IndexAny(level, ` "`); end >= 0 {
		level = level[:end]
	}
	b = append(b, '<', byte('0'+priority(level)), '>')
	return append(b, line...)
}
