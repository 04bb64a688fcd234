// SPDX-License-Identifier: MIT

// splitter: from what is read, in whatever pieces, to lines.

package file

import (
	"bytes"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/sources"
)

// framing says where lines and records end.
type framing struct {
	start, end string // of a line; start may be ""
	length     int    // of a record; 0 for any
	gap        time.Duration
}

// longestMark bounds start and end.
const longestMark = 16

func parseMark(s string) (string, error) {
	if s == "" || len(s) > longestMark {
		return "", fmt.Errorf("expected a string of 1 to %d bytes such as \"\\r\", found %d", longestMark, len(s))
	}
	return s, nil
}

// splitter cuts a stream into lines. It keeps max bytes of each at most.
type splitter struct {
	max        int
	start, end string
	partial    []byte // of a line whose end is yet to come, with the beginning of its end
	size       int    // of that line
	outside    bool   // its start is yet to come
	recent     [longestMark]byte
	known      int // how many bytes of recent are of this line or, outside, of what is before it
}

func newSplitter(st *settings) splitter {
	return splitter{max: st.max, start: st.start, end: st.end, outside: st.start != ""}
}

// split takes the next piece of the stream and calls tell for each line that
// ends in it, without its start and end.
func (s *splitter) split(b []byte, tell func(line []byte, cut bool)) {
	if s.start != "" || len(s.end) > 1 {
		for _, c := range b {
			s.next(c, tell)
		}
		return
	}
	for {
		i := bytes.IndexByte(b, s.end[0])
		if i < 0 {
			s.keep(b)
			return
		}
		s.keep(b[:i])
		s.tell(0, tell)
		b = b[i+1:]
	}
}

// next takes one byte of a stream whose lines have a start or a longer end. A
// start within a line begins that anew: the end of the one before was lost.
func (s *splitter) next(c byte, tell func(line []byte, cut bool)) {
	copy(s.recent[:], s.recent[1:])
	s.recent[longestMark-1] = c
	s.known = min(s.known+1, longestMark)
	if !s.outside {
		s.keep([]byte{c})
	}
	switch {
	case !s.outside && s.endsWith(s.end):
		s.tell(len(s.end), tell)
		s.outside = s.start != "" && s.start != s.end
	case s.start != "" && s.endsWith(s.start):
		s.begin()
		s.outside = false
	}
}

// endsWith reports whether what was read of this line ends with mark.
func (s *splitter) endsWith(mark string) bool {
	return s.known >= len(mark) && string(s.recent[longestMark-len(mark):]) == mark
}

// tell tells of the line, the last bytes of which are its end.
func (s *splitter) tell(end int, tell func(line []byte, cut bool)) {
	size := s.size - end
	line := s.partial[:min(size, s.max)]
	s.begin()
	if s.start != "" && s.start == s.end && size == 0 {
		return // one mark for both: this is the start of the next
	}
	tell(line, size > s.max)
}

// begin begins the next line. What partial holds stays until that is kept.
func (s *splitter) begin() { s.partial, s.size, s.known = s.partial[:0], 0, 0 }

func (s *splitter) keep(b []byte) {
	s.size += len(b)
	room := s.max + len(s.end) - 1 - len(s.partial)
	s.partial = append(s.partial, b[:min(max(room, 0), len(b))]...)
}

// rest returns the line that has no end, and forgets it. A line with a start
// has no rest: without its end it is not whole.
func (s *splitter) rest() []byte {
	line := s.partial[:min(len(s.partial), s.max)]
	if s.start != "" {
		line = nil
	}
	s.partial, s.size, s.known, s.outside = nil, 0, 0, s.start != ""
	return line
}

// collector puts records together that end by their length or by a gap.
type collector struct {
	node    *node
	partial []byte
	cut     bool          // the record is longer than partial
	last    time.Duration // when its last byte was read
	timer   sources.Timer // for the gap; nil without
}

// collects reports whether a record is something else than what one read(2)
// returns.
func (n *node) collects() bool {
	return n.settings.watch != urgently && (n.length > 0 || n.gap > 0)
}

// take takes what was read.
func (c *collector) take(b []byte) {
	n := c.node
	c.last = n.source.host.Loop.Now()
	for n.length > 0 && len(c.partial)+len(b) >= n.length {
		k := n.length - len(c.partial)
		c.partial = append(c.partial, b[:k]...)
		b = b[k:]
		c.tell()
		if n.fd < 0 {
			return
		}
	}
	room := n.max - len(c.partial)
	c.cut = c.cut || len(b) > room
	c.partial = append(c.partial, b[:min(room, len(b))]...)
	if n.gap > 0 && len(c.partial) > 0 && c.timer == nil {
		c.timer = n.source.host.Loop.After(n.gap, c.due)
	}
}

// due ends the record, unless something arrived since its timer was set.
func (c *collector) due() {
	c.timer = nil
	n := c.node
	switch left := c.last + n.gap - n.source.host.Loop.Now(); {
	case len(c.partial) == 0:
	case left > 0:
		c.timer = n.source.host.Loop.After(left, c.due)
	case n.length > 0:
		n.source.host.Log.Warn("incomplete record discarded", "file", n.name, "path", n.path, "bytes", len(c.partial), "length", n.length)
		c.partial = c.partial[:0]
	default:
		c.tell()
	}
}

func (c *collector) tell() {
	record, cut := c.partial, c.cut
	c.partial, c.cut = c.partial[:0], false
	c.node.emit(readable, unix.POLLIN, &text{record, cut})
}

// flush ends a record that ends by a gap: nothing more will arrive.
func (c *collector) flush() {
	if c.node.length == 0 && len(c.partial) > 0 {
		c.tell()
	}
}

// stop ends the collecting: the file is closed.
func (c *collector) stop() {
	sources.StopTimer(&c.timer)
	c.partial, c.cut = c.partial[:0], false
}

const digits = "0123456789abcdef"

// addText adds the fields of what was read: DATA all of it, TEXT what is
// before the first NUL, if there is one, and without the end of the line.
// Programs could not be given more: no variable of theirs can hold a NUL.
func (s *Source) addText(t *text) {
	trimmed := t.b
	if i := bytes.IndexByte(trimmed, 0); i >= 0 {
		trimmed = trimmed[:i]
	}
	for i := len(trimmed) - 1; i >= 0 && (trimmed[i] == '\n' || trimmed[i] == '\r'); i-- {
		trimmed = trimmed[:i]
	}
	s.hex = s.hex[:0]
	for _, c := range t.b { // a call costs more for the few bytes of most records
		s.hex = append(s.hex, digits[c>>4], digits[c&15])
	}
	s.event.Borrowed, s.event.Owned = true, len(s.fields)
	s.fields = append(s.fields,
		sources.Field{Name: "TEXT", Value: sources.Text(sources.Borrow(trimmed))},
		sources.Field{Name: "DATA", Value: sources.Text(sources.Borrow(s.hex))})
	if t.cut {
		s.fields = append(s.fields, sources.Field{Name: "TRUNCATED", Value: sources.Text("1")})
	}
}
