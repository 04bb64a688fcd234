// SPDX-License-Identifier: MIT

// The page: what was measured replaces what docs/performance.md says of it.

package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// A table of the page is between these lines; the first has its name.
const tableBegin, tableEnd = "<!-- make bench: %s -->\n", "<!-- end -->\n"

// writePage puts the tables, by their names, into the page in the file path. They get the date and the version that was
// measured.
func writePage(path, version string, tables map[string]string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	page := string(text)
	for name, table := range tables {
		stamp := fmt.Sprintf("Measured on %s at commit %s.", time.Now().Format("2 January 2006"), version)
		if page, err = replaceTable(page, name, stamp, table); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return os.WriteFile(path, []byte(page), 0o644)
}

// replaceTable returns page with another table of that name. A heading of the table becomes a sentence after the stamp.
func replaceTable(page, name, stamp, table string) (string, error) {
	before, rest, ok := strings.Cut(page, fmt.Sprintf(tableBegin, name))
	_, after, ended := strings.Cut(rest, tableEnd)
	if !ok || !ended {
		return "", fmt.Errorf("there is no table %q", name)
	}
	table = strings.TrimSpace(table)
	if heading, below, ok := strings.Cut(table, "\n"); ok && strings.HasPrefix(heading, "## ") {
		stamp, table = stamp+" "+strings.TrimPrefix(heading, "## ")+".", strings.TrimSpace(below)
	}
	return before + fmt.Sprintf(tableBegin, name) + "\n" + stamp + "\n\n" + table + "\n\n" + tableEnd + after, nil
}
