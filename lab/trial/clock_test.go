// SPDX-License-Identifier: MIT

//go:build lab

package trial

import (
	"context"
	"slices"
	"testing"

	"reflexd/lab"
)

const clockRules = `
location: {latitude: 52.52, longitude: 13.405}
rules:
  - {name: seven, when: {time: "07:00"}, if: {time: 06:59-07:01}, do: {log: "seven at ${REFLEXD_WALL}"}}
  - {name: eight, when: {time: "08:00", days: [fri]}, do: {log: "eight at ${REFLEXD_WALL}"}}
  - {name: nine, when: {time: "09:00"}, do: {log: "nine at ${REFLEXD_WALL}"}}
  - {name: dusk, when: {sun: set, offset: -30m}, if: {sun: up}, do: {log: "dusk at ${REFLEXD_WALL}"}}
`

// The board's clock is set late, forward and back across the times at which
// rules fire, and its time zone is changed while they wait.
func TestClockOfTheBoard(t *testing.T) {
	b := on(t, lab.Virt)
	shell := func(script string) {
		t.Helper()
		if _, err := b.Shell(t.Context(), script); err != nil {
			t.Fatal(err)
		}
	}
	now, err := b.Output(t.Context(), "date", "+%s")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Shell(context.Background(), "rm -f /etc/localtime; date -s @"+now) })
	for _, program := range []string{"/usr/bin/reflexd", "/usr/bin/reflexd6"} {
		shell("date -u -s '1970-01-01 06:59:55'")
		a := b.startProgram(t, program, clockRules)
		a.expect("the clock is not set")
		shell("date -u -s '2026-05-01 06:59:58'")
		a.expect(`msg="seven at 2026-05-01T07:00:00Z"`)
		shell("date -u -s '2026-05-01 06:59:58'") // seven again, but it was there
		shell("date -u -s '2026-05-01 07:59:58'")
		a.expect(`msg="eight at 2026-05-01T08:00:00Z"`)
		shell("date -u -s '2026-05-01 09:30:00'") // past nine
		a.expect(`msg="missed.* event="time 09:00"`)
		shell("date -u -s '2026-04-30 06:59:58'") // the alarm is at dusk of the next day
		a.expect(`msg="seven at 2026-04-30T07:00:00Z"`)
		shell("date -u -s '2026-05-01 18:02:51'")
		a.expect(`msg="dusk at 2026-05-01T18:02:5`)

		if err := b.WriteFile(t.Context(), "/etc/xst", zoneFile("XST-5:45"), 0o644); err != nil {
			t.Fatal(err)
		}
		shell("ln -sf xst /etc/localtime")
		a.expect(`msg="time zone changed"`)
		shell("date -u -s '2026-05-02 01:14:58'")
		a.expect(`msg="seven at 2026-05-02T07:00:00\+05:45"`)
		shell("rm /etc/localtime")
		a.expect(`msg="time zone changed".* zone=UTC`)
		shell("date -u -s '2026-05-08 07:59:58'")
		a.expect(`msg="eight at 2026-05-08T08:00:00Z"`)
		for word, want := range map[string]int{"seven at": 3, "eight at": 2, "nine at": 0, "dusk at": 1, "the clock is not set": 1} {
			if n := count(a.log(), word); n != want {
				t.Errorf("%s: %q %d times, want %d", program, word, n, want)
			}
		}
		a.finish()
	}
}

// zoneFile returns a zone that is given by its rules: tzfile(5).
func zoneFile(rules string) []byte {
	none := append([]byte("TZif2"), make([]byte, 15+6*4)...)
	one := slices.Clone(none)
	one[39], one[43] = 1, 1 // a type of time, with an empty name
	return slices.Concat(none, one, make([]byte, 7), []byte("\n"+rules+"\n"))
}
