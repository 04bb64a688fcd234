// SPDX-License-Identifier: MIT

// Templates of mount points, and names that come from devices.

package mount

import (
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"reflexd/agent/expand"
	"reflexd/config"
	"reflexd/sources"
)

// template is a mount point with fields.
type template struct{ text expand.Text }

func (t *template) value() config.Value {
	text := expand.Value(&t.text)
	return config.Wrap(text, func(n config.Node, ps *config.Problems) {
		text.Read(n, ps)
		t.check(n, ps)
	})
}

func (t *template) check(n config.Node, ps *config.Problems) {
	for _, name := range t.text.Fields() {
		if !slices.Contains(deviceFields, name) {
			ps.Errorf(n.Pos, "a device has no field %s%s", name, config.Suggest(name, deviceFields))
		}
	}
	t.text.Bind(func(space, name string, _ bool) expand.Reader {
		ps.Errorf(n.Pos, "${%s.%s}: the mount point of a policy takes fields of the device only; a `mount` action takes other values", space, name)
		return nil
	})
	root, rest := split(t.text)
	switch {
	case !strings.HasPrefix(t.text.Prefix(), "/"):
		ps.Errorf(n.Pos, "a mount point must be an absolute path whose first folder is fixed: /media/…")
	case slices.Contains(strings.Split(t.text.Prefix(), "/"), ".."):
		ps.Errorf(n.Pos, "a mount point cannot have .. in it")
	case root == "" || root == "/" && (rest == "" || t.text.HasFields()):
		ps.Errorf(n.Pos, "a mount point must be below a fixed folder, such as /media/${LABEL:-${UUID}}")
	}
}

// split returns the folder that t names without its fields, and what of the
// literal text follows it.
func split(t expand.Text) (root, rest string) {
	prefix := t.Prefix()
	if !t.HasFields() {
		prefix = strings.TrimRight(prefix, "/")
	}
	i := strings.LastIndexByte(prefix, '/')
	if i < 0 {
		return "", prefix
	}
	return path.Clean("/" + prefix[:i]), prefix[i+1:]
}

// place returns where a device with these fields is to be mounted: a fixed
// folder, and a path below it. Without any name the path is fallback.
func place(t expand.Text, fields []sources.Field, fallback string) (root, below string) {
	e := &sources.Event{Fields: slices.Clone(fields)}
	for i, f := range e.Fields {
		value := f.Value.String()
		if f.Name == "DEVNAME" {
			value = path.Base(value)
		}
		e.Fields[i].Value = sources.Text(cleanName(value))
	}
	root, _ = split(t)
	full := t.ExpandWith(e, cleanName)
	var parts []string
	for part := range strings.SplitSeq(strings.TrimPrefix(full, strings.TrimSuffix(root, "/")), "/") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, shorten(harmless(part)))
		}
	}
	if parts == nil {
		parts = []string{cleanName(fallback)}
	}
	return root, strings.Join(parts, "/")
}

// harmless returns a name that is no folder of its own accord.
func harmless(name string) string {
	if name == "." || name == ".." {
		return strings.Repeat("_", len(name))
	}
	return name
}

// cleanName makes the name of a folder of what a device calls itself: one that
// is in sight, goes nowhere else, is no option of a program that it is handed
// to, and looks on a screen like what it is. It may be empty.
func cleanName(s string) string {
	var b strings.Builder
	for _, r := range strings.TrimSpace(strings.ToValidUTF8(s, "_")) {
		switch {
		case unsightly(r):
		case r == '/' || r == '\\' || !unicode.IsPrint(r):
			b.WriteByte('_')
		default:
			b.WriteRune(r)
		}
	}
	name := strings.TrimSpace(b.String())
	if name != "" && (name[0] == '.' || name[0] == '-' || name[0] == '~') {
		name = "_" + name[1:]
	}
	return shorten(name)
}

// unsightly reports whether r is one of the marks that turn the direction of
// writing, or has no width: they make a name look like another one.
func unsightly(r rune) bool {
	return r >= 0x200b && r <= 0x200f || r >= 0x202a && r <= 0x202e || r >= 0x2060 && r <= 0x206f || r == 0x61c || r == 0xfeff || r == 0xad
}

// longestName is what a filesystem takes as a name (NAME_MAX), less the
// suffix of one that is taken.
const longestName = 255 - len("-999")

// shorten cuts s at the end of a character.
func shorten(s string) string {
	if len(s) <= longestName {
		return s
	}
	end := longestName
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return strings.TrimSpace(s[:end])
}

// suffixed returns the nth name to try, n from 1, for one that is taken.
func suffixed(name string, n int) string {
	if n == 1 {
		return name
	}
	return name + "-" + strconv.Itoa(n)
}
