// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"reflexd/agent"
	"reflexd/agent/rule"
	"reflexd/sources"
)

// hostile is what a device or file could be called.
const hostile = "a\x1b]0;owned\x07\u009b31m\u202e\r\x7f\U000e0041b"

// act reports whether text holds what acts on a terminal.
func acts(text string) bool {
	return strings.ContainsAny(text, "\x1b\x07\u009b\u202e\r\x7f\U000e0041") || !utf8.ValidString(text)
}

func TestNothingHostileIsPrinted(t *testing.T) {
	file := filepath.Join(t.TempDir(), hostile+"\nx.yaml")
	if err := os.WriteFile(file, []byte("rules: [{when: {event: e}, do: {nothing: 1}}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"check", "-c", file}, {"check", "-c", file + hostile}, {"check", "--json", "-c", file}, {"doctor", "-c", file},
		{hostile}, {"status", "--socket", "/nowhere/" + hostile}, {"status", "--" + hostile}, {"emit", "x", hostile + "=1"},
		{"learn", "--bias", hostile}, {"monitor", "--bias", hostile}, {"lines", hostile}, {"board", hostile}, {"trigger", hostile}, {"help", hostile}, {"run", "--log-level", hostile},
	} {
		var out, errs bytes.Buffer
		run(args, &out, &errs)
		if text := out.String() + errs.String(); acts(text) || text == "" {
			t.Errorf("%q: %q", args, text)
		}
	}
	var out bytes.Buffer
	run([]string{"check", "--json", "-c", file}, &out, &out)
	var list []complaint
	if err := json.Unmarshal(out.Bytes(), &list); err != nil || len(list) != 1 || list[0].File != file {
		t.Errorf("%v: the JSON %q has not the name of the file", err, &out)
	}
}

// A script of several lines stays in its row of the table.
func TestStatusIsATable(t *testing.T) {
	s := agent.Status{Files: []string{hostile}, Rules: []rule.Status{{Name: "r" + hostile, Enabled: true, Running: []string{"run sh -c \"a\n\tb\nc\""}}},
		Sources: []agent.SourceStatus{{Source: "input", States: []sources.State{{Name: hostile, Error: "x\ny\tz"}}}}}
	var out bytes.Buffer
	writeStatus(escaper{&out}, s)
	if n := strings.Count(out.String(), "\n"); acts(out.String()) || n != 8 || !strings.Contains(out.String(), `a\n\tb\nc`) {
		t.Errorf("%d lines: %q", n, &out)
	}
}

func TestEscaperKeepsWhatIsHarmless(t *testing.T) {
	for text, want := range map[string]string{
		"plain\ttext\n": "plain\ttext\n", "ä 日本 🎵 ": "ä 日本 🎵 ", "\xff": `\xff`, "a\x1bb\n": `a\x1bb` + "\n", "\u200f": `\u200f`,
		"\U000e0041": `\udb40\udc41`, "\ufffd": "\ufffd",
	} {
		var out bytes.Buffer
		if n, err := (escaper{&out}).Write([]byte(text)); out.String() != want || n != len(text) || err != nil {
			t.Errorf("%q becomes %q, %d, %v", text, &out, n, err)
		}
	}
}

func FuzzEscaper(f *testing.F) {
	f.Add([]byte(hostile))
	f.Fuzz(func(t *testing.T, b []byte) {
		var out bytes.Buffer
		if n, err := (escaper{&out}).Write(b); n != len(b) || err != nil || acts(out.String()) || strings.ContainsAny(oneLine(string(b)), "\n\t") {
			t.Errorf("%q becomes %q", b, &out)
		}
	})
}
