// SPDX-License-Identifier: MIT

package fstype

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestNamesAreInOrder(t *testing.T) {
	if !slices.IsSorted(Names()) {
		t.Error(Names())
	}
	if Find("vfat") == nil || Find("msdos") != nil {
		t.Error("Find")
	}
}

func TestOptions(t *testing.T) {
	o := Safe()
	o.Add("utf8", "flush", "umask=022", "noatime", "exec", "umask=077", "sync")
	if want := "utf8,flush,umask=077"; strings.Join(o.Data, ",") != want {
		t.Errorf("data %q, want %s", o.Data, want)
	}
	if want := uintptr(unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOATIME | unix.MS_SYNCHRONOUS); o.Flags != want {
		t.Errorf("flags %#x, want %#x", o.Flags, want)
	}
}

func TestCheck(t *testing.T) {
	for option, want := range map[string]string{
		"umask=022": "", "ro": "read_only: true", "rw": "read_only: false", "a,b": "a list", "": "empty",
		"flush": "exfat has no option flush", "nofail": "is not supported here",
	} {
		err := Check(Find("exfat"), option)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", option, err, want)
		}
	}
	if err := Check(Find("vfat"), "flush"); err != nil {
		t.Error(err)
	}
}
