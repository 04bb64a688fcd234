// SPDX-License-Identifier: MIT

package regular

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func content(t *testing.T, path string) string {
	t.Helper()
	text, err := Read(path, 100)
	if err != nil {
		t.Error(err)
	}
	return string(text)
}

// The power fails after each of the steps, and in the middle of the writing:
// what is found then is the old file or the new one.
func TestPowerFailsAtEachStep(t *testing.T) {
	done := len((&replacement{}).steps())
	var seen []string
	for n := range done + 1 {
		path := filepath.Join(t.TempDir(), "state")
		if err := Replace(path, "day", 0o600); err != nil {
			t.Fatal(err)
		}
		r := replacement{path: path, text: "night", perm: 0o600}
		for i, step := range r.steps() {
			if i == n {
				break
			}
			if err := step(); err != nil {
				t.Fatalf("step %d: %v", i, err)
			}
		}
		if info, err := os.Stat(r.temporary()); err == nil && info.Size() > 0 {
			if err := os.Truncate(r.temporary(), info.Size()/2); err != nil {
				t.Fatal(err)
			}
		}
		seen = append(seen, content(t, path))
		// The next try, after the restart, is not hindered by what is left.
		if err := Replace(path, "dusk", 0o600); err != nil || content(t, path) != "dusk" {
			t.Errorf("after %d steps: %v", n, err)
		}
		if _, err := os.Stat(r.temporary()); err == nil {
			t.Errorf("after %d steps the temporary file is left", n)
		}
	}
	if got := strings.Join(seen, " "); got != "day day day day day day night night" {
		t.Errorf("found after each step: %s", got)
	}
}

func TestLinksAreReplacedAndNotFollowed(t *testing.T) {
	for _, planted := range []string{"state", "state.new"} {
		dir := t.TempDir()
		path, victim := filepath.Join(dir, "state"), filepath.Join(dir, "victim")
		if err := os.WriteFile(victim, []byte("precious"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(victim, filepath.Join(dir, planted)); err != nil {
			t.Fatal(err)
		}
		if err := Replace(path, "new", 0o640); err != nil {
			t.Fatal(err)
		}
		if got := content(t, victim); got != "precious" {
			t.Errorf("%s: the link was followed: %q", planted, got)
		}
		info, err := os.Lstat(path)
		if err != nil || info.Mode() != 0o640 || content(t, path) != "new" {
			t.Errorf("%s: %v %v", planted, info, err)
		}
	}
}

func TestPermissionsDoNotDependOnTheUmask(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pid")
	before := unix.Umask(0o077)
	err := Replace(path, "1\n", 0o644)
	unix.Umask(before)
	if info, _ := os.Stat(path); err != nil || info.Mode() != 0o644 {
		t.Error(info.Mode(), err)
	}
}

// On a full disk the old file stays, and the room that the new one took is
// given back.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("full", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatal("this test mounts a small disk and needs root: ", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, 0) })
	path := filepath.Join(dir, "state")
	if err := Replace(path, "old", 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Replace(path, strings.Repeat("x", 1<<20), 0o600); !errors.Is(err, unix.ENOSPC) {
		t.Error(err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 || content(t, path) != "old" {
		t.Error("left:", left)
	}
}
