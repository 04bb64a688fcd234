// SPDX-License-Identifier: MIT

package agent

import (
	"path/filepath"
	"slices"
	"testing"

	"reflexd/client"
)

// The head of a recording says since when everything has been as it is.
func TestSnapshotSaysSinceWhen(t *testing.T) {
	r := start(t, `
vars: {mode: {values: [day, night]}, other: {initial: 1}}
rules: [{name: x, when: {var: mode, is: night}, do: {log: it is night}}, {when: {key: KEY_A, is: pressed}, do: {log: a}}]`)
	c, err := client.Dial(filepath.Join(r.dir, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	since := func(kind, name string) client.Lasted {
		t.Helper()
		s, err := c.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(s.States, func(l client.Lasted) bool { return l.Kind == kind && l.Name == name })
		if i < 0 {
			t.Fatalf("no %s %s in %+v", kind, name, s.States)
		}
		if s.Started <= 0 || s.Started > s.Time || s.States[i].Since > s.Time {
			t.Errorf("%+v", s)
		}
		return s.States[i]
	}
	begin := since("var", "mode")
	if _, err := c.Set("mode", "night"); err != nil {
		t.Fatal(err)
	}
	r.expect("it is night")
	night := since("var", "mode")
	if night.State == begin.State || night.Since <= begin.Since {
		t.Errorf("%+v, then %+v", begin, night)
	}
	if again := since("var", "mode"); again.Since != night.Since || again.State != night.State {
		t.Errorf("%+v, then %+v", night, again)
	}
	since("agent", "")
}
