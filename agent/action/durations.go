// SPDX-License-Identifier: MIT

// How long actions take that are waited for: programs, mounts and the like.

package action

import (
	"slices"
	"time"
)

// DurationBounds are the upper bounds of the ranges in which a Histogram counts.
var DurationBounds = [...]time.Duration{10 * time.Millisecond, 100 * time.Millisecond, time.Second, 10 * time.Second, time.Minute, 10 * time.Minute}

// Histogram counts durations by their ranges.
type Histogram struct {
	// Counts has for each of DurationBounds how many were not longer, but longer
	// than the bound before, and last how many were longer than all bounds.
	Counts [len(DurationBounds) + 1]uint64 `json:"counts"`
	Sum    time.Duration                   `json:"ns"`
}

// Durations are histograms by the kinds of actions.
type Durations map[string]*Histogram

// Add counts an action of the kind that took d.
func (all Durations) Add(kind string, d time.Duration) {
	h := all[kind]
	if h == nil {
		h = &Histogram{}
		all[kind] = h
	}
	i, _ := slices.BinarySearch(DurationBounds[:], d)
	h.Counts[i]++
	h.Sum += d
}
