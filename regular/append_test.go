// SPDX-License-Identifier: MIT

package regular

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func TestAppend(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	before := unix.Umask(0o027)
	defer unix.Umask(before)
	for _, text := range []string{"one\n", "", "two", "\n"} {
		if err := Append(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o640 || content(t, path) != "one\ntwo\n" {
		t.Errorf("%v, %v: %q", info, err, content(t, path))
	}
	if err := Append(filepath.Join(path, "x"), "x", 0o640); !errors.Is(err, unix.ENOTDIR) {
		t.Error(err)
	}
	if err := Append(path+"s/log", "x", 0o640); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// Neither links that somebody planted are followed, nor is a driver opened.
func TestAppendTakesRegularFilesAlone(t *testing.T) {
	dir := t.TempDir()
	victim := filepath.Join(dir, "victim")
	if err := os.WriteFile(victim, []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"link": victim, "dangling": filepath.Join(dir, "new")} {
		path := filepath.Join(dir, name)
		if err := os.Symlink(target, path); err != nil {
			t.Fatal(err)
		}
		want := "append to " + path + ": expected a regular file, found a symbolic link"
		if err := Append(path, "x", 0o640); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	pipe := filepath.Join(dir, "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, dir, "/dev/null"} {
		if err := Append(path, "x", 0o640); !errors.Is(err, ErrIrregular) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if content(t, victim) != "precious" {
		t.Error("a link was followed")
	}
	if _, err := os.Lstat(filepath.Join(dir, "new")); err == nil {
		t.Error("a file was made where a link leads")
	}
}

// Lines that come at the same time stay whole, the first ones too.
func TestAppendAtTheSameTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	line := strings.Repeat("x", 99) + "\n"
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				if err := Append(path, line, 0o640); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if text, err := Read(path, 1<<20); err != nil || string(text) != strings.Repeat(line, 400) {
		t.Errorf("%d bytes, %v", len(text), err)
	}
}
