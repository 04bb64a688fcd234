// SPDX-License-Identifier: MIT

package image

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"reflexd/lab/cpio"
)

// A program of the host's comes with its libraries, its interpreter, and what
// the links among them point to.
func TestPickedProgramHasAllItNeeds(t *testing.T) {
	folders, err := filepath.Glob("/lib/*-linux-gnu")
	if err != nil || len(folders) == 0 {
		t.Fatalf("no libraries where Debian has them: %v", err)
	}
	for i := range folders {
		folders[i] = strings.TrimPrefix(folders[i], "/")
	}
	var archive bytes.Buffer
	p := picker{root: "/", libraries: folders, w: cpio.NewWriter(&archive), picked: map[string]bool{}}
	if err := p.pick("bin/true"); err != nil {
		t.Fatal(err)
	}
	needed, err := neededBy("/bin/true")
	if err != nil || len(needed) < 2 {
		t.Fatalf("it needs %q, %v", needed, err)
	}
	for _, name := range needed {
		there := func(folder string) bool { return p.picked[filepath.Join(folder, name)] }
		if !there("") && !slices.ContainsFunc(folders, there) && !p.picked[strings.TrimPrefix(name, "/")] {
			t.Errorf("%s was left out of %v", name, p.picked)
		}
	}
	p = picker{root: "/", w: cpio.NewWriter(&archive), picked: map[string]bool{}}
	if err := p.pick("bin/true"); err == nil || !strings.Contains(err.Error(), "bin/true: needs libc.so.6, which none of the packages has") {
		t.Errorf("without libraries: %v", err)
	}
}
