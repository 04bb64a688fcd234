// SPDX-License-Identifier: MIT

// The pages of the documentation: that what they link to exists.

package main

import (
	"flag"
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

var (
	testName = regexp.MustCompile("`([a-z0-9/-]+)\\.((?:Test|Fuzz)\\w+)`")
	bullet   = regexp.MustCompile(`(?m)^\* (?:.*\n)(?:  .*\n)*`)
)

// TestPromisesHaveTests holds that the tests exist that the pages of promises
// name, and that each promise of a list has one.
func TestPromisesHaveTests(t *testing.T) {
	for page, promises := range map[string]int{"reliability": 25, "security": 5} {
		text := readPage(t, "../../docs/"+page+".md")
		for _, m := range testName.FindAllStringSubmatch(text, -1) {
			if !hasTest(t, "../../"+m[1], m[2]) {
				t.Errorf("%s.md names the test %s of %s, which does not exist", page, m[2], m[1])
			}
		}
		promised, _, _ := strings.Cut(text, "## What is not promised")
		bullets := bullet.FindAllString(promised, -1)
		for _, b := range bullets {
			if !testName.MatchString(b) {
				t.Errorf("%s.md: no test is named for: %s", page, b)
			}
		}
		if len(bullets) < promises {
			t.Errorf("%s.md: found only %d promises", page, len(bullets))
		}
	}
}

// hasTest reports whether a folder has a test of that name.
func hasTest(t *testing.T, folder, name string) bool {
	t.Helper()
	files, err := filepath.Glob(folder + "/*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(files, func(file string) bool {
		text, err := os.ReadFile(file)
		return err == nil && strings.Contains(string(text), "\nfunc "+name+"(")
	})
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

var (
	inCode      = regexp.MustCompile("`([^`\n]+)`|(?m:^ {4,}(?:\\$ )?(.*)$)")
	reflexdVerb = regexp.MustCompile(`(?:^|[ ("])reflexd ([a-z]+)([^|;&#<>)"]*)`)
	flagWord    = regexp.MustCompile(`\s(--?[a-z][a-z-]*)`)
)

// TestDocumentedCommandsExist holds that each verb, and each flag of it, exists that
// a page has in a code span or in an indented line.
func TestDocumentedCommandsExist(t *testing.T) {
	flags := map[string]*flag.FlagSet{}
	for _, v := range verbs() {
		c := &command{flags: flag.NewFlagSet(v.name, flag.ContinueOnError)}
		v.flags(c)
		flags[v.name] = c.flags
	}
	seen := 0
	for _, page := range documentation(t) {
		for _, code := range inCode.FindAllStringSubmatch(readPage(t, page), -1) {
			for _, m := range reflexdVerb.FindAllStringSubmatch(code[1]+code[2], -1) {
				seen++
				known := flags[m[1]]
				if known == nil {
					t.Errorf("%s: there is no verb %s: %s", page, m[1], m[0])
					continue
				}
				for _, f := range flagWord.FindAllStringSubmatch(m[2], -1) {
					if name := strings.TrimLeft(f[1], "-"); name != "help" && known.Lookup(name) == nil {
						t.Errorf("%s: %s has no flag %s: %s", page, m[1], f[1], m[0])
					}
				}
			}
		}
	}
	if seen < 150 {
		t.Errorf("found only %d commands", seen)
	}
}
