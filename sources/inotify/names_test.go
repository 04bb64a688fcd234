// SPDX-License-Identifier: MIT

package inotify

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Permissions of nodes in /dev are of no interest to whom they do not stop; those of other
// files, and to everyone else, are.
func TestPermissionsOfNodes(t *testing.T) {
	want := uint32(Names)
	if permitted() {
		want &^= unix.IN_ATTRIB
	}
	for _, test := range []struct {
		dirs []string
		want uint32
	}{
		{[]string{"/dev"}, want},
		{[]string{"/dev", "/dev/input"}, want},
		{[]string{"/dev", "/run"}, Names},
		{[]string{"/device"}, Names},
	} {
		if got := NamesIn(test.dirs...); got != test.want {
			t.Errorf("%q: %#x, want %#x", test.dirs, got, test.want)
		}
	}
}

// Whom permissions stop has none of the rights that let root pass.
func TestPermitted(t *testing.T) {
	status, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), "CapEff:\t")
	var effective uint64
	if _, err := fmt.Sscanf(after, "%x", &effective); err != nil {
		t.Fatal(err)
	}
	labels, _ := filepath.Glob("/sys/fs/s[em]*")
	if got, want := permitted(), effective>>1&1 == 1 && len(labels) == 0; got != want {
		t.Errorf("permitted: %v, want %v: capabilities %#x, %q", got, want, effective, labels)
	}
}
