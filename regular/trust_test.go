// SPDX-License-Identifier: MIT

package regular

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// place makes one entry of a tree: "name/" is a folder, "name -> target" a link.
type place struct {
	name     string
	mode     os.FileMode
	uid, gid int
}

func plant(t *testing.T, places ...place) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test gives files to other users and needs root")
	}
	dir := t.TempDir() // the test framework's folders are ours, the last one is to be nobody's concern
	for _, p := range places {
		name, target, isLink := strings.Cut(p.name, " -> ")
		path := filepath.Join(dir, name)
		var err error
		switch {
		case isLink:
			err = os.Symlink(strings.ReplaceAll(target, "DIR", dir), path)
		case strings.HasSuffix(name, "/"):
			err = os.Mkdir(path, 0o700)
		default:
			err = os.WriteFile(path, nil, 0o600)
		}
		if err == nil {
			err = os.Lchown(path, p.uid, p.gid)
		}
		if err == nil && !isLink {
			err = os.Chmod(path, p.mode)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestTrust(t *testing.T) {
	const pi, eve, users, private = 1000, 1001, 100, 1000
	etc := t.TempDir()
	for name, text := range map[string]string{
		"passwd": "root:x:0:0::/root:/bin/sh\npi:x:1000:1000::/home/pi:/bin/sh\neve:x:1001:100::/:/bin/sh\n",
		"group":  "root:x:0:\nusers:x:100:\npi:x:1000:\nstaff:x:50:eve\n",
	} {
		if err := os.WriteFile(filepath.Join(etc, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	trust := Trust{Users: []int{pi}, Etc: etc}
	sticky := os.ModeSticky | 0o777
	for _, c := range []struct {
		what   string
		places []place
		want   string // within the error; "" for none
	}{
		{"root's", []place{{"f", 0o644, 0, 0}}, ""},
		{"a trusted user's, in a folder of his", []place{{"d/", 0o755, pi, private}, {"d/f", 0o644, pi, private}}, ""},
		{"writable for the user's own group", []place{{"d/", 0o775, pi, private}, {"d/f", 0o664, pi, private}}, ""},
		{"writable for root's group", []place{{"f", 0o664, 0, 0}}, ""},
		{"nothing", []place{{"d/", 0o755, 0, 0}}, ""},
		{"in a sticky folder", []place{{"d/", sticky, 0, 0}, {"d/f", 0o644, pi, 0}}, ""},
		{"behind a link", []place{{"d/", 0o755, 0, 0}, {"d/g", 0o644, 0, 0}, {"f -> d/g", 0, 0, 0}}, ""},
		{"another's", []place{{"f", 0o644, eve, 0}}, "f: user 1001 owns it"},
		{"writable for all", []place{{"f", 0o646, 0, 0}}, "f: everybody may write it"},
		{"writable for a group", []place{{"f", 0o664, 0, users}}, "f: group 100 may write it"},
		{"writable for a group with a member", []place{{"f", 0o664, 0, 50}}, "f: group 50 may write it"},
		{"in a folder of another", []place{{"d/", 0o755, eve, 0}, {"d/f", 0o644, 0, 0}}, "d: user 1001 owns it"},
		{"in a folder for all", []place{{"d/", 0o777, 0, 0}, {"d/f", 0o644, 0, 0}}, "d: everybody may"},
		{"below a folder for all", []place{{"d/", 0o777, 0, 0}, {"d/e/", 0o755, 0, 0}, {"d/e/f", 0o644, 0, 0}}, "d: everybody may"},
		{"planted in a sticky folder", []place{{"d/", sticky, 0, 0}, {"d/f", 0o644, eve, 0}}, "f: user 1001 owns it"},
		{"behind another's link in a sticky folder", []place{{"g", 0o644, 0, 0}, {"d/", sticky, 0, 0}, {"d/f -> ../g", 0, eve, 0}}, "d/f: user 1001 owns it"},
		{"behind a link to another's", []place{{"d/", 0o755, 0, 0}, {"d/g", 0o644, eve, 0}, {"f -> DIR/d/g", 0, 0, 0}}, "d/g: user 1001 owns it"},
		{"behind a link through a folder for all", []place{{"d/", 0o777, 0, 0}, {"d/g", 0o644, 0, 0}, {"f -> d/g", 0, 0, 0}}, "d: everybody may"},
		{"in a circle", []place{{"f -> f", 0, 0, 0}}, "too many levels of symbolic links"},
	} {
		dir := plant(t, c.places...)
		path := filepath.Join(dir, "f")
		if last := c.places[len(c.places)-1].name; strings.HasPrefix(last, "d/") {
			path = filepath.Join(dir, "d/f")
			if strings.HasSuffix(last, "e/f") {
				path = filepath.Join(dir, last)
			}
		}
		err := trust.Check(path)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.what, err, c.want)
		}
	}
}
