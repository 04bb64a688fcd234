// SPDX-License-Identifier: MIT

// Figures: what was measured, and what it comes to.

package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// figures are samples by what was measured, and by whom.
type figures map[string]map[string]samples

// samples are values in the order in which they were measured.
type samples []float64

// add takes what measure printed: lines of a name and a value.
func (f figures) add(rival, text string) error {
	for line := range strings.Lines(text) {
		name, number, found := strings.Cut(strings.TrimSpace(line), " ")
		value, err := strconv.ParseFloat(number, 64)
		if !found || err != nil {
			return fmt.Errorf("measure %s: expected a name and a number, found %q", rival, line)
		}
		f.append(name, rival, samples{value})
	}
	return nil
}

func (f figures) append(name, rival string, s samples) {
	if f[name] == nil {
		f[name] = map[string]samples{}
	}
	f[name][rival] = append(f[name][rival], s...)
}

// merge adds all that other has.
func (f figures) merge(other figures) {
	for name, rivals := range other {
		for rival, s := range rivals {
			f.append(name, rival, s)
		}
	}
}

// quantile returns the smallest sample that a share q of all samples does not exceed.
func (s samples) quantile(q float64) float64 {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	rank := int(q*float64(len(sorted)) + 0.999999)
	return sorted[min(max(rank, 1), len(sorted))-1]
}

func (s samples) median() float64 { return s.quantile(0.5) }
func (s samples) p99() float64    { return s.quantile(0.99) }
