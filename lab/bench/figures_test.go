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

// Median and p99 have a goal each, with the digits that are printed.
func TestReportSaysWhatIsReached(t *testing.T) {
	all := figures{"output": {rivals[0].name: {1000, 1000}, rivals[1].name: {1404, 1600}, rivals[2].name: {1390, 1400}}}
	var out strings.Builder
	(&report{title: "here", all: all}).print(&out)
	for _, line := range []string{
		"| edge → output | reflexd | 1.4 | 1.6 | 1.40 | 1.60 | 2 | 1.40: reached, 1.40: **missed** |",
		"| edge → output | reflexd --log-level warn | 1.4 | 1.4 | 1.39 | 1.40 | 2 | 1.40: reached, 1.40: reached |",
	} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("no line %q in\n%s", line, out.String())
		}
	}
}
