// SPDX-License-Identifier: MIT

// The file of kept variables: its text, and how it is replaced so that
// whatever happens meanwhile, the old one or the new one is there.

package vars

import (
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// The text is this line, a line for each variable with its name and value in
// Go's quotes, and the sum of all that.
const header = "reflexd state 1\n"

// maxFile is the size in bytes of the largest file that is read.
const maxFile = 1 << 20

// format returns the text that holds values.
func format(values map[string]string) string {
	var b strings.Builder
	b.WriteString(header)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		fmt.Fprintf(&b, "%q %q\n", name, values[name])
	}
	return b.String() + sumOf(b.String())
}

func sumOf(text string) string {
	h := fnv.New64a()
	h.Write([]byte(text))
	return fmt.Sprintf("sum %016x\n", h.Sum64())
}

// parse returns the values that a text of format's holds.
func parse(text string) (map[string]string, error) {
	body, ok := strings.CutPrefix(text, header)
	if !ok {
		return nil, errors.New("it does not begin as such a file does")
	}
	i := strings.LastIndex(text, "sum ")
	if i < len(header) || text[i:] != sumOf(text[:i]) {
		return nil, errors.New("its sum is wrong: it was cut off or changed")
	}
	values := map[string]string{}
	for line := range strings.Lines(body[:i-len(header)]) {
		name, value, err := parseLine(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return nil, err
		}
		values[name] = value
	}
	return values, nil
}

// parseLine reads `"name" "value"`.
func parseLine(line string) (name, value string, err error) {
	first, err := strconv.QuotedPrefix(line)
	if err == nil {
		name, err = strconv.Unquote(first)
	}
	if err == nil {
		value, err = strconv.Unquote(strings.TrimPrefix(line[len(first):], " "))
	}
	if err != nil {
		return "", "", fmt.Errorf("the line %.80q is not a name and a value in quotes", line)
	}
	return name, value, nil
}

// read returns what the file at path holds.
func read(path string) (map[string]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, fmt.Errorf("it is no regular file of up to %d bytes", maxFile)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return parse(string(text))
}

// setAside gives a file another name, where people may look at it.
func setAside(path, aside string) error {
	if err := os.Rename(path, aside); err != nil {
		return fmt.Errorf("set it aside: %w", err)
	}
	return nil
}

// save makes text the content of the file at path, on the disk and not only
// in memory.
func save(path, text string) error {
	s := saving{path: path, text: text}
	for _, step := range s.steps() {
		if err := step(); err != nil {
			s.file.Close()
			return fmt.Errorf("keep variables: %w", err)
		}
	}
	return nil
}

// saving is one replacement of the file.
type saving struct {
	path, text string
	file       *os.File // under the temporary name
}

// steps are to be done in order. After any of them the power may fail.
func (s *saving) steps() []func() error {
	return []func() error{s.makeFolder, s.create, s.fill, s.flush, s.close, s.replace, s.flushFolder}
}

func (s *saving) temporary() string { return s.path + ".new" }

func (s *saving) makeFolder() error { return os.MkdirAll(filepath.Dir(s.path), 0o755) }

// create makes the temporary file anew: what an earlier try left there, or
// somebody's link to elsewhere, goes.
func (s *saving) create() error {
	_ = os.Remove(s.temporary())
	f, err := os.OpenFile(s.temporary(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	s.file = f
	return err
}

func (s *saving) fill() error {
	_, err := s.file.WriteString(s.text)
	return err
}

// flush comes before the file gets its name: a file system may write the name
// to the disk before the content, and then there would be an empty file.
func (s *saving) flush() error { return s.file.Sync() }

func (s *saving) close() error { return s.file.Close() }

func (s *saving) replace() error { return os.Rename(s.temporary(), s.path) }

func (s *saving) flushFolder() error {
	folder, err := os.Open(filepath.Dir(s.path))
	if err != nil {
		return err
	}
	defer folder.Close()
	// Some file systems cannot; there the name is on its way all the same.
	if err := folder.Sync(); err != nil && !errors.Is(err, unix.EINVAL) {
		return err
	}
	return nil
}
