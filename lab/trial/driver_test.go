// SPDX-License-Identifier: MIT

//go:build lab

package trial

import (
	"os"
	"strings"
	"testing"

	"reflexd/lab"
)

// module puts one of our test drivers on the board, not loaded yet, and
// returns its path there. It is unloaded when the test ends.
func (b *board) module(t *testing.T, name string) string {
	t.Helper()
	built, err := lab.Driver(t.Context(), name, "../driver/"+name)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(built.Path)
	if err != nil {
		t.Fatal(err)
	}
	path := "/tmp/" + name + ".ko"
	if err := b.WriteFile(t.Context(), path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.shell(t, "rmmod "+name+" 2>/dev/null || true") })
	return path
}

// load loads one that is there.
func (b *board) load(t *testing.T, name string, params ...string) {
	t.Helper()
	b.shell(t, "insmod /tmp/"+name+".ko "+strings.Join(params, " "))
}

// shell runs a script on the board that must succeed, and returns what it says.
func (b *board) shell(t *testing.T, script string) string {
	t.Helper()
	out, err := b.Shell(cleanupContext(t), script)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
