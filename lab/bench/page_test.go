// SPDX-License-Identifier: MIT

package main

import (
	"os"
	"strings"
	"testing"
)

func TestReplaceTable(t *testing.T) {
	const page = "# Page\n\n<!-- make bench: board -->\nold\n<!-- end -->\n\nprose\n"
	got, err := replaceTable(page, "board", "Measured today.", "\n## Here\n\n| a |\n| - |\n")
	want := "# Page\n\n<!-- make bench: board -->\n\nMeasured today. Here.\n\n| a |\n| - |\n\n<!-- end -->\n\nprose\n"
	if err != nil || got != want {
		t.Errorf("%v, %q, want %q", err, got, want)
	}
	if _, err := replaceTable(page, "host", "", ""); err == nil {
		t.Error("a table that there is not: no error")
	}
}

// Every group has its place in the page.
func TestPageHasATableForEachGroup(t *testing.T) {
	text, err := os.ReadFile("../../docs/performance.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	for _, g := range append(groups, group{name: "size"}) {
		if _, err := replaceTable(page, g.name, "", ""); err != nil || strings.Count(page, "make bench: "+g.name+" ") != 1 {
			t.Errorf("%s: %v", g.name, err)
		}
	}
}
