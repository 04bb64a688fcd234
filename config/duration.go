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
func Duration(p *time.Duration) Value { return Parsed(p, "duration", ParseDuration) }

// ParseDuration understands what time.ParseDuration does, but for negative
// spans, and complains of a missing or unknown unit.
func ParseDuration(s string) (time.Duration, error) {
	if _, err := strconv.ParseFloat(s, 64); err == nil && s != "0" && s[0] != '-' {
		return 0, fmt.Errorf("%q has no unit: write %sms, %ss or %sm", s, s, s, s)
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("expected a duration such as 200ms, 3s or 1h30m, found %q%s", s, spelled(s))
	}
	return d, nil
}

// spelled says how a duration is written whose unit is spelled out, or is one
// of those that the language has not: "5 minutes", "1d".
func spelled(s string) string {
	n := len(s) - len(strings.TrimLeft(s, "0123456789"))
	number, err := strconv.Atoi(s[:n])
	if err != nil {
		return ""
	}
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
		number, unit = 24*number, "h"
	case "w", "week":
		number, unit = 7*24*number, "h"
	default:
		return ""
	}
	if written := strconv.Itoa(number) + unit; written != s {
		return didYouMean(written)
	}
	return "; that is longer than 292 years"
}
