// SPDX-License-Identifier: MIT

package clock

import (
	"strings"
	"testing"
	"time"

	"reflexd/sources"
)

// The times of the nights on which the clock changes, each once: what is
// skipped comes when the clock skips it, what is twice comes the first time.
func TestNightsOfTheChange(t *testing.T) {
	times := `time: ["01:30", "02:00", "02:30", "03:00", "23:59:59"]`
	for _, test := range []struct {
		zone, from, to string
		want           []string
	}{
		{"Europe/Berlin", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", []string{
			"time 01:30 sun @ 2026-03-29T01:30:00+01:00", "time 02:00 sun @ 2026-03-29T03:00:00+02:00",
			"time 02:30 sun @ 2026-03-29T03:00:00+02:00", "time 03:00 sun @ 2026-03-29T03:00:00+02:00",
			"time 23:59:59 sun @ 2026-03-29T23:59:59+02:00"}},
		{"Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", []string{
			"time 01:30 sun @ 2026-10-25T01:30:00+02:00", "time 02:00 sun @ 2026-10-25T02:00:00+02:00",
			"time 02:30 sun @ 2026-10-25T02:30:00+02:00", "time 03:00 sun @ 2026-10-25T03:00:00+01:00",
			"time 23:59:59 sun @ 2026-10-25T23:59:59+01:00"}},
		{"America/New_York", "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z", []string{
			"time 01:30 sun @ 2026-03-08T01:30:00-05:00", "time 02:00 sun @ 2026-03-08T03:00:00-04:00",
			"time 02:30 sun @ 2026-03-08T03:00:00-04:00", "time 03:00 sun @ 2026-03-08T03:00:00-04:00",
			"time 23:59:59 sun @ 2026-03-08T23:59:59-04:00"}},
		{"America/New_York", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z", []string{
			"time 01:30 sun @ 2026-11-01T01:30:00-04:00", "time 02:00 sun @ 2026-11-01T02:00:00-05:00",
			"time 02:30 sun @ 2026-11-01T02:30:00-05:00", "time 03:00 sun @ 2026-11-01T03:00:00-05:00",
			"time 23:59:59 sun @ 2026-11-01T23:59:59-05:00"}},
	} {
		r := newRig(t, test.zone, test.from).wait(times).apply()
		r.until(test.to)
		r.expect(test.want...)
	}
}

// In each zone each time comes once a day, all year: also where the clock
// changes at midnight, before it, or by half an hour.
func TestOnceADay(t *testing.T) {
	times := []string{"00:00", "00:30", "01:59:59", "02:15", "12:00", "23:15", "23:30"}
	for _, zone := range []string{"UTC", "Europe/Berlin", "America/New_York", "America/Nuuk", "Australia/Lord_Howe", "Africa/Cairo",
		"America/Havana", "Africa/Casablanca", "Asia/Kolkata", "Pacific/Kiritimati"} {
		r := newRig(t, zone, "2028-01-01T00:00:00Z") // a leap year
		r.set(time.Date(2027, 12, 31, 23, 59, 59, 0, r.zone).Format(time.RFC3339))
		for _, text := range times {
			r.wait(`time: "` + text + `"`)
		}
		r.apply()
		r.set(time.Date(2028, 1, 1, 0, 0, 0, 0, r.zone).Add(-time.Second).Format(time.RFC3339))
		r.pass(time.Date(2029, 1, 1, 0, 0, 0, 0, r.zone).Add(-time.Second).Sub(r.wall()))
		for _, text := range times {
			n := strings.Count(strings.Join(r.fired, "\n")+"\n", "time "+text+" ")
			if n != 366 {
				t.Errorf("%s: %s came %d times in a leap year", zone, text, n)
			}
		}
	}
}

func TestDays(t *testing.T) {
	// The 26th of February 2028 is a Saturday, the 29th a Tuesday.
	r := newRig(t, "Europe/Berlin", "2028-02-26T12:00:00+01:00").
		wait(`{time: [7:00, "19:30:15"], days: [tue, wed]}`, `{time: "07:00", days: sat}`).apply()
	r.until("2028-03-08T00:00:00+01:00")
	r.expect("time 07:00 tue @ 2028-02-29T07:00:00+01:00", "time 19:30:15 tue @ 2028-02-29T19:30:15+01:00",
		"time 07:00 wed @ 2028-03-01T07:00:00+01:00", "time 19:30:15 wed @ 2028-03-01T19:30:15+01:00",
		"time 07:00 sat @ 2028-03-04T07:00:00+01:00",
		"time 07:00 tue @ 2028-03-07T07:00:00+01:00", "time 19:30:15 tue @ 2028-03-07T19:30:15+01:00")
}

