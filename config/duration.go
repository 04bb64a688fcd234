// SPDX-License-Identifier: MIT

// Durations, and what people write for them.

package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Duration returns a Value for a time span with its unit: 10ms, 2s, 1h30m.
func Duration(p *time.Duration) Value { return duration{p} }

type duration struct{ p *time.Duration }

func (duration) Shape() Shape { return Shape{Type: "duration"} }

func (v duration) Read(n Node, ps *Problems) { Parsed(v.p, "duration", ParseDuration).Read(n, ps) }

// LongestDuration is the longest time span of the language. The sum of two, and
// of a machine's uptime, is still a time.Duration, which ends after 292 years.
const LongestDuration = 100 * 365 * 24 * time.Hour

// ParseDuration understands what time.ParseDuration does, but for negative
// spans and those above LongestDuration, and tells of a missing or unknown unit.
func ParseDuration(s string) (time.Duration, error) {
	if _, err := strconv.ParseFloat(s, 64); err == nil && s != "0" && s[0] != '-' {
		if strings.Trim(s, "0123456789._") != "" || len(s) > 20 { // inf, nan, 1e3, 0x10p1
			return 0, fmt.Errorf("expected a duration such as 200ms, 3s or 1h30m, found %.60q", s)
		}
		return 0, fmt.Errorf("%q has no unit: write %sms, %ss or %sm", s, s, s, s)
	}
	d, err := time.ParseDuration(s)
	switch {
	case err != nil || d < 0:
		return 0, fmt.Errorf("expected a duration such as 200ms, 3s or 1h30m, found %.60q%s", s, spelled(s))
	case d > LongestDuration:
		return 0, fmt.Errorf("%.60q is longer than 100 years (876000h)", s)
	}
	return d, nil
}

// spelled says how a duration is written whose unit is spelled out, or is one
// of those that the language has not: "5 minutes", "1d".
func spelled(s string) string {
	joined := strings.ReplaceAll(strings.ReplaceAll(s, " ", ""), ",", ".")
	if d, err := time.ParseDuration(joined); err == nil && d >= 0 && joined != s {
		return didYouMean(joined)
	}
	if at, err := time.Parse(time.TimeOnly, s); err == nil {
		return didYouMean(at.Sub(at.Truncate(24 * time.Hour)).String())
	}
	n := len(s) - len(strings.TrimLeft(s, "0123456789"))
	number, err := strconv.ParseInt(s[:n], 10, 64)
	if err != nil {
		return ""
	}
	const longest = "; the longest is 876000h, 100 years"
	days := int64(0)
	unit := strings.TrimSuffix(strings.ToLower(strings.TrimSpace(s[n:])), "s")
	switch unit {
	case "m", "msec", "millisecond":
		unit = "ms"
	case "", "sec", "second":
		unit = "s"
	case "min", "minute":
		unit = "m"
	case "h", "hr", "hour":
		unit = "h"
	case "d", "day":
		days = 1
	case "w", "week":
		days = 7
	default:
		return ""
	}
	if days > 0 {
		if number > int64(LongestDuration/time.Hour)/(24*days) {
			return longest
		}
		number, unit = 24*days*number, "h"
	}
	if written := strconv.FormatInt(number, 10) + unit; written != s {
		return didYouMean(written)
	}
	return longest
}
