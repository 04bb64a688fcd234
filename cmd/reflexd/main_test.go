// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"reflexd/agent"
	"reflexd/agent/scenario"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"reflexd": main})
}

// The scripts in testdata use the program as its user does.
func TestScripts(t *testing.T) {
	docs, err := filepath.Abs("../../docs")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			e.Setenv("DOCS", docs)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"await": await,
			"count": count,
			"send":  send,
		},
	})
}

// await FILE REGEXP waits until the file has a match.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await file regexp")
	}
	pattern, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	_, err = awaitFile(ts.MkAbs(args[0]), pattern.Match)
	ts.Check(err)
}

// send FILE SIGNAL... sends signals to the process whose pid the file has.
func send(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: send file signal...")
	}
	pid := regexp.MustCompile(`pid ([0-9]+)`).FindStringSubmatch(ts.ReadFile(args[0]))
	if pid == nil {
		ts.Fatalf("no pid in %s", args[0])
	}
	number, err := strconv.Atoi(pid[1])
	ts.Check(err)
	for _, signal := range args[1:] {
		ts.Check(unix.Kill(number, unix.SignalNum("SIG"+signal)))
	}
}

// count N FILE REGEXP asserts the number of matches.
func count(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: count n file regexp")
	}
	pattern, err := regexp.Compile("(?m)" + args[2])
	ts.Check(err)
	found := pattern.FindAllString(ts.ReadFile(args[1]), -1)
	if want := strings.TrimSpace(args[0]); want != strconv.Itoa(len(found)) {
		ts.Fatalf("%d matches for %q in %s, want %s", len(found), args[2], args[1], want)
	}
}

func TestExamplesAreRight(t *testing.T) {
	for _, f := range configurations(filesIn(t, "../../examples/*.yaml")) {
		_, ps, err := agent.Load([]string{f})
		if err != nil || len(ps.All()) > 0 {
			t.Errorf("%s: %v %v", f, err, ps)
		}
	}
}

// Each example has tests beside it, which fire every rule of it.
func TestExamplesDoWhatTheySay(t *testing.T) {
	tests, examples := 0, 0
	for _, f := range filesIn(t, "../../examples/*.yaml") {
		if strings.HasSuffix(f, scenario.Suffix) {
			tests++
		} else {
			examples++
		}
	}
	var out, complaints bytes.Buffer
	if code := run([]string{"test", "--min-coverage", "100%", "--coverage", "../../examples"}, &out, &complaints); code != done || tests != examples {
		t.Errorf("%d tests for %d examples; exit %d\n%s%s", tests, examples, code, &out, &complaints)
	}
}

// configurations returns the files without those of tests, for which see
// TestExamplesDoWhatTheySay.
func configurations(files []string) []string {
	return slices.DeleteFunc(files, func(f string) bool { return strings.HasSuffix(f, scenario.Suffix) })
}

func filesIn(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatal(pattern, len(files), err)
	}
	return files
}

// The YAML of README and docs must be right too.
func TestDocumentedConfigurationsAreRight(t *testing.T) {
	pages, _ := filepath.Glob("../../docs/*/*.md")
	for _, page := range append(pages, "../../README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for i, block := range yamlBlocks(string(text)) {
			f := filepath.Join(t.TempDir(), "block.yaml")
			if err := os.WriteFile(f, []byte(block), 0o644); err != nil {
				t.Fatal(err)
			}
			if _, ps, err := agent.Load([]string{f}); err != nil || ps.Failed() {
				t.Errorf("%s, YAML block %d: %v %v\n%s", page, i+1, err, ps, block)
			}
		}
	}
}

// The tests in the pages of the documentation pass: ```yaml test above is of
// the configuration before it, ```yaml test PATH of that file.
func TestDocumentedTestsPass(t *testing.T) {
	played := 0
	for _, page := range append(filesIn(t, "../../docs/*/*.md"), "../../README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		above := ""
		for _, m := range regexp.MustCompile("(?s)```yaml( test [^\n]*)?\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
			target := strings.TrimPrefix(m[1], " test ")
			if target == "" {
				above = m[2]
				continue
			}
			played++
			configuration := above
			if target != "above" {
				other, err := os.ReadFile(filepath.Join(filepath.Dir(page), target))
				if err != nil {
					t.Fatal(page, err)
				}
				configuration = string(other)
			}
			playText(t, page, configuration, m[2])
		}
	}
	if played < 3 {
		t.Errorf("only %d tests in the documentation", played)
	}
}

// The rules of pages do what the pages say: testdata/pages/PAGE-N.test.yaml
// tests the Nth configuration of docs/how-to/PAGE.md, all of whose rules it fires.
func TestRulesOfPages(t *testing.T) {
	for _, file := range filesIn(t, "testdata/pages/*"+scenario.Suffix) {
		page, number, _ := strings.Cut(strings.TrimSuffix(filepath.Base(file), scenario.Suffix), "_")
		n, err := strconv.Atoi(number)
		text, other := os.ReadFile("../../docs/how-to/" + page + ".md")
		tests, third := os.ReadFile(file)
		if err := errors.Join(err, other, third); err != nil {
			t.Fatal(err)
		}
		blocks := yamlBlocks(string(text))
		if n < 1 || n > len(blocks) {
			t.Errorf("%s: the page has %d configurations", file, len(blocks))
			continue
		}
		playText(t, file, blocks[n-1], string(tests), "--min-coverage", "100%")
	}
}

// playText plays tests of a configuration.
func playText(t *testing.T, where, configuration, tests string, flags ...string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"c.yaml": configuration, "c.test.yaml": tests} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if code := run(append([]string{"test", "--coverage", dir}, flags...), &out, &out); code != done {
		t.Errorf("%s: exit %d\n%s\n%s", where, code, &out, configuration)
	}
}

func yamlBlocks(text string) []string {
	var blocks []string
	for _, m := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(text, -1) {
		blocks = append(blocks, m[1])
	}
	return blocks
}

func TestReferenceIsWhatTheProgramSays(t *testing.T) {
	var language, tests bytes.Buffer
	writeLanguage(&language, agent.Language())
	writeTests(&tests, scenario.Shape())
	for page, said := range map[string]string{"language": language.String(), "tests": tests.String()} {
		text, err := os.ReadFile("../../docs/reference/" + page + ".md")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(text), said); diff != "" {
			t.Errorf("docs/reference/%s.md is not what `reflexd help %s` prints (-page +program):\n%s", page, page, diff)
		}
	}
}
