// SPDX-License-Identifier: MIT

package rule

import (
	"testing"

	"reflexd/sources"
)

func turnOf(kind, state string, steps int64) *sources.Event {
	return &sources.Event{Topic: topic(kind, "k", state), Fields: []sources.Field{{Name: sources.Steps, Value: sources.Int(steps)}}}
}

// The events of wheels have a sign of their own, those of encoders have one in
// rules on both directions.
func TestGather(t *testing.T) {
	const cw, ccw = sources.Clockwise, sources.CounterClockwise
	for _, c := range []struct {
		why             string
		waiting, newest *sources.Event
		want            int64 // 0: nothing is left
	}{
		{"one direction", turnOf(encoder, cw, 2), turnOf(encoder, cw, 1), 3},
		{"the other", turnOf(encoder, ccw, 2), turnOf(encoder, ccw, 1), 3},
		{"both", turnOf(encoder, ccw, -2), turnOf(encoder, ccw, -1), -3},
		{"back a little", turnOf(encoder, cw, 3), turnOf(encoder, ccw, -1), 2},
		{"past where it was", turnOf(encoder, cw, 1), turnOf(encoder, ccw, -3), -2},
		{"where it was", turnOf(encoder, ccw, -1), turnOf(encoder, cw, 1), 0},
		{"a wheel upwards", turnOf("axis", "changed", 1), turnOf("axis", "changed", 2), 3},
		{"a wheel downwards", turnOf("axis", "changed", -1), turnOf("axis", "changed", -2), -3},
		{"a wheel, down more than up", turnOf("axis", "changed", -3), turnOf("axis", "changed", 1), -2},
		{"a wheel where it was", turnOf("axis", "changed", -1), turnOf("axis", "changed", 1), 0},
	} {
		var got int64
		if e := gather(c.newest, c.waiting); e != nil {
			got = stepsField(e)
		}
		if got != c.want {
			t.Errorf("%s: %d, want %d", c.why, got, c.want)
		}
	}
}

func TestViewLeavesTheEventAndAllocatesNothing(t *testing.T) {
	e := turnOf(encoder, sources.CounterClockwise, 1)
	both, one := &Rule{bothWays: []string{"j", "k"}}, &Rule{bothWays: []string{"j"}}
	var v view
	if seen := v.of(both, e); stepsField(seen) != -1 || stepsField(e) != 1 || v.of(one, e) != e {
		t.Errorf("seen %d, of %d", stepsField(seen), stepsField(e))
	}
	if n := testing.AllocsPerRun(100, func() { v.of(both, e) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestBothWaysOfEachEncoder(t *testing.T) {
	const cw, ccw = sources.Clockwise, sources.CounterClockwise
	triggers := []sources.Trigger{
		{Topics: []sources.Topic{topic(encoder, "a", cw), topic(encoder, "b", ccw), topic(encoder, "c", cw), topic(encoder, "c", ccw)}},
		{Topics: []sources.Topic{topic(encoder, "a", ccw), topic(encoder, "b", ccw), topic("line", "b", cw)}},
	}
	if got := bothWays(triggers); len(got) != 2 || got[0] != "c" || got[1] != "a" {
		t.Error(got)
	}
}
