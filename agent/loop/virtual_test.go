// SPDX-License-Identifier: MIT

package loop

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

// Virtual time comes to an end, with a reason, whatever wants to keep it.
func TestVirtualTimeEnds(t *testing.T) {
	for name, test := range map[string]struct {
		begin func(l *Loop)
		turn  func(l *Loop)
		to    time.Duration
		want  string
	}{
		"a timer that is set again at once": {begin: func(l *Loop) {
			var again func()
			again = func() { l.After(0, again) }
			again()
		}, to: time.Hour, want: "time stands still"},
		"calls that post calls": {begin: func(l *Loop) {
			var again func()
			again = func() { l.Post(again) }
			again()
		}, to: time.Hour, want: "time stands still"},
		"a turn that is due at once":   {turn: func(l *Loop) { l.WakeBy(l.Now()) }, to: time.Hour, want: "time stands still"},
		"a turn that was due before":   {turn: func(l *Loop) { l.WakeBy(1) }, to: time.Hour, want: "time stands still"},
		"many wake-ups":                {turn: func(l *Loop) { l.WakeBy(l.Now() + 1) }, to: time.Hour, want: "too much happens"},
		"more time than there is":      {to: math.MaxInt64, want: "longer than"},
		"time that would be before":    {to: math.MinInt64},
		"a timer that is never due":    {begin: func(l *Loop) { l.After(math.MaxInt64, func() { panic("due") }) }, to: time.Hour},
		"one that is due, when it has": {begin: func(l *Loop) { l.After(time.Hour, func() {}) }, to: 2 * time.Hour},
	} {
		l := NewVirtual(time.Minute)
		if test.begin != nil {
			test.begin(l)
		}
		l.Advance(test.to, func() {
			if test.turn != nil {
				test.turn(l)
			}
		})
		switch err := l.Err(); {
		case test.want == "" && (err != nil || l.Now() != max(test.to, time.Minute)):
			t.Errorf("%s: %v, at %v", name, err, l.Now())
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

// What happens at one moment after another does not count as standing still.
func TestVirtualTimeThatGoesOn(t *testing.T) {
	l := NewVirtual(0)
	for range 3 * mostStill {
		l.Advance(l.Now(), func() {})
		if err := l.Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// What is due at the same time is done in the order in which it was asked for.
func TestTimersOfOneTime(t *testing.T) {
	l := NewVirtual(time.Hour)
	var got []int
	for i := range 20 {
		d := time.Second
		if i%3 == 0 {
			d = time.Second / 2
			l.After(d, func() { l.After(d, func() { got = append(got, 100+i) }) })
			continue
		}
		l.After(d, func() { got = append(got, i) })
	}
	l.Advance(time.Hour+time.Second, func() {})
	want := []int{1, 2, 4, 5, 7, 8, 10, 11, 13, 14, 16, 17, 19, 100, 103, 106, 109, 112, 115, 118}
	if !slices.Equal(got, want) {
		t.Errorf("done in the order %v, want %v", got, want)
	}
}
