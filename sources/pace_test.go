// SPDX-License-Identifier: MIT

package sources

import (
	"testing"
	"time"
)

func TestPace(t *testing.T) {
	var p Pace
	for i, step := range []struct{ ms, want time.Duration }{{1000, 1}, {1010, 1}, {1010, 32}, {1010, 32}, {1011, 1}} {
		if got := p.Reads(step.ms*time.Millisecond, 32); got != int(step.want) {
			t.Errorf("%d: %d reads, want %d", i, got, step.want)
		}
	}
}
