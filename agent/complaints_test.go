// SPDX-License-Identifier: MIT

package agent

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write what is complained of into testdata/complaints")

// Each file of testdata/complaints holds configurations with the mistakes that
// people make, and last, as `want`, what is said of them. Who changes a
// complaint reads it there as a newcomer would: it says what was wanted, what
// was found, and what to do.
func TestComplaints(t *testing.T) {
	archives, err := filepath.Glob("testdata/complaints/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatal("no complaints", err)
	}
	for _, path := range archives {
		t.Run(filepath.Base(path), func(t *testing.T) { checkComplaints(t, path) })
	}
}

func checkComplaints(t *testing.T, path string) {
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
		_, ps, err := Load([]string{f.Name})
		if err != nil {
			t.Fatal(err)
		}
		got.WriteString(ps.Error() + "\n")
	}
	if *update {
		archive.Files[last].Data = []byte(got.String())
		if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(archive.Files[last].Data), got.String()); diff != "" {
		t.Errorf("-want +got (`go test ./agent -run TestComplaints -update` writes them):\n%s", diff)
	}
}
