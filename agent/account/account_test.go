// SPDX-License-Identifier: MIT

// Tests of whom a program is to run as.

package account

import (
	"slices"
	"testing"
)

const testPasswd = `root:x:0:0:root:/root:/bin/bash
+nis::::::
broken:x:5
photos:x:1001:1002:Photos,,,:/srv/photos:
1001:x:7:7::/:/bin/false
big:x:4294967295:1:::
`

const testGroup = `root:x:0:
audio:x:29:mpd,photos
photos:x:1002:
plugdev:x:46:photos
bad:x:-1:photos
`

func TestResolve(t *testing.T) {
	a, err := resolve("photos", "", []byte(testPasswd), []byte(testGroup))
	if err != nil || a.Uid != 1001 || a.Gid != 1002 || !slices.Equal(a.Groups, []uint32{1002, 29, 46}) {
		t.Errorf("got %+v, %v", a, err)
	}
	want := []string{"HOME=/srv/photos", "USER=photos", "LOGNAME=photos", "SHELL=/bin/sh"}
	if !slices.Equal(a.Env, want) {
		t.Errorf("environment %q", a.Env)
	}
	a, err = resolve("photos", "audio", []byte(testPasswd), []byte(testGroup))
	if err != nil || a.Gid != 29 || !slices.Equal(a.Groups, []uint32{29, 46}) {
		t.Errorf("with a group: %+v, %v", a, err)
	}
	// A name of digits comes before a number.
	if a, err := resolve("1001", "", []byte(testPasswd), nil); err != nil || a.Uid != 7 {
		t.Errorf("by number: %+v, %v", a, err)
	}
	if a, err := resolve("0", "4711", []byte(testPasswd), nil); err != nil || a.Uid != 0 || a.Gid != 4711 {
		t.Errorf("by number: %+v, %v", a, err)
	}
}

func TestResolveUnknown(t *testing.T) {
	for _, test := range []struct{ user, group, want string }{
		{"broken", "", "user broken: unknown"},
		{"big", "", "user big: unknown"},
		{"+nis", "", "user +nis: unknown"},
		{"root", "bad", "group bad: unknown"},
		{"", "4294967295", "group 4294967295: unknown"},
	} {
		_, err := resolve(test.user, test.group, []byte(testPasswd), []byte(testGroup))
		if err == nil || err.Error() != test.want {
			t.Errorf("%s:%s: got %v", test.user, test.group, err)
		}
	}
}

func FuzzResolve(f *testing.F) {
	f.Add("photos", "audio", []byte(testPasswd), []byte(testGroup))
	f.Add("1001", "0", []byte(":::::::"), []byte(":::\n::0:"))
	f.Fuzz(func(t *testing.T, user, group string, passwd, groups []byte) {
		if a, err := resolve(user, group, passwd, groups); err == nil && a.SetUser && !slices.Contains(a.Groups, a.Gid) {
			t.Errorf("%+v: not in its own group", a)
		}
	})
}