// What a rule waits for is what the event is about.
func TestTopics(t *testing.T) {
	r := newRig(t, "UTC", "2026-05-01T00:00:00Z")
	r.section("location", "{latitude: 0, longitude: 0}")
	r.wait(`{time: "07:00", days: [mon, tue]}`, `time: 7:00:00`, `{sun: [rise, set], offset: -1h30m}`)
	var got []sources.Topic
	for _, w := range r.waiting {
		got = append(got, w.Topics...)
	}
	want := []sources.Topic{{Kind: "time", Name: "07:00", State: "mon"}, {Kind: "time", Name: "07:00", State: "tue"},
		{Kind: "time", Name: "07:00"}, {Kind: "sun", Name: "rise -1h30m"}, {Kind: "sun", Name: "set -1h30m"}}
	for i := range want {
		if i >= len(got) || got[i] != want[i] {
			t.Fatalf("%+v, want %+v", got, want)
		}
	}
	if len(r.plan.dues) != 3 {
		t.Errorf("%d moments are waited for", len(r.plan.dues))
	}
}

func TestClockThatIsSet(t *testing.T) {
	const day = "2026-05-01T"
	r := newRig(t, "UTC", day+"06:30:00Z").wait(`time: ["07:00", "12:00"]`).apply()
	r.set(day + "08:00:00Z") // past it
	r.expect()
	if !strings.Contains(r.log.String(), `event="time 07:00"`) {
		t.Errorf("the log does not say what was missed: %s", r.log.String())
	}
	r.set(day + "06:59:00Z") // back
	r.pass(2 * time.Minute)
	r.expect("time 07:00 fri @ 2026-05-01T07:00:00Z")
	r.set(day + "06:50:00Z") // back again, as a time server may do
	r.until(day + "07:30:00Z")
	r.expect()
	r.set(day + "11:59:40Z")
	r.set(day + "12:00:20Z") // past it, by a correction
	r.expect("time 12:00 fri @ 2026-05-01T12:00:20Z")
	r.set("2026-04-28T06:00:00Z") // to another day
	r.pass(24 * time.Hour)
	r.expect("time 07:00 tue @ 2026-04-28T07:00:00Z", "time 12:00 tue @ 2026-04-28T12:00:00Z")
	r.set("2027-04-28T12:00:01Z") // a year ahead, and just past it
	r.expect("time 12:00 wed @ 2027-04-28T12:00:01Z")
}

// A board sleeps: its clock goes on, the loop's does not.
func TestBoardThatSleeps(t *testing.T) {
	r := newRig(t, "UTC", "2026-05-01T06:00:00Z").wait(`time: "07:00"`).apply()
	r.ahead = r.ahead.Add(3 * time.Hour)
	r.pass(time.Hour) // the alarm rings, far too late
	r.expect()
	r.ahead = r.ahead.Add(20*time.Hour + 59*time.Minute + 50*time.Second)
	r.source.ClockSet() // and again a moment before
	r.pass(time.Minute)
	r.expect("time 07:00 sat @ 2026-05-02T07:00:00Z")
}

// A board without a battery learns the time late: nothing happens by the
// wrong clock, nor for what went by until then.
func TestClockThatIsSetLate(t *testing.T) {
	r := newRig(t, "UTC", "1970-01-01T06:59:50Z").wait(`time: "07:00"`).apply()
	r.pass(10 * time.Minute)
	r.expect()
	if s := r.source.Status()[0]; s.OK || s.Error != "the clock is not set" {
		t.Errorf("%+v", s)
	}
	r.set("2026-05-01T07:00:10Z")
	r.expect()
	if n := strings.Count(r.log.String(), "the clock is not set"); n != 1 {
		t.Errorf("logged %d times", n)
	}
	r.until("2026-05-02T08:00:00Z")
	r.expect("time 07:00 sat @ 2026-05-02T07:00:00Z")
	r.set("1999-01-01T00:00:00Z") // the battery is empty
	r.pass(48 * time.Hour)
	r.expect()
	r.set("2026-05-05T07:00:10Z")
	r.expect()
	if n := strings.Count(r.log.String(), "the clock is not set"); n != 1 {
		t.Errorf("logged %d times", n)
	}
}

func TestZoneThatChanges(t *testing.T) {
	r := newRig(t, "Europe/Berlin", "2026-05-01T04:30:00Z").wait(`time: "07:00"`).apply()
	r.until("2026-05-01T05:00:00Z")
	r.expect("time 07:00 fri @ 2026-05-01T07:00:00+02:00")
	r.move("America/New_York")
	r.source.ClockSet()
	r.until("2026-05-01T12:00:00Z")
	r.expect("time 07:00 fri @ 2026-05-01T07:00:00-04:00")
	r.move("Europe/London") // where it is 13:00
	r.source.ClockSet()
	r.until("2026-05-02T05:59:59Z")
	r.expect()
	r.pass(time.Second)
	r.expect("time 07:00 sat @ 2026-05-02T07:00:00+01:00")
}

