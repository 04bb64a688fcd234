// SPDX-License-Identifier: MIT

package action

import (
	"strings"
	"testing"
	"time"

	"reflexd/sources"
)

var sample = &sources.Event{Fields: []sources.Field{
	{Name: "A", Value: sources.Text("one")}, {Name: "N", Value: sources.Int(0)}, {Name: "EMPTY", Value: sources.Text("")},
}}

func TestExpand(t *testing.T) {
	for text, want := range map[string]string{
		"":                               "",
		"plain } text":                   "plain } text",
		"${A}${N}":                       "one0",
		"$${A} costs $5 and $A":          "${A} costs $5 and $A",
		"[${EMPTY}]":                     "[]",
		"[${EMPTY:-none}]":               "[none]",
		"${MISSING:-${A}}":               "one",
		"${MISSING:-${EMPTY:-${A}}-x}":   "one-x",
		"${A:-unused}":                   "one",
		"${MISSING:-a $$ and a } after}": "a $ and a  after}",
		"/media/${LABEL:-${UUID:-usb}}":  "/media/usb",
	} {
		parsed, err := ParseText(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if got := parsed.Expand(sample); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func TestTextComplains(t *testing.T) {
	for text, want := range map[string]string{
		"${A":                           "not closed",
		"${":                            "not closed",
		"${}":                           "upper-case name",
		"${a}":                          "upper-case name",
		"${A-b}":                        "must be followed by } or :-default}",
		"${A:-b":                        "not closed",
		"${A:-${B}":                     "not closed",
		strings.Repeat("${A:-", 99):     "deeper than 16",
		strings.Repeat("${A:-", 99_999): "deeper than 16",
	} {
		if _, err := ParseText(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.30s: %v lacks %q", text, err, want)
		}
	}
}

// FuzzText holds that parsing ends, and that what was parsed can be expanded.
func FuzzText(f *testing.F) {
	for _, s := range []string{"${A}", "$$", "${A:-${B:-c}}", "${A:-", "}${", "$", "\x00${\xff}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		parsed, err := ParseText(s)
		if err != nil {
			return
		}
		got := parsed.Expand(sample)
		if !strings.Contains(s, "$") && got != s {
			t.Errorf("%q became %q", s, got)
		}
	})
}

func TestDangerousNames(t *testing.T) {
	for _, name := range []string{"PATH", "LD_PRELOAD", "LD_LIBRARY_PATH", "IFS", "ENV", "BASH_ENV", "BASH_FUNC_x%%", "PYTHONPATH", "HOME", "", "a b", "1A"} {
		if !dangerous(name) {
			t.Errorf("%q may be set", name)
		}
	}
	for _, name := range []string{"DEVNAME", "VALUE", "HELD_MS", "ID_BUS", "PATHOLOGICAL", "SUBSYSTEM", "LABEL"} {
		if dangerous(name) {
			t.Errorf("%q may not be set", name)
		}
	}
}

func TestInherited(t *testing.T) {
	got := strings.Join(Inherited([]string{"LANG=C", "NOTIFY_SOCKET=/x", "PATH=", "PWD=/x", "OLDPWD=/y", "SHLVL=3", "_=/bin/x"}), " ")
	if want := "LANG=C PATH= PATH=" + DefaultPath; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestSeconds(t *testing.T) {
	if got := seconds(90*time.Second + 5*time.Nanosecond); got != "90.000000005" {
		t.Error(got)
	}
}
