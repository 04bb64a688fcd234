// SPDX-License-Identifier: MIT

package sources

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEntries(t *testing.T) {
	dir := t.TempDir()
	var want []string
	for i := range 300 { // several calls' worth
		for _, prefix := range []string{"gpiochip", "gpiochi", "tty"} {
			name := fmt.Sprint(prefix, i)
			if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if prefix == "gpiochip" {
				want = append(want, name)
			}
		}
	}
	got, err := Entries(dir, "gpiochip")
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
	if all, err := Entries(dir, ""); err != nil || len(all) != 3*len(want) || slices.Contains(all, ".") || slices.Contains(all, "..") {
		t.Error(len(all), err)
	}
	if _, err := Entries(filepath.Join(dir, "none"), "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if _, err := Entries(filepath.Join(dir, "tty1"), "x"); err == nil {
		t.Error("a file has no names in it")
	}
}
