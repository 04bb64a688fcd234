// SPDX-License-Identifier: MIT

// From YAML text to a tree of nodes with positions. This is the only file
// that knows the YAML library.

package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"reflexd/regular"
)

// Limits of one file. They bound the memory that reading it takes, whatever its
// aliases repeat: a value takes up to 160 bytes in our tree and as much in the
// library's, so at most 80 MB together. 10,000 rules with conditions are half
// of that. The limits are the same on all boards, so that a file which passes
// `check` on one can be read by the others.
const (
	maxFileSize = 4 << 20
	maxNodes    = 250_000
	maxDepth    = 64
)

// Kind says what a Node is.
type Kind uint8

// The kinds of a Node.
const (
	Scalar Kind = iota
	List
	Map
)

// String returns the kind as messages name it.
func (k Kind) String() string {
	return [...]string{"a single value", "a list", "a mapping"}[k]
}

// Node is one value of a configuration file, aliases resolved.
type Node struct {
	Pos  Pos
	Kind Kind
	// Text is a scalar as it was written, without quotes: 0644 stays 0644.
	Text string
	// Null is set for a value that was left out or written as null or ~.
	Null    bool
	Items   []Node  // of a List
	Entries []Entry // of a Map, in the order of the file
}

// Absent reports whether nothing stands there, not even empty quotes.
func (n Node) Absent() bool { return n.Null && n.Text == "" }

// String returns n in one line of YAML's flow style.
func (n Node) String() string {
	var b strings.Builder
	n.write(&b)
	return b.String()
}

func (n Node) write(b *strings.Builder) {
	switch n.Kind {
	case Scalar:
		b.WriteString(quoted(n.Text, n.Null))
	case List:
		b.WriteByte('[')
		for i, item := range n.Items {
			if i > 0 {
				b.WriteString(", ")
			}
			item.write(b)
		}
		b.WriteByte(']')
	case Map:
		b.WriteByte('{')
		for i, e := range n.Entries {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(quoted(e.Key, false))
			b.WriteString(": ")
			e.Value.write(b)
		}
		b.WriteByte('}')
	}
}

// quoted returns a scalar in quotes if it would be read as something else
// without them.
func quoted(text string, null bool) string {
	plain := func(r rune) bool {
		return r > 0x7f && unicode.IsPrint(r) || r < 0x7f && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune(" _-+./$%*@", r))
	}
	first := text != "" && !strings.ContainsRune(" -*@%", rune(text[0]))
	if null || first && text[len(text)-1] != ' ' && !strings.ContainsFunc(text, func(r rune) bool { return !plain(r) }) {
		return text
	}
	return strconv.Quote(text)
}

// Found says what stands there, for complaints.
func (n Node) Found() string {
	switch {
	case n.Kind != Scalar:
		return n.Kind.String()
	case n.Absent():
		return "nothing"
	case n.Null:
		return fmt.Sprintf("nothing (%s means that without quotes)", n.Text)
	}
	return fmt.Sprintf("%.60q", n.Text)
}

// Entry is one key of a Map with its value.
type Entry struct {
	Key   string
	At    Pos
	Value Node
}

// Parse reads one YAML document from text. What it cannot read it reports to
// ps and returns false. An empty document is an empty Map.
func Parse(file string, text []byte, ps *Problems) (Node, bool) {
	if len(text) > maxFileSize {
		ps.Errorf(Pos{File: file}, "the file is larger than %d bytes", maxFileSize)
		return Node{}, false
	}
	dec := yaml.NewDecoder(bytes.NewReader(asVersion11(text)))
	var doc yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return Node{Pos: Pos{file, 1, 1}, Kind: Map}, true
	case err != nil:
		ps.add(syntaxProblem(file, text, err))
		return Node{}, false
	}
	var more yaml.Node
	switch err := dec.Decode(&more); {
	case err == nil:
		ps.Errorf(Pos{file, more.Line, more.Column}, "a second document: a file can hold only one")
		return Node{}, false
	case !errors.Is(err, io.EOF):
		ps.add(syntaxProblem(file, text, err))
		return Node{}, false
	}
	c := converter{file: file, ps: ps, open: map[*yaml.Node]bool{}}
	n := c.node(doc.Content[0], 0)
	if n.Null {
		n = Node{Pos: n.Pos, Kind: Map}
	}
	return n, !c.failed
}

// asVersion11 returns text with the directive %YAML 1.2 at its beginning, which
// the library refuses, as 1.1: in what the language uses of YAML, these agree.
func asVersion11(text []byte) []byte {
	for rest := text; len(rest) > 0; {
		line, more, _ := bytes.Cut(rest, []byte{'\n'})
		if bytes.HasPrefix(line, []byte("%YAML 1.2")) {
			other := bytes.Clone(text)
			copy(other[len(text)-len(rest):], "%YAML 1.1")
			return other
		}
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' && line[0] != '%' {
			break
		}
		rest = more
	}
	return text
}

