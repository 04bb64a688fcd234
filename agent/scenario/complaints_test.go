// SPDX-License-Identifier: MIT

package scenario

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"reflexd/config"
)

var update = flag.Bool("update", false, "write what is complained of into testdata/complaints.txtar")

// Mistakes in files of tests are complained of as those of configurations are.
func TestComplaints(t *testing.T) {
	path, err := filepath.Abs("testdata/complaints.txtar")
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
		ps := &config.Problems{}
		if _, err := Load(f.Name, []string{"c.yaml"}, ps); err != nil {
			t.Fatal(err)
		}
		if !ps.Failed() {
			got.WriteString(f.Name + ": none")
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
		t.Errorf("-want +got (`go test ./agent/scenario -run TestComplaints -update` writes them):\n%s", diff)
	}
}
