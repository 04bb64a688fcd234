// SPDX-License-Identifier: MIT

// Rhythm: what an output does when, a pure function of time.

package output

import (
	"fmt"
	"strings"
	"time"
)

// The spans that a rhythm may be made of. The loop's timers count
// milliseconds; the sum of any rhythm's spans must fit into a time.Duration.
const (
	ShortestSpan = time.Millisecond
	LongestSpan  = 24 * time.Hour
)

// Rhythm is a round of spans that is played again and again: on for the
// first, off for the second, and so on in turn.
type Rhythm struct {
	Spans []time.Duration
	Times int // how many rounds; 0 for ever
}

// at returns what an output is after elapsed: whether it is on, and until when
// it stays so. over says that the last round has been played.
func (r *Rhythm) at(elapsed time.Duration) (on bool, until time.Duration, over bool) {
	var round time.Duration
	for _, span := range r.Spans {
		round += span
	}
	rounds := elapsed / round
	if r.Times > 0 && rounds >= time.Duration(r.Times) {
		return false, 0, true
	}
	i := 0
	for until = rounds*round + r.Spans[0]; elapsed >= until; until += r.Spans[i] {
		i++
	}
	return i%2 == 0, until, false
}

// String returns the rhythm in words: "100ms on, 200ms off, 3 times".
func (r *Rhythm) String() string {
	var words []string
	for i, span := range r.Spans {
		words = append(words, span.String()+[2]string{" on", " off"}[i%2])
	}
	if r.Times > 0 {
		words = append(words, fmt.Sprintf("%d times", r.Times))
	}
	return strings.Join(words, ", ")
}
