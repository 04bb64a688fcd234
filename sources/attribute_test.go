// SPDX-License-Identifier: MIT

package sources

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// What has nothing to be read, or no room, now is an error at once: a driver that
// answers EAGAIN, as a FIFO does that somebody holds open.
func TestAttributesDoNotWait(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := WriteAttribute(path, "1"); !errors.Is(err, unix.ENXIO) {
		t.Errorf("written with no reader: %v", err)
	}
	other, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if text, err := ReadAttribute(path, 10); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("read %q, %v", text, err)
	}
	if err := WriteAttribute(path, "45\n"); err != nil {
		t.Error(err)
	}
	if text, err := ReadAttribute(path, 10); text != "45\n" || err != nil {
		t.Errorf("read %q, %v", text, err)
	}
	if err := WriteAttribute(path, strings.Repeat("x", 1<<20)); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("written to a full FIFO: %v", err)
	}
}

func TestAttributes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "attribute")
	if err := WriteAttribute(path, "1"); !errors.Is(err, unix.ENOENT) {
		t.Errorf("one that is not there: %v", err)
	}
	long := strings.Repeat("trigger ", 1000) // longer than a page
	for _, text := range []string{"", "old text\n", "1", long} {
		if err := os.WriteFile(path, []byte("what was before"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := WriteAttribute(path, text); err != nil {
			t.Error(err)
		}
		if got, err := ReadAttribute(path, 1<<16); got != text || err != nil {
			t.Errorf("read %.20q (%d bytes), %v", got, len(got), err)
		}
	}
	if got, _ := ReadAttribute(path, 10); got != "trigger tr" {
		t.Errorf("%q", got)
	}
}
