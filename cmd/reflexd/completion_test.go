// SPDX-License-Identifier: MIT

package main

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const completionConfig = `lines:
  bell: {button: GPIO27}
  lamp: {output: GPIO17}
vars: {mode: {values: [day, night]}}
rules:
  - {name: the lamp follows the bell, when: {line: bell, is: pressed}, do: {set: {line: lamp, to: toggle}}}
  - {name: "it's 5$: now", when: [{event: tea}, {event: time-for-tea}], do: {log: x}}
  - {when: {event: other}, do: {log: x}}
`

// completionFolder has a configuration, the program under its name, and the socket of an agent.
func completionFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"it.yaml": completionConfig, "items.yaml": "rules: []\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The test binary is the program if it has its name: see TestMain.
	if err := os.Symlink(program, filepath.Join(dir, "reflexd")); err != nil {
		t.Fatal(err)
	}
	c := exec.Command("./reflexd", "run", "-c", "it.yaml", "--socket", "s")
	c.Dir = dir
	errs, err := c.StderrPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Signal(unix.SIGTERM)
		_ = c.Wait()
	})
	for lines := bufio.NewScanner(errs); lines.Scan(); {
		if strings.Contains(lines.Text(), "msg=started") {
			go func() {
				for lines.Scan() {
				}
			}()
			return dir
		}
	}
	t.Fatal("the agent did not start")
	return ""
}

// completions are what is typed, and what the shell makes of it: in full, or as the words that it offers.
var completions = []struct{ typed, want string }{
	{"reflexd dis", "disable"},
	{"reflexd r", "record reload replay rules run"},
	{"reflexd run --dry", "--dry-run"},
	{"reflexd run --log-level d", "debug"},
	{"reflexd run --log-format ", "json text"},
	{"reflexd completion ", "bash fish zsh"},
	{"reflexd help lang", "language"},
	{"reflexd help te", "test tests"},
	{"reflexd schema ", "tests"},
	{"reflexd trigger --action ", "add change"},
	{"reflexd board --board raspberrypi,4-m", "raspberrypi,4-model-b"},
	{"reflexd check it", "it.yaml items.yaml"},
	{"reflexd run -c ite", "items.yaml"},
	{"reflexd enable --socket s ", `it.yaml:8 it\'s\ 5\$:\ now the\ lamp\ follows\ the\ bell`},
	{"reflexd enable --socket s the", `the\ lamp\ follows\ the\ bell`},
	{`reflexd enable --socket s the\ l`, `the\ lamp\ follows\ the\ bell`},
	{`reflexd enable --socket s "the l`, `the lamp follows the bell`},
	{`reflexd enable --socket s "it's 5`, `it's 5\$: now`},
	{`reflexd enable --socket s it\'s\ 5\$:`, `\ now`}, // bash replaces what is behind a colon
	{"reflexd emit --socket s t", "tea time-for-tea"},
	{"reflexd nonsense ", ""},
	{"reflexd reload x", ""},
}

// TestBashCompletes has bash run the script as it does when somebody presses Tab.
func TestBashCompletes(t *testing.T) {
	dir := completionFolder(t)
	// Where words end is for bash to know: the function gets the line and the last word alone.
	script := `. completion
COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDS=() COMP_CWORD=0
compopt() { :; }
_reflexd reflexd "${1##* }"
printf '%s\n' "${COMPREPLY[@]}"`
	for _, c := range completions {
		got := inShell(t, dir, exec.Command("bash", "-c", script, "bash", c.typed))
		lines := strings.Split(strings.TrimSpace(got), "\n")
		if strings.TrimSpace(c.want) == c.want {
			slices.Sort(lines)
		} else {
			lines = []string{strings.TrimRight(got, "\n")}
		}
		if joined := strings.Join(lines, " "); joined != c.want {
			t.Errorf("after %q bash offers %q, want %q", c.typed, joined, c.want)
		}
	}
}

// inShell runs a shell in dir, where the script for bash is in the file completion, and returns what it prints.
func inShell(t *testing.T, dir string, c *exec.Cmd) string {
	t.Helper()
	script, err := completionScripts.ReadFile("completion/" + shells["bash"])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "completion"), script, 0o644); err != nil {
		t.Fatal(err)
	}
	c.Dir, c.Env = dir, append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v: %v", c.Args, err)
	}
	return string(out)
}

// FuzzAnswer answers command lines that nobody would type.
func FuzzAnswer(f *testing.F) {
	for _, c := range completions {
		f.Add(c.typed)
	}
	f.Add("reflexd run \"\" x")
	f.Add("reflexd run \\")
	f.Fuzz(func(t *testing.T, line string) {
		if strings.Contains(line, "socket") {
			return // of whatever agent
		}
		for shell := range shells {
			answer(shell, line)
		}
		for _, style := range []string{"", `"`, "'"} {
			if got := unquote(style + quoteLike(style, line)); got != line {
				t.Errorf("bash makes %q of %q, quoted as %s", got, line, style)
			}
		}
		if words := splitLine(line); unquote(strings.Join(words, "")) == "" && strings.Trim(line, " \t\\\"'") != "" {
			t.Errorf("%q has the words %q", line, words)
		}
	})
}

func TestCompletionScripts(t *testing.T) {
	for shell := range shells {
		var out, errs bytes.Buffer
		if code := run([]string{"completion", shell}, &out, &errs); code != done || !strings.Contains(out.String(), "completion "+shell) {
			t.Errorf("%s: exit code %d, %s%s", shell, code, &out, &errs)
		}
	}
}
