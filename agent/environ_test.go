// SPDX-License-Identifier: MIT

// Which fields of an event a program finds in its environment.

package agent

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"reflexd/agent/action"
)

// environment returns the names that the program of a rule found, from the
// file NAME of the rig's folder.
func (r *rig) environment(name string) []string {
	r.t.Helper()
	text, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil {
		r.t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		name, _, _ := strings.Cut(line, "=")
		names = append(names, name)
	}
	return names
}

// What tar runs is said by TAR_OPTIONS, and no list of such names is complete.
func TestProgramsFindNoFieldsThatNobodyNamed(t *testing.T) {
	r := start(t, `
rules:
  - name: unnamed
    when: {event: backup}
    do: [{run: {command: [env], output: log}}, {log: "over"}]
  - name: named
    when: {event: backup}
    do:
      - run: [sh, -c, 'env >DIR/word; : "$FROM_SH"']
      - run: {command: [sh, -c, "env >DIR/env"], env: {AS: "${FROM_ENV}"}}
      - shell: 'env >DIR/script; : "${IN_SCRIPT:-none} $LD_PRELOAD $PATH $((2 * SUM))"'
      - log: "${IN_LOG:-}"
      - log: "all three"
`)
	r.send("backup", "TAR_OPTIONS=x", "RSYNC_RSH=x", "FROM_SH=x", "FROM_ENV=x", "IN_SCRIPT=x", "IN_LOG=x", "SUM=1",
		"LD_PRELOAD=/nowhere.so", "PATH=/nowhere")
	r.expect("over")
	r.expect("all three")
	for _, field := range []string{"TAR_OPTIONS", "RSYNC_RSH", "FROM_SH", "IN_LOG", "LD_PRELOAD"} {
		if n := r.count("msg=output", "rule=unnamed", field+"="); n != 0 {
			t.Errorf("a program found %s, which its rule does not name", field)
		}
	}
	if r.count("msg=output", "rule=unnamed", "REFLEXD_EVENT=") != 1 {
		t.Error("a program did not find what every event has")
	}
	for _, file := range []string{"word", "env", "script"} {
		found := r.environment(file)
		for _, field := range []string{"FROM_SH", "FROM_ENV", "IN_SCRIPT", "SUM", "IN_LOG", "REFLEXD_RULE"} {
			if !slices.Contains(found, field) {
				t.Errorf("%s: %s is missing, which the rule names", file, field)
			}
		}
		for _, field := range []string{"TAR_OPTIONS", "LD_PRELOAD"} {
			if slices.Contains(found, field) {
				t.Errorf("%s: %s is there", file, field)
			}
		}
	}
}

// What is declared for a trigger goes to programs unasked: the reference lists
// it, and none of it may change what a program does.
func TestDeclaredFieldsAreInTheReference(t *testing.T) {
	page, err := os.ReadFile("../docs/reference/events.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := regexp.MustCompile(`[A-Z][A-Z_0-9]*`).FindAllString(string(page), -1)
	for _, k := range kinds {
		for _, trigger := range k.Plan().Triggers() {
			passed := trigger.Environ
			if passed == nil {
				passed = trigger.Fields
			}
			for _, field := range slices.Concat(trigger.Fields, passed) {
				if !slices.Contains(listed, field) {
					t.Errorf("docs/reference/events.md does not list %s, a field of `%s`", field, trigger.Key)
				}
			}
			for _, field := range passed {
				if err := action.CheckField(field); err != nil {
					t.Errorf("%s: %v", trigger.Key, err)
				}
			}
		}
	}
}

// A script in a file of its own finds what its rule names; doctor says what it
// seems to want besides.
func TestDoctorTellsWhatAScriptWillNotFind(t *testing.T) {
	r := start(t, `
vars: {mode: {}}
rules:
  - when: {event: backup}
    do: {run: {command: [DIR/report], env: {HOST: "${HOST:-}", VAR_MODE: "${var.mode}"}}}
  - when: {timer: 1h}
    do: {run: [DIR/report]}
`)
	script := "#!/bin/sh -e\nwhile read LINE; do TOTAL=$((TOTAL + 1)); done\necho $HOST $LINE $TOTAL $REFLEXD_RULE $PATH ${STATUS:-0} $1 $STATUS_OF $VAR_MODE $?\n"
	if err := os.WriteFile(filepath.Join(r.dir, "report"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	found := r.diagnose(r.file)
	for _, name := range []string{"STATUS", "STATUS_OF"} {
		if want := "the script uses $" + name + ", which its environment does not have; env: {" + name + ": \"${" + name + ":-}\"} adds it"; strings.Count(found, want) != 1 {
			t.Errorf("no %q, or more than one, in\n%s", want, found)
		}
	}
	if want := "the script uses $VAR_MODE, which its environment does not have; env: {VAR_MODE: \"${var.mode}\"} adds it\n"; strings.Count(found, want) != 1 {
		t.Errorf("no %q, or more than one, in\n%s", want, found)
	}
	if n := strings.Count(found, "the script uses"); n != 3 {
		t.Errorf("%d hints:\n%s", n, found)
	}
}
