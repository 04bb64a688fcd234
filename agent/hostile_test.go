// SPDX-License-Identifier: MIT

// How long configurations take to be checked that are made to take long: very
// many mistakes, names, patterns and circles.

package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// hostile are such configurations, each as large as one file may be.
var hostile = []struct{ name, text string }{
	{"unknown keys", many(14_000, "", "lnes%d: 3\n")},
	{"unknown lines", many(2400, "lines:\n", "  some_line_%05d: {input: \"a:%[1]d\"}\n") +
		many(2000, "rules:\n", "  - {when: {line: sone_line_%05d, is: rising}, do: {log: x}}\n")},
	{"patterns", many(2400, "lines:\n", "  l%d: {input: \"a:%[1]d\"}\n") +
		many(2000, "rules:\n", "  - {when: {line: \"*\", is: rising}, do: {log: \"%d\"}}\n")},
	{"unknown variables", many(2400, "vars:\n", "  some_var_%05d: {}\n") +
		many(2400, "rules:\n", "  - {when: {event: a}, do: {var: {sone_var_%05d: x}}}\n")},
	{"circles", many(2400, "rules:\n", "  - {when: {event: a}, do: [{emit: a}, {log: \"%d\"}]}\n")},
	{"events", many(3700, "rules:\n", "  - {when: {event: a%d}, do: {emit: b%[1]d}}\n")},
	{"unknown users", many(4900, "control:\n  allow:\n", "    - {user: rot%d, may: read}\n")},
	{"syntax", many(180_000, "", "a: b # %d\n")[:900_000] + "\nc: d: e\n"},
}

// many returns the head, and n lines that are numbered.
func many(n int, head, line string) string {
	text := []byte(head)
	for i := range n {
		text = fmt.Appendf(text, line, i)
	}
	return string(text)
}

func TestHostileFilesAreAnswered(t *testing.T) {
	for _, h := range hostile {
		path := filepath.Join(t.TempDir(), "hostile.yaml")
		if err := os.WriteFile(path, []byte(h.text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, ps, err := Load([]string{path})
		if err != nil {
			t.Fatal(h.name, err)
		}
		if n := len(ps.All()); n > 402 {
			t.Errorf("%s: %d complaints", h.name, n)
		}
		if strings.Contains(ps.Error(), "counting what aliases repeat") {
			t.Errorf("%s is no longer read to its end", h.name)
		}
	}
}

func BenchmarkLoadHostile(b *testing.B) {
	for _, h := range hostile {
		b.Run(h.name, func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "hostile.yaml")
			if err := os.WriteFile(path, []byte(h.text), 0o600); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, _, err := Load([]string{path}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
