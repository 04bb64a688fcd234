// SPDX-License-Identifier: MIT

// The files of saved states.

package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestDamagedStateIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	for name, damage := range map[string]func(state []byte) []byte{
		"cut off": func(state []byte) []byte { return state[:len(state)-1] },
		"changed": func(state []byte) []byte { state[100]++; return state },
		"empty":   func([]byte) []byte { return nil },
	} {
		if err := os.WriteFile(path, make([]byte, 1000), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := seal(path); err != nil {
			t.Fatal(err)
		}
		f, err := openState(path)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		state, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, damage(state), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := openState(path); err == nil {
			t.Errorf("a state that is %s was taken", name)
		}
	}
}

func TestStatesArePruned(t *testing.T) {
	dir := t.TempDir()
	used := time.Now()
	for i := range statesKept + 2 {
		path := filepath.Join(dir, fmt.Sprintf("%016x", i))
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		used = used.Add(-time.Hour)
		if err := os.Chtimes(path, used, used); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"0.new", "lock"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	pruneStates(dir)
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	if len(left) != statesKept+1 || filepath.Base(left[statesKept]) != "lock" || filepath.Base(left[0]) != fmt.Sprintf("%016x", 0) {
		t.Errorf("left: %q", left)
	}
}
