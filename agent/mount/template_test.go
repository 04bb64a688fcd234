// SPDX-License-Identifier: MIT

package mount

import (
	"strings"
	"testing"
	"unicode/utf8"

	"reflexd/agent/expand"
	"reflexd/blkid"
	"reflexd/sources"
)

func TestCleanName(t *testing.T) {
	for label, want := range map[string]string{
		"PHOTOS":                  "PHOTOS",
		"My Photos":               "My Photos",
		"  padded  ":              "padded",
		"../../etc":               "_._.._etc",
		"..":                      "_.",
		".":                       "_",
		".hidden":                 "_hidden",
		"-rf":                     "_rf",
		"~root":                   "_root",
		"a/b\\c":                  "a_b_c",
		"a\x00b\nc\x1b[31m":       "a_b_c_[31m",
		"\u202egpj.exe":           "gpj.exe",
		"in\u200bvisible\ufeff":   "invisible",
		"Ünïcode 写真":              "Ünïcode 写真",
		"bad\xff\xfeutf8":         "bad_utf8",
		"\u200f":                  "",
		"":                        "",
		"\t\n":                    "",
		"no\u00a0break\u2028line": "no_break_line",
	} {
		if got := cleanName(label); got != want {
			t.Errorf("cleanName(%q) = %q, want %q", label, got, want)
		}
	}
	long := cleanName(strings.Repeat("é", 300))
	if len(long) > longestName || len(long) < longestName-1 || !utf8.ValidString(long) {
		t.Errorf("%d bytes, %q", len(long), long)
	}
}

func FuzzCleanName(f *testing.F) {
	for _, s := range []string{"", "..", "/", "-", "\xff", "\u202e", strings.Repeat("é", 200), "a b", "\u200b.", "\u200b-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name := cleanName(s)
		switch {
		case len(name) > longestName, !utf8.ValidString(name), strings.ContainsAny(name, "/\x00\n\\"):
			t.Errorf("%q became %q", s, name)
		case name != "" && strings.ContainsAny(name[:1], ".-~ "):
			t.Errorf("%q became %q", s, name)
		case cleanName(name) != name:
			t.Errorf("%q became %q and then %q", s, name, cleanName(name))
		}
	})
}

func TestExpand(t *testing.T) {
	for _, c := range []struct{ template, label, uuid, want string }{
		{"/media/${LABEL:-${UUID}}", "PHOTOS", "12", "/media PHOTOS"},
		{"/media/${LABEL:-${UUID}}", "", "1234-ABCD", "/media 1234-ABCD"},
		{"/media/${LABEL:-${UUID}}", "", "", "/media sdx1"},
		{"/media/${LABEL:-${UUID}}", "../../etc", "", "/media _._.._etc"},
		{"/media/${LABEL}/${UUID}", "", "12", "/media 12"},
		{"/media/usb-${LABEL}", "", "12", "/media usb-"},
		{"/media/${LABEL}/data", "A", "12", "/media A/data"},
		{"/srv/stick", "A", "12", "/srv stick"},
		{"/srv/stick/", "A", "12", "/srv stick"},
		{"/media/${DEVNAME}", "A", "12", "/media sdx1"},
		{"/media/.${LABEL}", "", "12", "/media _"},
	} {
		text, err := expand.Parse(c.template)
		if err != nil {
			t.Fatal(err)
		}
		fields := []sources.Field{
			{Name: "DEVNAME", Value: sources.Text("/dev/sdx1")},
			{Name: "LABEL", Value: sources.Text(c.label)}, {Name: "UUID", Value: sources.Text(c.uuid)}}
		root, below := place(text, fields, "sdx1")
		if got := root + " " + below; got != c.want {
			t.Errorf("%s with %q and %q: %q, want %q", c.template, c.label, c.uuid, got, c.want)
		}
	}
}

// What a variable holds is a name in a mount point, as what a device says is.
func TestValuesInMountPoints(t *testing.T) {
	text, err := expand.Parse("/media/${var.owner}/${LABEL}")
	if err != nil {
		t.Fatal(err)
	}
	for value, want := range map[string]string{"anna": "/media anna/A", "../../etc": "/media _._.._etc/A", ".": "/media _/A", "": "/media A"} {
		text.Bind(func(string, string, bool) expand.Reader {
			return func() (sources.Value, bool) { return sources.Text(value), true }
		})
		root, below := place(text, []sources.Field{{Name: "LABEL", Value: sources.Text("A")}}, "sdx1")
		if got := root + " " + below; got != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
}

// The label of a FAT is what file names on it will be; others stay as they are.
func TestLabelOfAnOEMCodePage(t *testing.T) {
	for typ, want := range map[string]string{"vfat": "MÜSIK", "iso9660": "M\x9aSIK"} {
		f := &facts{content: blkid.Content{Type: typ, Label: "M\x9aSIK"}}
		f.describeContent()
		for _, field := range f.fields {
			if field.Name == "LABEL" && field.Value.String() != want {
				t.Errorf("%s: %q, want %q", typ, field.Value.String(), want)
			}
		}
		if len(f.fields) == 0 {
			t.Error("no fields")
		}
	}
}
