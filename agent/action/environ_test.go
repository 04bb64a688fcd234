// SPDX-License-Identifier: MIT

package action

import (
	"strings"
	"testing"
	"time"
)

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
