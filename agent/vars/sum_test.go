// SPDX-License-Identifier: MIT

package vars

import (
	"math"
	"math/big"
	"strings"
	"testing"

	"reflexd/sources"
)

func number(t testing.TB, text string) *sources.Number {
	t.Helper()
	if text == "" {
		return nil
	}
	n, ok := sources.ParseNumber(text)
	if !ok {
		t.Fatal(text)
	}
	return &n
}

func TestSums(t *testing.T) {
	for _, c := range []struct{ value, add, min, max, wrap, want string }{
		{"5", "1", "", "", "", "6"},
		{"5", "-6", "", "", "", "-1"},
		{"007", "1", "", "", "", "8"},
		{"0.9", "0.1", "", "", "", "1"},
		{"98", "5", "", "99", "", "99"},
		{"150", "1", "0", "99", "", "99"},
		{"-7", "1", "0", "99", "", "0"},
		{"1", "-3", "0", "99", "", "0"},
		{"99", "1", "0", "99", "wrap", "0"},
		{"98", "5", "0", "99", "wrap", "3"},
		{"0", "-1", "0", "99", "wrap", "99"},
		{"0", "-201", "0", "99", "wrap", "99"},
		{"5", "1", "1", "5", "wrap", "1"},
		{"-3", "-1", "-3", "3", "wrap", "3"},
		{"500", "0", "0", "99", "wrap", "0"},
		{"9223372036854775806", "1", "-9223372036854775808", "9223372036854775807", "wrap", "9223372036854775807"},
		{"day", "1", "", "", "", `error: its value "day" is not a number`},
		{"", "1", "", "", "", `error: its value "" is not a number`},
		{"9223372036854775807", "1", "", "", "", "error: 9223372036854775807 and 1: the result has too many digits"},
		{"1.5", "1", "0", "9", "wrap", "error: 2.5 is not an integer"},
	} {
		s := Sum{Add: *number(t, c.add), Min: number(t, c.min), Max: number(t, c.max), Wrap: c.wrap != ""}
		got, err := s.To(c.value)
		if err != nil {
			got = "error: " + err.Error()
		}
		if !strings.HasPrefix(got, c.want) || err == nil && got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

// FuzzWrap holds wrap against arithmetic without limits.
func FuzzWrap(f *testing.F) {
	f.Add(int64(100), int64(0), int64(99))
	f.Add(int64(math.MinInt64), int64(math.MaxInt64-1), int64(math.MaxInt64))
	f.Add(int64(-1), int64(math.MinInt64), int64(math.MaxInt64))
	f.Fuzz(func(t *testing.T, n, low, high int64) {
		if low >= high {
			return
		}
		size := new(big.Int).Add(new(big.Int).Sub(big.NewInt(high), big.NewInt(low)), big.NewInt(1))
		want := new(big.Int).Mod(new(big.Int).Sub(big.NewInt(n), big.NewInt(low)), size)
		if want.Add(want, big.NewInt(low)); want.Cmp(big.NewInt(wrap(n, low, high))) != 0 {
			t.Errorf("%d from %d to %d becomes %d, want %s", n, low, high, wrap(n, low, high), want)
		}
	})
}
