// SPDX-License-Identifier: MIT

// hours: the condition `time`.

package rule

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"reflexd/config"
	"reflexd/sources"
)

// World is what conditions look at beside the event and the sources.
type World struct {
	// Wall is the board's clock in its zone.
	Wall func() time.Time
	Log  *slog.Logger
	// States answers what is asked of states.
	States interface {
		Ask(q *sources.Question, now time.Duration) sources.Truth
	}

	told bool // that the clock is not set
}

// plausible is a date that is past: a clock that shows an earlier one was
// never set, as on a board without a battery before it reaches a time server.
var plausible = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// clock returns the time, unless the clock was not set yet.
func (w *World) clock() (time.Time, bool) {
	now := w.Wall()
	if !now.Before(plausible) {
		return now, true
	}
	if !w.told {
		w.told = true
		w.Log.Warn("the clock is not set: no `time` condition holds until it is", "clock", now.Format(time.DateTime))
	}
	return now, false
}

// hours asks whether the clock is within one of the spans, on one of the
// days. It goes by what the clock shows: where it is set back for the winter,
// an hour that comes twice counts twice.
type hours struct {
	spans []span
	names []string // of the days
	days  [7]bool  // by time.Weekday; set by check
}

// span is a part of the day in minutes since midnight, its end not included.
// One that ends before it begins goes past midnight.
type span struct{ from, to int }

const wholeDay = 24 * 60

// dayNames are in the order of time.Weekday.
var dayNames = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

func (h *hours) fields() []config.Field {
	span := func(s *span) config.Value { return config.Parsed(s, "HH:MM-HH:MM", parseSpan) }
	day := func(s *string) config.Value { return config.OneOf(s, dayNames...) }
	return []config.Field{
		{Name: "time", Doc: "from when until when: 08:00-18:30, or past midnight 22:00-06:00; the end is excluded", Required: true,
			Value: config.OneOrMore(&h.spans, span)},
		{Name: "days", Doc: "days on which the time begins; default: any", Value: config.OneOrMore(&h.names, day)},
	}
}

func parseSpan(s string) (span, error) {
	from, to, ok := strings.Cut(s, "-")
	begin, err := parseTime(strings.TrimSpace(from))
	end, endErr := parseTime(strings.TrimSpace(to))
	switch {
	case !ok || err != nil || endErr != nil || begin == wholeDay:
		return span{}, fmt.Errorf("expected two times such as 22:00-06:00, found %q", s)
	case begin == end:
		return span{}, fmt.Errorf("%q is empty: write 00:00-24:00 for a whole day", s)
	}
	return span{begin, end}, nil
}

// InSpan reports whether the minute of some day, since midnight, is in the
// span of time that s is, as `time` has it. What is no span holds everything.
func InSpan(s string, minute int) bool {
	span, err := parseSpan(s)
	switch {
	case err != nil:
		return true // it is complained of
	case span.from < span.to:
		return span.from <= minute && minute < span.to
	}
	return minute >= span.from || minute < span.to
}

// parseTime reads HH:MM, from 00:00 to 24:00, in minutes since midnight.
func parseTime(s string) (int, error) {
	hour, minute, _ := strings.Cut(s, ":")
	h, err := strconv.ParseUint(hour, 10, 8)
	m, minuteErr := strconv.ParseUint(minute, 10, 8)
	at := int(h*60 + m)
	if err != nil || minuteErr != nil || len(minute) != 2 || m > 59 || at > wholeDay {
		return 0, errors.New("no time of the day")
	}
	return at, nil
}

// check completes h.
func (h *hours) check() {
	for day, name := range dayNames {
		h.days[day] = len(h.names) == 0 || slices.Contains(h.names, name)
	}
}

func (h *hours) holds(w *World, _ *sources.Event) sources.Truth {
	now, ok := w.clock()
	if !ok {
		return sources.Unknown
	}
	return sources.Whether(slices.ContainsFunc(h.spans, func(s span) bool { return h.within(s, now) }))
}

// within reports whether now is in s, and s began on one of the days.
func (h *hours) within(s span, now time.Time) bool {
	minute, today := now.Hour()*60+now.Minute(), now.Weekday()
	if s.from < s.to {
		return s.from <= minute && minute < s.to && h.days[today]
	}
	yesterday := (today + 6) % 7
	return minute >= s.from && h.days[today] || minute < s.to && h.days[yesterday]
}
