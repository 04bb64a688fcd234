// SPDX-License-Identifier: MIT

// Moments: what comes once a day, and when it comes next.

package clock

import (
	"fmt"
	"strings"
	"time"

	"reflexd/config"
	"reflexd/sources"
	"reflexd/sources/clock/sun"
)

// moment is something that comes at most once a day. Its implementations can
// be compared.
type moment interface {
	kind() string // of its events' Topic, and so is name
	name() string
	// next returns when it comes next after a time, in whose zone, on one of
	// the days, and on which. It looks no further than horizon.
	next(after time.Time, on week) (at time.Time, day time.Weekday, ok bool)
	// fields returns those of the event for the moment at.
	fields(at time.Time) []sources.Field
}

// horizon is how far ahead moments are looked for: each day of the week is
// in it, also if today is over.
const horizon = 8 * 24 * time.Hour

// due is a moment for which some rule waits.
type due struct {
	moment
	days week // on which
}

// daily is a time of the day, in seconds since midnight.
type daily int

func parseDaily(s string) (daily, error) {
	text, second := s, 0
	ok := true
	if strings.Count(s, ":") == 2 {
		i := strings.LastIndexByte(s, ':')
		text = s[:i]
		second, ok = parseSixty(s[i+1:])
	}
	minute, err := parseTime(text)
	if err == nil && ok && minute < wholeDay {
		return daily(minute*60 + second), nil
	}
	hint := ""
	if _, err := parseSpan(s); err == nil {
		hint = fmt.Sprintf("; a period is a condition: if: {time: %s}", s)
	} else if minute == wholeDay {
		hint = "; midnight is 00:00"
	}
	return 0, fmt.Errorf("expected a time of day such as 07:00 or 19:30:15, found %q%s", s, hint)
}

// Minute returns the minute of the day, since midnight, in which a time as the
// trigger `time` has it is; false for what is none.
func Minute(s string) (int, bool) {
	d, err := parseDaily(s)
	return int(d) / 60, err == nil
}

func (d daily) kind() string { return "time" }

func (d daily) name() string {
	text := fmt.Sprintf("%02d:%02d:%02d", d/3600, d/60%60, d%60)
	return strings.TrimSuffix(text, ":00")
}

func (d daily) next(after time.Time, on week) (time.Time, time.Weekday, bool) {
	year, month, today := after.Date()
	for day := today; day <= today+int(horizon/(24*time.Hour)); day++ {
		date := time.Date(year, month, day, 0, 0, int(d), 0, time.UTC)
		if at := first(date, after.Location()); on[date.Weekday()] && at.After(after) {
			return at, date.Weekday(), true
		}
	}
	return time.Time{}, 0, false
}

func (d daily) fields(time.Time) []sources.Field {
	return []sources.Field{{Name: "TIME", Value: sources.Text(d.name())}}
}

// first returns when a clock in the zone first shows what date, in UTC, shows,
// or more. So a time that comes twice when the clock is set back is the first
// of the two, and one that is skipped when it is set forward is the moment of
// the skip.
func first(date time.Time, zone *time.Location) time.Time {
	// No offset is as large as that: the clock does not show date before.
	t := date.Add(-26 * time.Hour).In(zone)
	for range mostChanges {
		_, offset := t.Zone()
		begin, end := t.ZoneBounds()
		t = date.Add(-time.Duration(offset) * time.Second).In(zone)
		switch {
		case !end.IsZero() && !t.Before(end):
			t = end // the next offset applies
		case t.Before(begin):
			return begin
		default:
			return t
		}
	}
	return t
}

// mostChanges bounds the changes of a zone's offset in two days, which a
// damaged file could put out of order.
const mostChanges = 10

// The states of the trigger `sun`.
const (
	rise = "rise"
	set  = "set"
)

// solar is when the sun rises or sets at a place, so much later.
type solar struct {
	place  sun.Place
	state  string
	offset time.Duration
}

// mostOffset bounds `offset`: beyond it the other state is nearer.
const mostOffset = 12 * time.Hour

func parseOffset(s string) (time.Duration, error) {
	sign, text := time.Duration(1), s
	if strings.HasPrefix(s, "-") && !strings.HasPrefix(s, "-+") {
		sign, text = -1, s[1:]
	}
	d, err := config.ParseDuration(text)
	if err == nil && d > mostOffset {
		err = fmt.Errorf("%q is too far: at most 12h before or after", s)
	}
	return sign * d, err
}

func (s solar) kind() string { return "sun" }

func (s solar) name() string {
	if s.offset == 0 {
		return s.state
	}
	text := s.offset.String()
	for _, none := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, none) {
			text = text[:len(text)-2]
		}
	}
	if s.offset > 0 {
		text = "+" + text
	}
	return s.state + " " + text
}

func (s solar) next(after time.Time, on week) (time.Time, time.Weekday, bool) {
	until := after.Add(horizon)
	for from := after.Add(-s.offset); ; {
		at, ok := s.place.Next(from, s.state == rise, until)
		if !ok {
			return time.Time{}, 0, false
		}
		at = at.In(after.Location())
		if on[at.Weekday()] {
			return at.Add(s.offset), at.Weekday(), true
		}
		from = at
	}
}

func (s solar) fields(at time.Time) []sources.Field {
	return []sources.Field{
		{Name: "SUN", Value: sources.Text(s.state)},
		{Name: "TIME", Value: sources.Text(at.Add(-s.offset).Format("15:04"))},
	}
}
