// SPDX-License-Identifier: MIT

// What is wrong with text that is no YAML: the library knows the line at best,
// and speaks of its own parts, so we look ourselves.

package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// syntaxProblem turns an error of the YAML library, `yaml: line 3: message`,
// into a complaint.
func syntaxProblem(file string, text []byte, err error) Problem {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	at := 1 // the library leaves the line out where it is the first
	if number, rest, ok := strings.Cut(strings.TrimPrefix(message, "line "), ": "); ok {
		if n, err := strconv.Atoi(number); err == nil {
			at, message = n, rest
		}
	}
	lines := bytes.SplitAfter(text, []byte("\n"))
	if n := culprit(lines); n > 0 {
		at = n
	}
	at = min(at, len(lines))
	p := Problem{Pos: Pos{file, at, indent(lines[at-1]) + 1}, Message: "YAML: " + message}
	if !utf8.Valid(text) {
		p.Pos, p.Message = invalidText(file, lines)
	} else if name, ok := strings.CutPrefix(message, "unknown anchor '"); ok {
		name, _, _ = strings.Cut(name, "'")
		p.Pos.Col = 1 + max(0, bytes.Index(lines[at-1], []byte("*"+name)))
		p.Message = fmt.Sprintf("YAML: *%s refers to an anchor &%s, which is not above; quote a string that begins with *", name, name)
	} else if line, col, cause := likelyCause(lines, at-1); cause != "" {
		p.Pos, p.Message = Pos{file, line + 1, col + 1}, "YAML: "+cause
	}
	return p
}

// culprit returns the line without which, and without all that follow it, the
// text is in order; 0 if that takes too long to find out. The library shows
// where the construct began that it could not finish, which may be far above.
func culprit(lines [][]byte) int {
	effort := 2 << 20 // bytes to be parsed
	for n := len(lines) - 1; n >= 0; n-- {
		text := bytes.Join(lines[:n], nil)
		if effort -= len(text); effort < 0 {
			return 0
		}
		if inOrder(text) {
			return n + 1
		}
	}
	return 0
}

// inOrder reports whether the library can read text, all documents of it.
func inOrder(text []byte) bool {
	dec := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var doc yaml.Node
		if err := dec.Decode(&doc); err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}

// invalidText finds the first byte that is not UTF-8.
func invalidText(file string, lines [][]byte) (Pos, string) {
	for i, line := range lines {
		for col := 0; col < len(line); {
			r, size := utf8.DecodeRune(line[col:])
			if r == utf8.RuneError && size == 1 {
				return Pos{file, i + 1, col + 1}, fmt.Sprintf("the byte %#x is not UTF-8", line[col])
			}
			col += size
		}
	}
	return Pos{File: file}, "the file is not UTF-8"
}

// indent is how many blanks and tabs line begins with.
func indent(line []byte) int { return len(line) - len(bytes.TrimLeft(line, " \t")) }

// likelyCause looks for the slips that people make, from the line with the
// index at on. Line and column count from 0. cause is "" if there is none.
func likelyCause(lines [][]byte, at int) (line, col int, cause string) {
	text := lines[at]
	before, rest := text[:indent(text)], bytes.TrimSpace(text)
	if tab := bytes.IndexByte(before, '\t'); tab >= 0 {
		return at, tab, "a tab in the indentation: use spaces"
	}
	if len(rest) > 1 && rest[0] == '-' && rest[1] != ' ' && rest[1] != '-' {
		return at, len(before), "a space is missing after the - of a list entry"
	}
	for line := at; line >= max(0, at-1); line-- {
		for _, m := range mistaken {
			if col := indent(lines[line]); bytes.HasPrefix(lines[line][col:], []byte(m.begins)) {
				return line, col, m.cause
			}
		}
	}
	s := scanner{lines: lines, line: at, col: len(before)}
	if s.scan(); s.cause != "" {
		return s.at.line, s.at.col, s.cause
	}
	return at, len(before), misplaced(lines, at)
}

const noBreakSpace = "\u00a0"

// mistaken are beginnings of lines that look like something else.
var mistaken = [...]struct{ begins, cause string }{
	{noBreakSpace, "a no-break space in the indentation: use plain spaces"},
	{"–", "this dash is not the - of a list entry"},
	{"—", "this dash is not the - of a list entry"},
	{"//", aComment},
	{"/*", aComment},
}

const aComment = "a comment begins with #"

// misplaced says what is wrong with the indentation of a line, "" if nothing
// is seen to be.
func misplaced(lines [][]byte, at int) string {
	above := at - 1
	for above >= 0 && len(bytes.TrimSpace(lines[above])) == 0 {
		above--
	}
	if above < 0 {
		return ""
	}
	previous := bytes.TrimSpace(lines[above])
	if ends := previous[len(previous)-1]; ends == '|' || ends == '>' || !bytes.Contains(lines[at], []byte(":")) {
		return "expected `KEY: value`; indent the lines of a string that begins with | deeper than its key"
	}
	var columns []string
	from := indent(lines[above])
	for bytes.HasPrefix(lines[above][from:], []byte("- ")) {
		columns = append(columns, strconv.Itoa(from+1))
		from += 2 + indent(lines[above][from+2:])
	}
	columns = append(columns, strconv.Itoa(from+1))
	if previous[len(previous)-1] == ':' && indent(lines[at]) > from {
		return "" // the value of that key
	}
	if here := strconv.Itoa(indent(lines[at]) + 1); !slices.Contains(columns, here) {
		return fmt.Sprintf("the indentation matches nothing above: this line begins in column %s, the one before in %s", here, strings.Join(columns, " and "))
	}
	return ""
}

