// SPDX-License-Identifier: MIT

// The file of kept variables.

package vars

import (
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"reflexd/regular"
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
		return nil, errors.New("it is not a state file")
	}
	i := strings.LastIndex(text, "sum ")
	if i < len(header) || text[i:] != sumOf(text[:i]) {
		return nil, errors.New("its checksum is wrong: it was truncated or changed")
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
	text, err := regular.Read(path, maxFile)
	if err != nil {
		return nil, err
	}
	return parse(string(text))
}

// setAside gives a file another name, where people may look at it.
func setAside(path, aside string) error {
	if err := os.Rename(path, aside); err != nil {
		return fmt.Errorf("rename it: %w", err)
	}
	return nil
}

// save makes text the content of the file at path.
func save(path, text string) error {
	if err := regular.Replace(path, text, 0o600); err != nil {
		return fmt.Errorf("save variables: %w", err)
	}
	return nil
}
