// SPDX-License-Identifier: MIT

// Levels: how bright or fast an output is, from off to full.

package sources

import "fmt"

// Full is the level of an output that is as bright, or as fast, as it gets; 0 is off.
const Full = 1_000_000

// ParsePercent reads "40%" or "12.5%" as a level.
func ParsePercent(s string) (level int, err error) {
	last := len(s) - 1
	if last > 0 && s[last] == '%' {
		n, ok := ParseNumber(s[:last])
		if ok && n.Compare(Number{}) >= 0 && n.Compare(Integer(100)) <= 0 {
			n, err = n.Mul(Integer(Full / 100))
			return int(n.Int()), err
		}
	}
	return 0, fmt.Errorf("expected a percentage from 0%% to 100%%, found %q", s)
}

// Percent writes a level as ParsePercent reads it.
func Percent(level int) string { return FromFixed(int64(level), 4).String() + "%" }
