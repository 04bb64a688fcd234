// SPDX-License-Identifier: MIT

// The pages of the documentation: that what they link to exists.

package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	fencedBlock  = regexp.MustCompile("(?ms)^```.*?^```$")
	codeSpan     = regexp.MustCompile("`[^`\n]*`")
	indentedLine = regexp.MustCompile(`(?m)^    .*$`)
	linkTarget   = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading      = regexp.MustCompile(`(?m)^#+ (.*)$`)
	notInAnchor  = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// TestLinksResolve follows each relative link, to its file and to the heading
// in it.
func TestLinksResolve(t *testing.T) {
	links := 0
	for _, page := range documentation(t) {
		prose := codeSpan.ReplaceAllString(indentedLine.ReplaceAllString(readPage(t, page), ""), "")
		for _, m := range linkTarget.FindAllStringSubmatch(prose, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			links++
			file, anchor, _ := strings.Cut(m[1], "#")
			target := page
			if file != "" {
				target = filepath.Join(filepath.Dir(page), file)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s: %v", page, m[1], err)
			} else if anchor != "" && !slices.Contains(anchors(readPage(t, target)), anchor) {
				t.Errorf("%s links to %s: no such heading", page, m[1])
			}
		}
	}
	if links < 50 {
		t.Errorf("found only %d links", links)
	}
}

// documentation is the path of each page.
func documentation(t *testing.T) []string {
	t.Helper()
	pages, err := filepath.Glob("../../*.md")
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir("../../docs", func(path string, _ fs.DirEntry, err error) error {
		if filepath.Ext(path) == ".md" {
			pages = append(pages, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

// readPage returns the text of a page without its fenced blocks.
func readPage(t *testing.T, page string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	return fencedBlock.ReplaceAllString(string(text), "")
}

// anchors are what GitHub makes of the headings of a page.
func anchors(text string) []string {
	var all []string
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		plain := notInAnchor.ReplaceAllString(strings.ToLower(m[1]), "")
		all = append(all, strings.ReplaceAll(plain, " ", "-"))
	}
	return all
}

// A service manager learns from its reload whether the configuration was taken:
// it calls the verb, of the program that it started.
func TestUnitReloadsByTheVerb(t *testing.T) {
	unit, err := os.ReadFile("../../packaging/reflexd.service")
	if err != nil {
		t.Fatal(err)
	}
	_, start, _ := strings.Cut(string(unit), "\nExecStart=")
	program, _, _ := strings.Cut(start, " run\n")
	if !strings.Contains(string(unit), "\nExecReload="+program+" reload\n") {
		t.Errorf("ExecReload is not `%s reload`", program)
	}
}
