// SPDX-License-Identifier: MIT

// Package complaints compares, for tests, what is said of the mistakes that people make with what a file has.
package complaints

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// Check compares what complain says of each file of an archive, by its name in the working directory, with the
// last file of the archive. If update is set, it writes that file instead.
func Check(t *testing.T, path string, update bool, complain func(t *testing.T, name string) string) {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir()) // so that the complaints name the files shortly
	last := len(archive.Files) - 1
	var got strings.Builder
	for _, f := range archive.Files[:last] {
		if err := os.WriteFile(f.Name, f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
		got.WriteString(complain(t, f.Name) + "\n")
	}
	if update {
		archive.Files[last].Data = []byte(got.String())
		if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(archive.Files[last].Data), got.String()); diff != "" {
		t.Errorf("%s: -want +got (`go test -run TestComplaints -update` in this package writes them):\n%s", path, diff)
	}
}
