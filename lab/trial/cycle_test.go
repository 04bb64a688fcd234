// SPDX-License-Identifier: MIT

//go:build lab

package trial

import (
	"strings"
	"testing"

	"reflexd/lab"
)

// A chip that goes and comes again and again while its edges are watched.
func TestChipGoesAgainAndAgain(t *testing.T) {
	b := on(t, lab.Virt)
	chip, err := b.Chip(t.Context(), lab.ChipSpec{Name: "loose", Label: "loose", Lines: []string{"LOOSE0"}})
	if err != nil {
		t.Fatal(err)
	}
	defer chip.Close(t.Context())
	a := b.start(t, "lines: {door: {input: LOOSE0}}\nrules: [{when: {line: door, is: rising}, do: {log: open}}]")
	for range 15 {
		if err := chip.Pull(t.Context(), 0, true); err != nil {
			t.Fatal(err)
		}
		a.expect("msg=open")
		if err := chip.Remove(t.Context()); err != nil {
			t.Fatal(err)
		}
		a.expect("disappeared")
		if err := chip.Restore(t.Context()); err != nil {
			t.Fatal(err)
		}
		a.expect("line is open")
	}
	if log := b.Console(); strings.Contains(log, "Oops") || strings.Contains(log, "WARNING") {
		t.Errorf("the kernel complains:\n%s", log)
	}
}
