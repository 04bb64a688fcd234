// SPDX-License-Identifier: MIT

package regular

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestReadTakesRegularFilesAlone(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(pipe, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, link, "/dev/zero", "/dev/tty", dir, "/proc/kmsg", "/proc/self/status", "/sys/kernel/uevent_seqnum"} {
		text, err := Read(path, 100)
		if !errors.Is(err, ErrIrregular) && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENXIO) {
			t.Errorf("%s: %q, %v", path, text, err)
		}
	}
	for _, path := range []string{pipe, link, dir, "/dev/zero"} {
		if f, err := Open(path); !errors.Is(err, ErrIrregular) {
			f.Close()
			t.Errorf("%s: opened, %v", path, err)
		}
	}
	if _, err := Read(filepath.Join(dir, "nothing"), 100); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestReadIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(strings.Repeat("x", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	link := path + ".link"
	if err := os.Symlink("file", link); err != nil {
		t.Fatal(err)
	}
	if text, err := Read(link, 100); len(text) != 100 || err != nil {
		t.Error(len(text), err)
	}
	if _, err := Read(path, 99); err == nil || err.Error() != "read "+path+": the file is larger than 99 bytes" {
		t.Error(err)
	}
	f, err := Open(link)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
}
