// SPDX-License-Identifier: MIT

// What rules are called that have no name.

package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRulesOfOneLineHaveNamesOfTheirOwn(t *testing.T) {
	r := start(t, `
rules: [{when: {event: a}, do: {log: "did a"}}, {when: {event: b}, do: {log: "did b"}}]
`)
	r.do(func() {
		if names := r.agent.config.Rules; names[0].Name != r.file+":2:9" || names[1].Name != r.file+":2:49" {
			t.Errorf("the rules are called %s and %s", names[0].Name, names[1].Name)
		}
		if err := r.agent.enableRule(r.file+":2:9", false); err != nil {
			t.Error(err)
		}
	})
	r.send("a")
	r.send("b")
	r.expect(`msg="did b"`)
	if r.count(`msg="did a"`) != 0 {
		t.Error("the rule that was disabled fired")
	}
}

func TestRuleAloneInItsLineIsCalledByTheLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f.yaml")
	text := "rules:\n  - {when: {event: a}, do: {log: a}}\n  - {name: NAME:2, when: {event: b}, do: {log: b}}\n"
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "NAME", path)), 0o600); err != nil {
		t.Fatal(err)
	}
	c, ps, err := Load([]string{path})
	if err != nil {
		t.Fatal(err)
	}
	if c.Rules[0].Name != path+":2" {
		t.Errorf("it is called %s", c.Rules[0].Name)
	}
	if want := "is already declared at " + path + ":2:5"; !strings.Contains(ps.Error(), want) {
		t.Errorf("another rule may take its name: %v", ps)
	}
}
