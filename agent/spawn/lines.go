// SPDX-License-Identifier: MIT

// Lines: from the bytes that a program writes to lines that are fit for a log
// or a terminal, and not too many of them.

package spawn

import (
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"reflexd/sources"
)

const (
	// longestLine is the length of a delivered line in bytes.
	longestLine = 1024
	// cutMark ends a piece of a longer line, and begins the next one.
	cutMark = "…"

	// A program may write a burst of lines at once, and then one in each
	// linePeriod. When it has written more, all is dropped for dropPeriod.
	lineBurst  = 200
	linePeriod = time.Second / 50
	dropPeriod = time.Second
)

// lines makes lines from bytes: see Spec.Output for what it does to them.
type lines struct {
	loop    sources.Loop
	deliver func(line []byte)

	line  []byte // what is there of the line, as it will be delivered
	carry []byte // the first bytes of a character whose rest is to come
	cr    bool   // a carriage return, which is dropped if a newline follows

	// used is when the allowance will be whole again: each line delivered
	// puts it off by linePeriod, and it may lie a burst ahead at most.
	used    time.Duration
	dropped int           // since dropping began
	drop    sources.Timer // runs while dropping; else nil
}

func newLines(loop sources.Loop, deliver func([]byte)) *lines {
	return &lines{loop: loop, deliver: deliver}
}

// dropping logs that lines are being dropped.
func (l *lines) dropping() bool { return l.drop != nil }

// take takes the next bytes.
func (l *lines) take(b []byte) {
	for len(l.carry) > 0 && len(b) > 0 {
		l.carry = append(l.carry, b[0])
		b = b[1:]
		l.carry = append(l.carry[:0], l.characters(l.carry)...)
	}
	l.carry = append(l.carry, l.characters(b)...)
}

// characters takes whole characters and returns the bytes of a last one that
// is not all there.
func (l *lines) characters(b []byte) (rest []byte) {
	for len(b) > 0 {
		if !utf8.FullRune(b) {
			return b
		}
		r, n := utf8.DecodeRune(b)
		l.character(r, b[:n])
		b = b[n:]
	}
	return nil
}

// character takes one character and its bytes.
func (l *lines) character(r rune, b []byte) {
	if r == '\n' {
		l.cr = false
		l.end()
		return
	}
	if l.cr {
		l.cr = false
		l.escape(`\x`, '\r', 2)
	}
	switch {
	case r == '\r':
		l.cr = true
	case r == utf8.RuneError && len(b) == 1:
		l.escape(`\x`, rune(b[0]), 2)
	case r == '\t' || strconv.IsGraphic(r):
		l.put(b)
	case r < utf8.RuneSelf:
		l.escape(`\x`, r, 2)
	default:
		l.escape(`\u`, r, 4)
	}
}

// escape puts a character's number, in at least so many hexadecimal digits.
func (l *lines) escape(prefix string, r rune, digits int) {
	var scratch, number [12]byte
	text := append(scratch[:0], prefix...)
	hex := strconv.AppendInt(number[:0], int64(r), 16)
	for range digits - len(hex) {
		text = append(text, '0')
	}
	l.put(append(text, hex...))
}

// put adds to the line, and cuts it where it becomes too long.
func (l *lines) put(text []byte) {
	if l.line == nil { // only now: most programs write nothing
		l.line = make([]byte, 0, longestLine)
	}
	if len(l.line)+len(text) > longestLine-len(cutMark) {
		l.line = append(l.line, cutMark...)
		l.end()
		l.line = append(l.line, cutMark...)
	}
	l.line = append(l.line, text...)
}

// end delivers the line, or drops it.
func (l *lines) end() {
	if l.allow() {
		l.deliver(l.line)
	}
	l.line = l.line[:0]
}

func (l *lines) allow() bool {
	if l.dropping() {
		l.dropped++
		return false
	}
	now := l.loop.Now()
	l.used = max(l.used, now) + linePeriod
	if l.used <= now+lineBurst*linePeriod {
		return true
	}
	l.used -= linePeriod
	l.dropped++
	l.drop = l.loop.After(dropPeriod, l.resume)
	return false
}

func (l *lines) resume() {
	l.drop = nil
	l.reportDropped()
}

func (l *lines) reportDropped() {
	if l.dropped > 0 {
		l.deliver(fmt.Appendf(nil, "%s %d lines dropped", cutMark, l.dropped))
	}
	l.dropped = 0
}

// flush delivers a last line that no newline ended, and logs what was
// dropped.
func (l *lines) flush() {
	for _, b := range l.carry {
		l.escape(`\x`, rune(b), 2)
	}
	l.carry, l.cr = l.carry[:0], false
	if len(l.line) > 0 {
		l.end()
	}
	l.reportDropped()
}

// close stops the timer.
func (l *lines) close() {
	sources.StopTimer(&l.drop)
}
