// SPDX-License-Identifier: MIT

package sun

import (
	"testing"
	"time"
)

// slack is by how much almanacs, which round to the minute and place the
// middle of a town here or there, may differ from us.
const slack = 2 * time.Minute

func at(t *testing.T, text string) time.Time {
	t.Helper()
	when, err := time.Parse("2006-01-02 15:04 -07", text)
	if err != nil {
		t.Fatal(err)
	}
	return when
}

// TestAlmanac compares with what is published: by the US Naval Observatory
// for Tromsø and the towns of the United States, by timeanddate.com for the
// others, and by another algorithm (Schlyter's) for Reykjavík and Quito.
func TestAlmanac(t *testing.T) {
	for _, c := range []struct {
		name      string
		place     Place
		rise, set string
	}{
		{"London", Place{51.507, -0.128}, "2026-06-21 04:43 +01", "2026-06-21 21:21 +01"},
		{"London", Place{51.507, -0.128}, "2025-12-21 08:04 +00", "2025-12-21 15:53 +00"},
		{"Berlin", Place{52.52, 13.405}, "2026-06-21 04:43 +02", "2026-06-21 21:33 +02"},
		{"Berlin", Place{52.52, 13.405}, "2025-12-21 08:15 +01", "2025-12-21 15:54 +01"},
		{"New York", Place{40.713, -74.006}, "2025-06-21 05:25 -04", "2025-06-21 20:31 -04"},
		{"New York", Place{40.713, -74.006}, "2025-12-21 07:17 -05", "2025-12-21 16:32 -05"},
		{"Los Angeles", Place{34.052, -118.244}, "2025-06-21 05:42 -07", "2025-06-21 20:08 -07"},
		{"Tokyo", Place{35.69, 139.692}, "2025-06-21 04:25 +09", "2025-06-21 19:00 +09"},
		{"Sydney", Place{-33.869, 151.209}, "2025-06-21 07:00 +10", "2025-06-21 16:54 +10"},
		{"Sydney", Place{-33.869, 151.209}, "2025-12-22 05:41 +11", "2025-12-22 20:05 +11"},
		{"Cape Town", Place{-33.925, 18.424}, "2025-12-21 05:32 +02", "2025-12-21 19:57 +02"},
		{"Quito", Place{-0.25, -78.583}, "2013-01-01 06:14 -05", "2013-01-01 18:22 -05"},
		{"Quito", Place{-0.25, -78.583}, "2013-03-21 06:18 -05", "2013-03-21 18:25 -05"},
		{"Reykjavík", Place{64.067, -21.967}, "2013-06-21 01:57 -01", "2013-06-21 23:02 -01"},
		{"Reykjavík", Place{64.067, -21.967}, "2013-01-01 10:18 -01", "2013-01-01 14:45 -01"},
		{"Tromsø", Place{69.5, 19}, "2014-04-01 04:50 +01", "2014-04-01 18:49 +01"},
		{"Tromsø", Place{69.5, 19}, "2014-04-30 02:29 +01", "2014-04-30 20:58 +01"},
		{"Tromsø", Place{69.5, 19}, "2014-05-17 00:29 +01", "2014-05-17 23:06 +01"},
		// The sun rises on 18 May and sets 69 days later.
		{"Tromsø", Place{69.5, 19}, "2014-05-18 00:13 +01", "2014-07-25 23:20 +01"},
		{"leap day in London", Place{51.507, -0.128}, "2024-02-29 06:48 +00", "2024-02-29 17:39 +00"},
	} {
		wantRise, wantSet := at(t, c.rise), at(t, c.set)
		rise, ok := c.place.Next(wantRise.Add(-10*time.Minute), true, wantRise.Add(time.Hour))
		if off := rise.Sub(wantRise); !ok || off.Abs() > slack {
			t.Errorf("%s rises at %v, off by %v; published: %s", c.name, rise, off, c.rise)
		}
		set, ok := c.place.Next(rise, false, rise.AddDate(1, 0, 0))
		if off := set.Sub(wantSet); !ok || off.Abs() > slack {
			t.Errorf("%s sets at %v, off by %v; published: %s", c.name, set, off, c.set)
		}
		if next, ok := c.place.Next(rise, true, set.Add(30*time.Hour)); !ok || !next.After(set) {
			t.Errorf("%s rises again at %v, before it sets", c.name, next)
		}
	}
}

