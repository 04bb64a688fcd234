// SPDX-License-Identifier: MIT

// The tutorial: what its commands print that need no board. Those that need
// one are tried by lab/trial.

package main

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"
)

var (
	fence = regexp.MustCompile("(?ms)^```(yaml|console)(?: title=\"(.*?)\")?\n(.*?)^```$")
	took  = regexp.MustCompile(`in \d+(\.\d+)?(ms|s|µs);`)
)

// TestTutorial writes the files of the tutorial as a reader does, and compares
// what `reflexd check` and `reflexd test` print with what the page has.
func TestTutorial(t *testing.T) {
	page, err := os.ReadFile("../../docs/tutorial/README.md")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	tried := 0
	for _, m := range fence.FindAllStringSubmatch(string(page), -1) {
		kind, name, text := m[1], m[2], m[3]
		if kind == "yaml" {
			if name == "" {
				name = "reflexd.yaml"
			}
			if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		for _, command := range strings.Split("\n"+text, "\n$ ")[1:] {
			line, want, _ := strings.Cut(command, "\n")
			args := strings.Fields(line)
			if args[0] != "reflexd" || args[1] != "check" && args[1] != "test" {
				continue
			}
			tried++
			var out bytes.Buffer
			run(args[1:], &out, &out)
			got := out.String()
			if took.ReplaceAllString(strings.TrimSpace(got), "") != took.ReplaceAllString(strings.TrimSpace(want), "") {
				t.Errorf("%s prints\n%s\nthe tutorial has\n%s", line, got, want)
			}
		}
	}
	if tried < 6 {
		t.Errorf("only %d commands tried", tried)
	}
}
