// SPDX-License-Identifier: MIT

// window: the last values of a sensor, and what a filter makes of them.

package sensor

import (
	"slices"
	"sort"

	"reflexd/sources"
)

// window is the last values of a sensor, the newest last.
type window []sources.Number

// add takes in a value, and returns what f makes of the window. A window that is
// not full yet counts as it is.
func (w *window) add(f filter, v value) value {
	if f.n < 2 || !v.isNumber {
		return v
	}
	if *w = append(*w, v.number); len(*w) > f.n {
		*w = slices.Delete(*w, 0, 1)
	}
	if !f.mean {
		sorted := slices.Clone(*w)
		sort.Slice(sorted, func(i, j int) bool { return sorted[i].Compare(sorted[j]) < 0 }) // slices.SortFunc would be compiled again for it: 5 KB
		return numeric(sorted[len(sorted)/2])
	}
	sum, err := sources.Number{}, error(nil)
	for _, n := range *w {
		if sum, err = sum.Add(n); err != nil {
			return v
		}
	}
	return numeric(sum.Div(int64(len(*w))))
}
