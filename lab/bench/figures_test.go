// SPDX-License-Identifier: MIT

package main

import (
	"strings"
	"testing"
)

func TestQuantile(t *testing.T) {
	var hundred, six samples
	for i := range 100 {
		hundred = append(hundred, float64(100-i))
	}
	six = samples{3, 1, 2, 6, 5, 4}
	for _, test := range []struct {
		s       samples
		q, want float64
	}{
		{hundred, 0.5, 50}, {hundred, 0.99, 99}, {hundred, 1, 100}, {hundred, 0, 1},
		{six, 0.5, 3}, {six, 0.99, 6}, {samples{7}, 0.5, 7}, {nil, 0.5, 0},
	} {
		if got := test.s.quantile(test.q); got != test.want {
			t.Errorf("quantile %v of %d samples: %v, want %v", test.q, len(test.s), got, test.want)
		}
	}
}

func TestFiguresAdd(t *testing.T) {
	f := figures{}
	if err := f.add("a", "start 5\nsignal 7\nsignal 8\n"); err != nil {
		t.Fatal(err)
	}
	if got := f["signal"]["a"]; len(got) != 2 || got[1] != 8 {
		t.Errorf("signal: %v", got)
	}
	for _, wrong := range []string{"start\n", "start soon\n", "measure: fell over\n"} {
		if err := f.add("a", wrong); err == nil {
			t.Errorf("%q: no error", wrong)
		}
	}
}

// Both ratios must keep a promise.
func TestReportSaysWhatIsKept(t *testing.T) {
	all := figures{"output": {rivals[0].name: {10, 10}, rivals[1].name: {14, 16}, rivals[2].name: {14, 15}}}
	var out strings.Builder
	(&report{title: "here", all: all}).print(&out)
	for _, line := range []string{
		"| edge → output | reflexd | 0.0 | 0.0 | 1.40 | 1.60 | 2 | 1.50: not kept |",
		"| edge → output | reflexd --log-level warn | 0.0 | 0.0 | 1.40 | 1.50 | 2 | 1.50: kept |",
	} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("no line %q in\n%s", line, out.String())
		}
	}
}
