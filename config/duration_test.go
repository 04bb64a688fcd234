// SPDX-License-Identifier: MIT

package config

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestLongestDuration(t *testing.T) {
	if d, err := ParseDuration("876000h"); err != nil || d != LongestDuration {
		t.Error(d, err)
	}
	// Two of them, on a machine that has been up for decades, are a time still.
	if sum := float64(2*LongestDuration) + float64(90*365*24*time.Hour); sum > math.MaxInt64 {
		t.Error("the sum of two is no time.Duration")
	}
	for text, want := range map[string]string{
		"2562047h47m16s":          "longer than 100 years",
		"876000h1ns":              "longer than 100 years",
		"9223372036854775807ns":   "longer than 100 years",
		"3000000h":                "the longest is 876000h",
		"9999999999999s":          "the longest is 876000h",
		"99999999999999 weeks":    "the longest is 876000h",
		"36501d":                  "the longest is 876000h",
		"36500 days":              `did you mean "876000h"?`,
		"1000000 ms":              `did you mean "1000000ms"?`,
		"inf":                     `found "inf"`,
		"NaN":                     `found "NaN"`,
		"1e9":                     `found "1e9"`,
		"0x1p-2":                  `found "0x1p-2"`,
		"10":                      "write 10ms, 10s or 10m",
		"0.5":                     "write 0.5ms, 0.5s or 0.5m",
		strings.Repeat("9", 9999): "expected a duration",
	} {
		d, err := ParseDuration(text)
		if err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 200 {
			t.Errorf("%.40q: %v, %v: want %q", text, d, err, want)
		}
	}
}

func FuzzParseDuration(f *testing.F) {
	for _, s := range []string{"1h", "2562047h47m16s", "-1s", "1d", "inf", "9223372036854775807w", "1e3", ".", "0x_1p4"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDuration(s)
		if err == nil && (d < 0 || d > LongestDuration) || err != nil && len(err.Error()) > 600 {
			t.Error(d, err)
		}
	})
}
