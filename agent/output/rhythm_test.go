// SPDX-License-Identifier: MIT

package output

import (
	"math/rand/v2"
	"testing"
	"time"
)

const ms = time.Millisecond

// naive plays r edge by edge.
func naive(r *Rhythm, elapsed time.Duration) (on bool, until time.Duration, over bool) {
	for round := 0; r.Times == 0 || round < r.Times; round++ {
		for i, span := range r.Spans {
			until += span
			if elapsed < until {
				return i%2 == 0, until, false
			}
		}
	}
	return false, 0, true
}

func TestRhythmIsPlayedAsItIsWritten(t *testing.T) {
	for range 2000 {
		r := &Rhythm{Times: rand.IntN(4)}
		for range 1 + rand.IntN(6) {
			r.Spans = append(r.Spans, time.Duration(1+rand.IntN(50))*ms)
		}
		elapsed := time.Duration(rand.IntN(1000)) * ms
		on, until, over := r.at(elapsed)
		wantOn, wantUntil, wantOver := naive(r, elapsed)
		if on != wantOn || until != wantUntil || over != wantOver {
			t.Fatalf("%s at %v: %v until %v, over %v; expected %v, %v, %v", r, elapsed, on, until, over, wantOn, wantUntil, wantOver)
		}
	}
}

func TestRhythmAfterAYearIsStillExact(t *testing.T) {
	r := &Rhythm{Spans: []time.Duration{100 * ms, 233 * ms}}
	const rounds = 100_000_000
	if on, until, over := r.at(rounds*333*ms + 99*ms); !on || until != rounds*333*ms+100*ms || over {
		t.Error(on, until, over)
	}
}