func TestReload(t *testing.T) {
	r := newRig(t, "UTC", "2026-05-01T06:59:59Z").wait(`time: "07:00"`).apply()
	r.now += 2 * time.Second // it is due when the plan changes
	r.wait(`time: "07:00"`, `time: "07:00:02"`).apply()
	r.expect("time 07:00 fri @ 2026-05-01T07:00:01Z")
	r.pass(time.Second)
	r.expect("time 07:00:02 fri @ 2026-05-01T07:00:02Z")
	r.pass(30 * time.Second)
	r.wait(`time: ["07:00:10", "07:00:20"]`).apply() // just passed
	r.expect()
	r.apply() // a plan that asks for nothing
	if len(r.timers) != 0 {
		t.Errorf("%d timers run", len(r.timers))
	}
	r.pass(48 * time.Hour)
	r.wait(`time: "07:00:20"`).apply()
	r.expect()
	r.source.Close()
	if len(r.timers) != 0 {
		t.Errorf("%d timers run", len(r.timers))
	}
}

// Only the next moment is waited for, and a wake-up is one of them.
func TestWakesForMomentsOnly(t *testing.T) {
	r := newRig(t, "UTC", "2026-05-01T00:00:00Z").wait(`{time: ["07:00", "19:00"], days: fri}`).apply()
	for range 4 {
		if len(r.timers) != 1 {
			t.Fatalf("%d timers run", len(r.timers))
		}
		before := len(r.fired)
		r.pass(r.timers[0].at - r.now)
		if len(r.fired) == before {
			t.Errorf("woken at %v for nothing", r.wall())
		}
	}
}

func TestSun(t *testing.T) {
	r := newRig(t, "Europe/Berlin", "2026-06-20T12:00:00+02:00")
	r.section("location", "{latitude: 52.52, longitude: 13.405}")
	r.wait("sun: [rise, set]", "{sun: set, offset: -30m}", "{sun: rise, offset: 12h, days: sun}").apply()
	r.until("2026-06-22T00:00:00+02:00")
	r.expect("sun set -30m sat @ 2026-06-20T21:03:05+02:00", "sun set sat @ 2026-06-20T21:33:05+02:00",
		"sun rise sun @ 2026-06-21T04:43:06+02:00", "sun rise +12h sun @ 2026-06-21T16:43:06+02:00",
		"sun set -30m sun @ 2026-06-21T21:03:19+02:00", "sun set sun @ 2026-06-21T21:33:19+02:00")
}

// Between the polar day and the polar night the sun rises and sets; in them it
// does neither, and nobody is woken for each day of them.
func TestSunOfSvalbard(t *testing.T) {
	r := newRig(t, "Arctic/Longyearbyen", "2025-04-21T00:00:00+02:00")
	r.section("location", "{latitude: 78.22, longitude: 15.65}")
	r.wait("sun: [rise, set]", "{sun: set, offset: -12h}").apply()
	r.until("2025-08-22T00:00:00+02:00")
	r.expect()
	if s := r.source.Status()[0]; !s.OK || s.Detail != "not in the next 8 days" && !strings.HasPrefix(s.Detail, "next ") {
		t.Errorf("%+v", s)
	}
	r.until("2025-10-28T00:00:00+01:00")
	rises, sets := 0, 0
	for _, f := range r.fired {
		rises += strings.Count(f, "sun rise ")
		sets += strings.Count(f, "sun set ") - strings.Count(f, "sun set -12h ")
	}
	if rises < 60 || rises != sets-1 {
		t.Errorf("%d rises and %d sets from the polar day to the polar night", rises, sets)
	}
	r.fired = nil
	r.until("2026-02-14T00:00:00+01:00")
	r.expect()
}

func TestStamp(t *testing.T) {
	r := newRig(t, "Europe/Berlin", "2026-05-01T12:00:00+02:00")
	for back, want := range map[time.Duration]string{0: "2026-05-01T12:00:00+02:00", 10 * time.Second: "2026-05-01T11:59:50+02:00"} {
		if got := r.source.Stamp(r.now - back); got != want {
			t.Errorf("%v ago was %s, want %s", back, got, want)
		}
	}
	r.ahead = r.ahead.AddDate(-50, 0, 0)
	if got := r.source.Stamp(r.now); got != "" {
		t.Errorf("a clock that is not set shows %s", got)
	}
}