// harmlessTags say what a scalar, list or mapping is anyway: all scalars are
// taken as they are written.
var harmlessTags = []string{"!!str", "!!int", "!!float", "!!bool", "!!null", "!!seq", "!!map", "!"}

// converter copies the library's tree into ours.
type converter struct {
	file   string
	ps     *Problems
	open   map[*yaml.Node]bool // anchors that we are inside of
	nodes  int
	failed bool
}

func (c *converter) fail(at Pos, format string, args ...any) Node {
	if !c.failed {
		c.ps.Errorf(at, format, args...)
	}
	c.failed = true
	return Node{Pos: at, Null: true}
}

func (c *converter) node(y *yaml.Node, depth int) Node {
	at := Pos{c.file, y.Line, y.Column}
	c.nodes++
	switch {
	case c.failed:
		return Node{Pos: at, Null: true}
	case c.nodes > maxNodes:
		return c.fail(at, "more than %d values, counting what aliases repeat", maxNodes)
	case depth > maxDepth:
		return c.fail(at, "nested deeper than %d levels", maxDepth)
	case y.Style&yaml.TaggedStyle != 0 && !slices.Contains(harmlessTags, y.Tag):
		c.ps.Errorf(at, "the YAML tag %.60s is not supported: remove it, or quote a string that begins with !", y.Tag)
	}
	n := Node{Pos: at}
	switch y.Kind {
	case yaml.AliasNode:
		return c.alias(y, depth)
	case yaml.SequenceNode:
		n.Kind, n.Items = List, make([]Node, 0, len(y.Content))
		for _, item := range y.Content {
			n.Items = append(n.Items, c.inside(y, item, depth))
		}
	case yaml.MappingNode:
		n.Kind, n.Entries = Map, make([]Entry, 0, len(y.Content)/2)
		for i := 0; i+1 < len(y.Content); i += 2 {
			n.Entries = append(n.Entries, c.entry(y, y.Content[i], y.Content[i+1], depth))
		}
	case yaml.ScalarNode:
		n.Text = y.Value
		if strings.ContainsRune(n.Text, 0) {
			c.ps.Errorf(at, "%.60q holds a NUL, which no name, path or argument can; write the bytes of a message in hex", n.Text)
		}
		n.Null = y.Tag == "!!null"
		if first, size := utf8.DecodeRuneInString(n.Text); y.Style == 0 && strings.ContainsRune("“”„‘’", first) && size > 1 {
			c.ps.Warnf(at, "the quotation mark %c is part of the string: quotes are \"…\" or '…'", first)
		}
	}
	return n
}

func (c *converter) inside(parent, y *yaml.Node, depth int) Node {
	if parent.Anchor == "" { // as most
		return c.node(y, depth+1)
	}
	c.open[parent] = true
	n := c.node(y, depth+1)
	delete(c.open, parent)
	return n
}

func (c *converter) alias(y *yaml.Node, depth int) Node {
	at := Pos{c.file, y.Line, y.Column}
	if c.open[y.Alias] {
		return c.fail(at, "the alias *%s is inside the value that it repeats", y.Value)
	}
	n := c.node(y.Alias, depth+1)
	n.Pos = at
	return n
}

func (c *converter) entry(parent, key, value *yaml.Node, depth int) Entry {
	at := Pos{c.file, key.Line, key.Column}
	switch {
	case key.Tag == "!!merge":
		c.fail(at, "merge keys (<<) are not supported; use an alias for a whole value")
	case key.Kind != yaml.ScalarNode:
		c.fail(at, "a key must be a plain word; quote a string that begins with { or [")
	case key.Tag == "!!null" && len(key.Value) < 2: // left out, or ~; null may be a name
		c.ps.Errorf(at, "expected a key, found nothing")
	case strings.Contains(key.Value, noBreakSpace):
		c.fail(at, "the key %.60q holds a no-break space: write a plain one", key.Value)
	case strings.ContainsFunc(key.Value, func(r rune) bool { return !unicode.IsPrint(r) }):
		c.fail(at, "the key %.60q holds unprintable characters", key.Value)
	}
	return Entry{Key: key.Value, At: at, Value: c.inside(parent, value, depth)}
}

// load reads the file that path names and calls Parse. It fails if the file
// cannot be read, or holds what Parse complains about.
func load(path string, ps *Problems) (Node, bool) {
	text, err := regular.Read(path, maxFileSize)
	if err != nil {
		ps.Errorf(Pos{File: path}, "%v", cause(err))
		return Node{}, false
	}
	return Parse(path, text, ps)
}

// Peek returns what is in a file, for those who want to know what it names
// whatever is wrong with it: an empty Map if it cannot be read.
func Peek(path string) Node {
	n, ok := load(path, &Problems{})
	if !ok {
		return Node{Kind: Map}
	}
	return n
}

// cause drops the operation and path that an os error repeats.
func cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
