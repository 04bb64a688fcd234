// SPDX-License-Identifier: MIT

package clock

import (
	"testing"

	"reflexd/sources"
)

func TestHours(t *testing.T) {
	for _, test := range []struct {
		text, zone, now string
		want            sources.Truth
	}{
		{"time: 08:00-18:30", "UTC", "2026-05-01T07:59:59Z", sources.No},
		{"time: 08:00-18:30", "UTC", "2026-05-01T08:00:00Z", sources.Yes},
		{"time: 08:00-18:30", "UTC", "2026-05-01T18:29:59Z", sources.Yes},
		{"time: 08:00-18:30", "UTC", "2026-05-01T18:30:00Z", sources.No},
		{"time: 22:00-06:00", "UTC", "2026-05-01T21:59:59Z", sources.No},
		{"time: 22:00-06:00", "UTC", "2026-05-01T23:59:59Z", sources.Yes},
		{"time: 22:00-06:00", "UTC", "2026-05-02T00:00:00Z", sources.Yes},
		{"time: 22:00-06:00", "UTC", "2026-05-02T06:00:00Z", sources.No},
		{"time: 22:00-00:00", "UTC", "2026-05-02T00:00:00Z", sources.No},
		{"time: 00:00-24:00", "UTC", "2026-05-02T23:59:59Z", sources.Yes},
		{"time: [06:00-07:00, 20:00-21:00]", "UTC", "2026-05-02T20:30:00Z", sources.Yes},
		// The 1st of May 2026 is a Friday.
		{"{time: 22:00-06:00, days: [mon, fri]}", "UTC", "2026-05-01T23:00:00Z", sources.Yes},
		{"{time: 22:00-06:00, days: [mon, fri]}", "UTC", "2026-05-01T03:00:00Z", sources.No},
		{"{time: 22:00-06:00, days: [mon, fri]}", "UTC", "2026-05-02T03:00:00Z", sources.Yes},
		{"{time: 22:00-06:00, days: [mon, fri]}", "UTC", "2026-05-02T23:00:00Z", sources.No},
		{"{time: 22:00-06:00, days: sat}", "UTC", "2026-05-03T03:00:00Z", sources.Yes},
		{"{time: 08:00-10:00, days: sun}", "UTC", "2026-05-03T09:00:00Z", sources.Yes},
		// It is the board's own day.
		{"{time: 00:00-02:00, days: sat}", "Asia/Tokyo", "2026-05-01T15:30:00Z", sources.Yes},
		// Berlin's clock goes from 2:00 to 3:00 at 1:00 UTC: 2:30 never is.
		{"time: 02:00-03:00", "Europe/Berlin", "2026-03-29T00:59:59Z", sources.No},
		{"time: 02:00-03:00", "Europe/Berlin", "2026-03-29T01:00:00Z", sources.No},
		{"time: 22:00-06:00", "Europe/Berlin", "2026-03-29T04:00:00Z", sources.No},
		{"time: 22:00-06:00", "Europe/Berlin", "2026-03-29T03:59:59Z", sources.Yes},
		// And back from 3:00 to 2:00: 2:30 is twice.
		{"time: 02:00-03:00", "Europe/Berlin", "2026-10-25T00:30:00Z", sources.Yes},
		{"time: 02:00-03:00", "Europe/Berlin", "2026-10-25T01:30:00Z", sources.Yes},
		{"time: 02:00-03:00", "Europe/Berlin", "2026-10-25T02:00:00Z", sources.No},
		// A clock that was never set.
		{"time: 00:00-24:00", "UTC", "1970-01-01T00:00:10Z", sources.Unknown},
		{"time: 00:00-24:00", "UTC", "2024-12-31T23:59:59Z", sources.Unknown},
	} {
		r := newRig(t, test.zone, test.now)
		holds := r.condition(test.text)
		r.apply()
		if got := holds(); got != test.want {
			t.Errorf("%s at %s (%s): %d, want %d", test.text, test.now, test.zone, got, test.want)
		}
	}
}

// Until the plan is applied nothing is known.
func TestConditionsBeforeTheStart(t *testing.T) {
	r := newRig(t, "UTC", "2026-05-01T12:00:00Z")
	for _, text := range []string{"time: 00:00-24:00", "sun: up"} {
		if got := r.condition(text)(); got != sources.Unknown {
			t.Errorf("%s: %d", text, got)
		}
	}
}

func TestWhetherTheSunIsUp(t *testing.T) {
	for _, test := range []struct {
		place, now string
		up         sources.Truth
	}{
		{"{latitude: 52.52, longitude: 13.405}", "2026-06-21T12:00:00Z", sources.Yes},
		{"{latitude: 52.52, longitude: 13.405}", "2026-06-21T23:00:00Z", sources.No},
		{"{latitude: -33.87, longitude: 151.21}", "2026-06-21T12:00:00Z", sources.No},
		{"{latitude: 78.22, longitude: 15.65}", "2026-06-21T23:00:00Z", sources.Yes},
		{"{latitude: 78.22, longitude: 15.65}", "2026-12-21T11:00:00Z", sources.No},
		{"{latitude: 78.22, longitude: 15.65}", "1970-06-21T11:00:00Z", sources.Unknown},
	} {
		for text, want := range map[string]sources.Truth{"sun: up": test.up, "sun: down": -test.up} {
			r := newRig(t, "UTC", test.now)
			r.section("location", test.place)
			holds := r.condition(text)
			r.apply()
			if got := holds(); got != want {
				t.Errorf("%s at %s, %s: %d, want %d", text, test.place, test.now, got, want)
			}
		}
	}
}

func TestAskingAllocatesNothing(t *testing.T) {
	r := newRig(t, "Europe/Berlin", "2026-05-01T12:00:00Z")
	r.section("location", "{latitude: 52.52, longitude: 13.405}")
	hours, sun := r.condition("{time: [22:00-06:00, 08:00-09:00], days: [mon, fri]}"), r.condition("sun: down")
	r.apply()
	if n := testing.AllocsPerRun(100, func() { hours(); sun() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