// Where the sun does not rise or set, it is up or down all the time.
func TestPolarDayAndNight(t *testing.T) {
	longyearbyen, mcmurdo := Place{78.22, 15.65}, Place{-77.85, 166.67}
	for _, c := range []struct {
		place    Place
		from, to string
		up       bool
	}{
		{longyearbyen, "2025-04-21 00:00 +01", "2025-08-21 00:00 +01", true},
		{longyearbyen, "2025-10-28 00:00 +01", "2026-02-14 00:00 +01", false},
		{mcmurdo, "2025-04-26 00:00 +12", "2025-08-18 00:00 +12", false},
		{mcmurdo, "2025-10-26 00:00 +12", "2026-02-18 00:00 +12", true},
	} {
		from, to := at(t, c.from), at(t, c.to)
		for _, rises := range []bool{true, false} {
			if when, ok := c.place.Next(from, rises, to); ok {
				t.Errorf("%v: rises=%v at %v, between %s and %s", c.place, rises, when, c.from, c.to)
			}
		}
		for when := from; when.Before(to); when = when.Add(6 * time.Hour) {
			if c.place.Up(when) != c.up {
				t.Fatalf("%v at %v: up is %v", c.place, when, !c.up)
			}
		}
	}
}

// Everywhere and all year: rise and set take turns, Up changes there and
// nowhere else, and each is found alike from wherever the search begins.
func TestRiseAndSetAreWhereUpChanges(t *testing.T) {
	begin := time.Date(2028, 1, 1, 0, 0, 0, 0, time.UTC) // a leap year
	end := begin.AddDate(1, 0, 0)
	for _, p := range []Place{{0, 0}, {52.5, 13.4}, {-33.9, 151.2}, {65.9, -180}, {66.2, 180}, {69.6, 19}, {-78, 166.7}, {89.9, 0}, {90, 0}, {-90, 77}} {
		up := p.Up(begin)
		last := begin
		for now := begin; ; {
			at, ok := p.Next(now, !up, end)
			if !ok {
				break
			}
			if p.Up(at) == up || p.Up(at.Add(-time.Second)) != up {
				t.Errorf("%v: at %v the sun does not change to up=%v", p, at, !up)
			}
			if again, _ := p.Next(at.Add(-time.Second), !up, end); !again.Equal(at) {
				t.Errorf("%v: %v was %v when looked for a second before", p, again, at)
			}
			for between := last.Add(time.Minute); between.Before(at); between = between.Add(97 * time.Minute) {
				if p.Up(between) != up {
					t.Fatalf("%v: up changed before %v, by %v", p, at, between)
				}
			}
			now, last, up = at, at, !up
		}
	}
}

// A night of a few minutes, as there are some at the edge of a polar day, is
// not overlooked.
func TestShortNights(t *testing.T) {
	begin := time.Date(2028, 7, 10, 12, 0, 0, 0, time.UTC)
	end := begin.AddDate(0, 0, 3)
	for latitude := 66.0; latitude < 67.2; latitude += 0.01 {
		p := Place{latitude, 25.7}
		var seen, found int
		up := p.Up(begin)
		for now := begin; now.Before(end); now = now.Add(time.Minute) {
			if p.Up(now) != up {
				up = !up
				seen++
			}
		}
		for now, rises := begin, false; ; rises = !rises {
			at, ok := p.Next(now, rises, end)
			if !ok || !at.Before(end) {
				break
			}
			now = at
			found++
		}
		if found != seen {
			t.Errorf("at %.2f° the sun rises and sets %d times, %d are found", latitude, seen, found)
		}
	}
}

func TestAskingAllocatesNothing(t *testing.T) {
	now := time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC)
	if n := testing.AllocsPerRun(100, func() { Place{52.5, 13.4}.Up(now) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkUp(b *testing.B) {
	now := time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC)
	for b.Loop() {
		Place{52.5, 13.4}.Up(now)
	}
}

func BenchmarkNext(b *testing.B) {
	now := time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC)
	for b.Loop() {
		Place{52.5, 13.4}.Next(now, false, now.AddDate(0, 0, 8))
	}
}
