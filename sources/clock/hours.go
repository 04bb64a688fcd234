// SPDX-License-Identifier: MIT

// Hours: the condition `time`, and the days of the week.

package clock

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"reflexd/config"
	"reflexd/sources"
)

// hours asks whether the clock is within one of the spans, on one of the
// days. It goes by what the clock shows: where it is set back for the winter,
// an hour that comes twice counts twice.
type hours struct {
	plan  *Plan
	at    config.Pos
	spans []span
	names []string // of the days
	days  week     // of names; set by compile
}

// span is a part of the day in minutes since midnight, its end not included.
// One that ends before it begins goes past midnight.
type span struct{ from, to int }

const wholeDay = 24 * 60

// week is a set of days, by time.Weekday.
type week [7]bool

// dayNames are in the order of time.Weekday.
var dayNames = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// weekOf returns the days of these names; all of them for none.
func weekOf(names []string) (days week) {
	for day, name := range dayNames {
		days[day] = len(names) == 0 || slices.Contains(names, name)
	}
	return days
}

func daysField(names *[]string, doc string) config.Field {
	day := func(s *string) config.Value { return config.OneOf(s, dayNames...) }
	return config.Field{Name: "days", Also: "day weekday weekdays", Doc: doc, Value: config.OneOrMore(names, day)}
}

func (h *hours) fields() []config.Field {
	span := func(s *span) config.Value { return config.Parsed(s, "HH:MM-HH:MM", parseSpan) }
	return []config.Field{
		{Name: "time", Doc: "from when until when: 08:00-18:30, or past midnight 22:00-06:00; the end is excluded", Required: true,
			Value: config.At(&h.at, config.OneOrMore(&h.spans, span))},
		daysField(&h.names, "days on which the time begins; default: any"),
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
	return err != nil || span.holds(minute) // an error is complained of
}

func (s span) holds(minute int) bool {
	if s.from < s.to {
		return s.from <= minute && minute < s.to
	}
	return minute >= s.from || minute < s.to
}

// parseTime reads HH:MM, from 00:00 to 24:00, in minutes since midnight.
func parseTime(s string) (int, error) {
	hour, minute, _ := strings.Cut(s, ":")
	h, err := strconv.ParseUint(hour, 10, 8)
	m, ok := parseSixty(minute)
	at := int(h)*60 + m
	if err != nil || !ok || at > wholeDay {
		return 0, errors.New("no time of the day")
	}
	return at, nil
}

// parseSixty reads two digits of minutes or seconds.
func parseSixty(s string) (int, bool) {
	n, err := strconv.ParseUint(s, 10, 8)
	return int(n), err == nil && len(s) == 2 && n < 60
}

func (h *hours) compile(*config.Problems) sources.Question {
	h.days = weekOf(h.names)
	h.plan.ask(h.at)
	return sources.Question{Ask: h.holds}
}

func (h *hours) holds() sources.Truth {
	now, ok := h.plan.now()
	if !ok {
		return sources.Unknown
	}
	return sources.Whether(slices.ContainsFunc(h.spans, func(s span) bool { return h.within(s, now) }))
}

// within reports whether now is in s, and s began on one of the days.
func (h *hours) within(s span, now time.Time) bool {
	minute, began := now.Hour()*60+now.Minute(), now.Weekday()
	if minute < s.from {
		began = (began + 6) % 7 // yesterday
	}
	return s.holds(minute) && h.days[began]
}
