// SPDX-License-Identifier: MIT

// Package diagram is for the tests that draw the timing diagrams of the
// reference pages. A diagram is a block of the page, fenced as "timing": a line
// of what rules there are, then a row for each thing that happens and, below
// them, rows of what the program makes of it.
package diagram

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// Column is the time that one character of a row stands for.
const Column = 50 * time.Millisecond

// Row is one row of a diagram.
type Row struct{ Name, Marks string }

// Check compares the diagrams of the page, of which there must be so many, with
// what draw returns for the text of each, or with update writes that into it.
func Check(t *testing.T, page string, least int, update bool, draw func(block string) string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	count := 0
	for rest := string(text); ; count++ {
		before, after, found := strings.Cut(rest, "```timing\n")
		out.WriteString(before)
		if !found {
			break
		}
		block, after, closed := strings.Cut(after, "```\n")
		if !closed {
			t.Fatal("a diagram is not closed")
		}
		out.WriteString("```timing\n" + draw(block) + "```\n")
		rest = after
	}
	switch {
	case count < least:
		t.Errorf("found only %d diagrams", count)
	case update:
		if err := os.WriteFile(page, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	case out.String() != string(text):
		t.Errorf("the diagrams of %s are not what the program does; draw them with\ngo test -run %s -update\nand look:\n%s", page, t.Name(), out.String())
	}
}

// Read returns the first line of a block and its rows, those of the program
// included.
func Read(block string) (header string, rows []Row) {
	lines := strings.Split(strings.TrimRight(block, "\n"), "\n")
	for _, l := range lines[1:] {
		name, marks, _ := strings.Cut(l, " ")
		rows = append(rows, Row{name, strings.TrimSpace(marks)})
	}
	return lines[0], rows
}

// Format returns the block.
func Format(header string, rows []Row) string {
	width := 0
	for _, r := range rows {
		width = max(width, len(r.Name))
	}
	var out strings.Builder
	fmt.Fprintln(&out, header)
	for _, r := range rows {
		fmt.Fprintf(&out, "%-*s  %s\n", width, r.Name, r.Marks)
	}
	return out.String()
}

// Mark puts mark into column at of r, which is blank before.
func (r *Row) Mark(at int, mark string) {
	r.Marks += strings.Repeat(" ", max(0, at-len(r.Marks))) + mark
}
