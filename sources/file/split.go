// SPDX-License-Identifier: MIT

// splitter: from what is read, in whatever pieces, to lines.

package file

import (
	"bytes"
	"encoding/hex"
	"strings"

	"reflexd/sources"
)

// splitter cuts a stream into lines. It keeps max bytes of each at most.
type splitter struct {
	max     int
	partial []byte // of a line whose end is yet to come
	cut     bool   // that line is longer than max
}

// split takes the next piece of the stream and calls tell for each line that
// ends in it, without its end.
func (s *splitter) split(b []byte, tell func(line []byte, cut bool)) {
	for {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			s.keep(b)
			return
		}
		s.keep(b[:i])
		tell(s.partial, s.cut)
		s.partial, s.cut = s.partial[:0], false
		b = b[i+1:]
	}
}

func (s *splitter) keep(b []byte) {
	room := s.max - len(s.partial)
	if len(b) > room {
		b, s.cut = b[:room], true
	}
	s.partial = append(s.partial, b...)
}

// rest returns the line that has no end, and forgets it.
func (s *splitter) rest() []byte {
	line := s.partial
	s.partial, s.cut = nil, false
	return line
}

// addText adds the fields of what was read: DATA all of it, TEXT what is
// before the first NUL, if there is one, and without the end of the line.
// Programs could not be given more: no variable of theirs can hold a NUL.
func (s *Source) addText(t *text) {
	trimmed, _, _ := strings.Cut(string(t.b), "\x00")
	trimmed = strings.TrimRight(trimmed, "\r\n")
	s.fields = append(s.fields,
		sources.Field{Name: "TEXT", Value: sources.Text(trimmed)},
		sources.Field{Name: "DATA", Value: sources.Text(hex.EncodeToString(t.b))})
	if t.cut {
		s.fields = append(s.fields, sources.Field{Name: "TRUNCATED", Value: sources.Text("1")})
	}
}
