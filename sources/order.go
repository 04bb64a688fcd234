// SPDX-License-Identifier: MIT

// The order in which several things are done that are kept by their names.

package sources

import (
	"cmp"
	"iter"
	"maps"
	"slices"
)

// InOrder yields what m had when it began, in the order of the keys, so that two
// runs never differ. What the loop's body removes meanwhile is passed over.
func InOrder[K cmp.Ordered, V any](m map[K]V) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if v, ok := m[k]; ok && !yield(k, v) {
				return
			}
		}
	}
}
