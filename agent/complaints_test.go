// SPDX-License-Identifier: MIT

package agent

import (
	"flag"
	"path/filepath"
	"testing"

	"reflexd/config/complaints"
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
		t.Run(filepath.Base(path), func(t *testing.T) { complaints.Check(t, path, *update, complaintsOf) })
	}
}

func complaintsOf(t *testing.T, file string) string {
	_, ps, err := Load([]string{file})
	if err != nil {
		t.Fatal(err)
	}
	return ps.Error()
}
