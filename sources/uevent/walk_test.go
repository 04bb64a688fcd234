// SPDX-License-Identifier: MIT

package uevent

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The links lead to each device of this machine's tree, and to no other: a
// device is a folder with a file uevent and a link subsystem.
func TestWalkFindsTheWholeTree(t *testing.T) {
	w := walk{sys: "/sys", dev: "/dev", scope: scope{all: true}}
	w.run()
	if w.err != nil {
		t.Fatal(w.err)
	}
	var got, want []string
	for _, d := range w.found {
		got = append(got, d.path+" "+d.subsystem)
	}
	_ = filepath.WalkDir("/sys/devices", func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Name() == "uevent" && e.Type().IsRegular() {
			dir := filepath.Dir(path)
			if link, err := os.Readlink(filepath.Join(dir, "subsystem")); err == nil {
				want = append(want, strings.TrimPrefix(dir, "/sys")+" "+filepath.Base(link))
			}
		}
		return nil
	})
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" || len(got) == 0 {
		t.Errorf("%d devices (-tree +links):\n%s", len(got), diff)
	}
}

// A scope reads only its own subsystems. A link in a class to a device of
// another subsystem, as the class i2c-adapter has them, is not that class's device.
func TestWalkReadsItsScope(t *testing.T) {
	sys := fakeSys(t, "/devices/a", "/devices/b")
	plugUSB(t, sys, "/devices/usb1/c", "A1")
	link(t, sys, "class/compat", "/devices/a")
	for names, want := range map[string][]string{
		"fake":          {"/devices/a", "/devices/b", "/devices/usb1/c"},
		"usb":           {"/devices/usb1"},
		"usb fake":      {"/devices/a", "/devices/b", "/devices/usb1", "/devices/usb1/c"},
		"compat absent": nil,
	} {
		w := walk{sys: sys, dev: "/dev", scope: scope{names: map[string]bool{}}}
		for _, name := range strings.Fields(names) {
			w.scope.names[name] = true
		}
		w.run()
		slices.SortFunc(w.found, byPath)
		if diff := cmp.Diff(want, paths(w.found)); diff != "" || w.err != nil {
			t.Errorf("%s: %v\n%s", names, w.err, diff)
		}
	}
}

func TestWalkWithoutSysfs(t *testing.T) {
	for _, sc := range []scope{{all: true}, {names: map[string]bool{"usb": true}}} {
		w := walk{sys: t.TempDir(), scope: sc}
		w.run()
		if w.err == nil || !strings.HasPrefix(w.err.Error(), "list devices: ") {
			t.Errorf("error %v", w.err)
		}
	}
}

func BenchmarkWalk(b *testing.B) {
	b.ReportAllocs()
	for range b.N {
		w := walk{sys: "/sys", dev: "/dev", scope: scope{all: true}}
		w.run()
	}
}
