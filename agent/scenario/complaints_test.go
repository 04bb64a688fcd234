// SPDX-License-Identifier: MIT

package scenario

import (
	"flag"
	"testing"

	"reflexd/config"
	"reflexd/config/complaints"
)

var update = flag.Bool("update", false, "write what is complained of into testdata/complaints.txtar")

// Mistakes in files of tests are complained of as those of configurations are.
func TestComplaints(t *testing.T) {
	complaints.Check(t, "testdata/complaints.txtar", *update, func(t *testing.T, file string) string {
		ps := &config.Problems{}
		if _, err := Load(file, []string{"c.yaml"}, ps); err != nil {
			t.Fatal(err)
		}
		if !ps.Failed() {
			return file + ": none" + ps.Error()
		}
		return ps.Error()
	})
}