// place is where a token stands, counted from 0.
type place struct {
	line, col int
	char      byte
}

// scanner goes through the text roughly as YAML does, as long as brackets are
// open or to the end of the line, and stops at the first thing that is wrong.
type scanner struct {
	lines     [][]byte
	line, col int
	open      []place // brackets
	key       bool    // a key was seen in this entry
	closed    bool    // a quoted text or bracket ended just before
	begun     bool    // a plain text is under way

	at    place
	cause string
}

func (s *scanner) fail(at place, cause string, args ...any) {
	s.at, s.cause = at, fmt.Sprintf(cause, args...)
}

func (s *scanner) scan() {
	for ; s.cause == "" && s.line < len(s.lines); s.line, s.col = s.line+1, 0 {
		for s.cause == "" && s.col < len(s.lines[s.line]) && !s.comment() {
			s.step(s.lines[s.line])
			s.col++
		}
		if len(s.open) == 0 {
			return
		}
	}
	if n := len(s.open); n > 0 && s.cause == "" {
		s.fail(s.open[n-1], "this %c is not closed", s.open[n-1].char)
	}
}

// comment reports whether the rest of the line is one.
func (s *scanner) comment() bool {
	text := s.lines[s.line]
	return text[s.col] == '#' && (s.col == 0 || text[s.col-1] == ' ')
}

// step looks at one byte, or at a quoted text.
func (s *scanner) step(text []byte) {
	c, here := text[s.col], place{s.line, s.col, text[s.col]}
	next := byte('\n')
	if s.col+1 < len(text) {
		next = text[s.col+1]
	}
	flow := len(s.open) > 0
	switch {
	case c == ' ' || c == '\n' || c == '\r':
	case c == '\t':
		s.fail(here, "a tab between values: use spaces")
	case bytes.HasPrefix(text[s.col:], []byte("${")) && (flow || !s.begun):
		s.fail(here, "quote a string with ${…} here: \"${X}\"")
	case (c == '"' || c == '\'') && !s.begun && !s.closed:
		s.quoted(here)
	case (c == '[' || c == '{') && !s.begun && !s.closed:
		s.open, s.key = append(s.open, here), false
	case (c == ']' || c == '}') && (flow || s.closed):
		s.close(here)
	case c == ',' && flow:
		s.key, s.closed, s.begun = false, false, false
	case c == ':' && (next == ' ' || next == '\n' || next == '\r' || s.closed):
		if s.key {
			s.secondColon(here)
		}
		s.key, s.closed, s.begun = true, false, false
	case s.closed && s.col > 0 && text[s.col-1] == '\'':
		s.fail(here, "the string ended at the quote before this: inside '…', write a quote twice, ''")
	case s.closed && c == '/' && (next == '/' || next == '*'):
		s.fail(here, aComment)
	case s.closed && flow:
		s.fail(here, "a comma is missing before this")
	case s.closed:
		s.fail(here, "the string ended at the quote or bracket before this: quote all of it")
	case c == '-' && next == ' ' && !flow && !s.begun:
	case !s.begun && (strings.IndexByte("%@`!&", c) >= 0 || c == '*' && !isAlias(text[s.col+1:])):
		s.fail(here, "quote a string that begins with %c", c)
	default:
		s.begun = true
	}
}

// secondColon complains of a `: ` in a place that has one already, unless that
// is an entry of a list, which may be a mapping without its brackets.
func (s *scanner) secondColon(here place) {
	if n := len(s.open); n == 0 {
		s.fail(here, "a second `: ` in one entry: quote a string that holds one: \"a: b\"")
	} else if top := s.open[n-1]; top.line < here.line {
		s.fail(top, "this %c is not closed, or a comma is missing before line %d", top.char, here.line+1)
	} else if top.char == '{' {
		s.fail(here, "a second `: ` in one entry: a comma is missing before it, or quote a string that holds one: \"a: b\"")
	}
}

// close closes the innermost bracket.
func (s *scanner) close(here place) {
	n := len(s.open) - 1
	switch {
	case n < 0:
		s.fail(here, "this %c closes nothing", here.char)
	case here.char-s.open[n].char != 2: // as ASCII has them
		s.fail(s.open[n], "this %c is not closed before the %c in column %d", s.open[n].char, here.char, here.col+1)
	default:
		s.open, s.key, s.closed, s.begun = s.open[:n], true, true, false
	}
}

// quoted goes to the end of a quoted text.
func (s *scanner) quoted(from place) {
	for s.col++; s.line < len(s.lines); s.line, s.col = s.line+1, 0 {
		for text := s.lines[s.line]; s.col < len(text); s.col++ {
			switch c := text[s.col]; {
			case c == '\\' && from.char == '"':
				if s.col++; s.col < len(text) && strings.IndexByte("0abt\tnvfre \"/\\N_LPxuU\r\n", text[s.col]) < 0 {
					s.fail(place{s.line, s.col - 1, c}, "\\%c is not an escape in \"…\": write \\\\ for a backslash, or use '…'", text[s.col])
					return
				}
			case c != from.char:
			case c == '\'' && s.col+1 < len(text) && text[s.col+1] == c:
				s.col++
			default:
				s.closed = true
				return
			}
		}
	}
	s.fail(from, "the quote that begins here is not closed")
}

// isAlias reports whether text begins with the name of an anchor.
func isAlias(text []byte) bool {
	name := bytes.TrimLeft(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
	return len(name) < len(text) && (len(name) == 0 || strings.IndexByte(" ,]}\r\n", name[0]) >= 0)
}
