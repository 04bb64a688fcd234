// SPDX-License-Identifier: MIT

//go:build lab

package trial

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"reflexd/lab"
)

// turns is a folder that runs share, of the same boards or of others: which of
// them comes to a test first takes it. Without such a folder a run takes all.
var turns = os.Getenv("REFLEXD_TURNS")

// taken are the tests that this run has taken.
var taken sync.Map

// What is marked in the folder, by the name of a test and of its board.
const (
	wantedMark = ".wanted"
	takenMark  = ".taken"
)

// takesTurn reports whether this run is to run a test on its board.
func takesTurn(t *testing.T, m lab.Machine) bool {
	t.Helper()
	name := turn(t, m)
	if _, ours := taken.Load(name); ours || turns == "" {
		return true
	}
	first := mark(t, name+takenMark)
	if first {
		taken.Store(name, true)
	}
	return first
}

func turn(t *testing.T, m lab.Machine) string {
	return strings.ReplaceAll(t.Name(), "/", "!") + "@" + m.String()
}

// mark leaves a mark in the folder, and reports whether it is the first.
func mark(t *testing.T, name string) bool {
	t.Helper()
	err := os.Mkdir(filepath.Join(turns, name), 0o755)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		t.Fatal(err)
	}
	return err == nil
}

// After all runs, each test that wants a board was run on it.
func TestNoTestIsLeftOut(t *testing.T) {
	if turns == "" || oneBoard != "" {
		t.Skip("it is for the end of several runs: see `make lab-test`")
	}
	wanted, _ := filepath.Glob(filepath.Join(turns, "*"+wantedMark))
	if len(wanted) == 0 {
		t.Error("no run has left a mark")
	}
	for _, w := range wanted {
		name := strings.TrimSuffix(w, wantedMark)
		if _, err := os.Stat(name + takenMark); err != nil {
			t.Errorf("no run has run %s", filepath.Base(name))
		}
	}
}
