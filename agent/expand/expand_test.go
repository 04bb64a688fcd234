// SPDX-License-Identifier: MIT

package expand

import (
	"strings"
	"testing"

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
		"${MISSING:-${var.n:-${A}}}":     "one", // what is not bound is not known
	} {
		parsed, err := Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if got := parsed.Expand(sample); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// Names of values are what people call their things.
func TestReferences(t *testing.T) {
	for text, want := range map[string]string{
		"${var.n}${A}":               "<var n>one",
		"${line.pin 11:-off}":        "<line pin 11>",
		"${var.unknown:-a ${var.n}}": "a <var n>",
		"[${var.unknown}]":           "[]",
		"${var.a.b-c:d ü}":           "<var a.b-c:d ü>",
		"$${var.n} $var.n":           "${var.n} $var.n",
	} {
		parsed, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		parsed.Bind(func(space, name string, _ bool) Reader {
			return func() (sources.Value, bool) { return sources.Text("<" + space + " " + name + ">"), name != "unknown" }
		})
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
		"${var}":                        "upper-case name",
		"${var.}":                       "${var. must be followed by a name",
		"${var.:-x}":                    "must be followed by a name",
		"${var.a":                       "${var.a is not closed",
		"${var.a:-b":                    "${var.a:-b is not closed",
		"${var.a:-${B}":                 "${var.a:-… is not closed",
		"${Var.a}":                      "${V must be followed",
		"${A:-b":                        "not closed",
		"${A:-${B}":                     "not closed",
		strings.Repeat("${A:-", 99):     "deeper than 16",
		strings.Repeat("${A:-", 99_999): "deeper than 16",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.30s: %v lacks %q", text, err, want)
		}
	}
}

// FuzzText holds that parsing ends, and that what was parsed can be expanded.
func FuzzText(f *testing.F) {
	for _, s := range []string{"${A}", "$$", "${A:-${B:-c}}", "${A:-", "}${", "$", "${var.a:-${line.b c}}", "${var.:-}", "\x00${\xff}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		parsed, err := Parse(s)
		if err != nil {
			return
		}
		got := parsed.Expand(sample)
		if !strings.Contains(s, "$") && got != s {
			t.Errorf("%q became %q", s, got)
		}
	})
}
