// SPDX-License-Identifier: MIT

// Diff: what rules did, and what they do now.

package recording

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"

	"reflexd/agent/rule"
)

// tolerance is how much later a board may come to something than virtual time
// does.
const tolerance = 50 * time.Millisecond

// compared are the outcomes that count: the others follow.
var compared = []rule.Outcome{rule.Fired, rule.Failed}

// Change is a firing that is only in one of two lists.
type Change struct {
	Firing
	Added bool // it is only there now
}

// Diff returns, by rule, the firings that are in only one of the lists, in their
// order of time.
func Diff(before, now []Firing) map[string][]Change {
	changes := map[string][]Change{}
	for name, pair := range byRule(before, now) {
		old, fresh := pair[0], pair[1]
		for len(old)+len(fresh) > 0 {
			switch {
			case len(fresh) == 0 || len(old) > 0 && old[0].At < fresh[0].At-tolerance:
				changes[name] = append(changes[name], Change{old[0], false})
				old = old[1:]
			case len(old) == 0 || fresh[0].At < old[0].At-tolerance:
				changes[name] = append(changes[name], Change{fresh[0], true})
				fresh = fresh[1:]
			default:
				if old[0].What != fresh[0].What || old[0].Event != fresh[0].Event {
					changes[name] = append(changes[name], Change{old[0], false}, Change{fresh[0], true})
				}
				old, fresh = old[1:], fresh[1:]
			}
		}
	}
	return changes
}

func byRule(before, now []Firing) map[string]*[2][]Firing {
	all := map[string]*[2][]Firing{}
	for i, list := range [][]Firing{before, now} {
		for _, f := range list {
			if !slices.Contains(compared, f.What) {
				continue
			}
			if all[f.Rule] == nil {
				all[f.Rule] = &[2][]Firing{}
			}
			all[f.Rule][i] = append(all[f.Rule][i], f)
		}
	}
	return all
}

// String describes f.
func (f Firing) String() string {
	s := fmt.Sprintf("%12.6f  rule %s %s", f.At.Seconds(), strconv.Quote(f.Rule), f.What)
	if f.Why != "" {
		s += ": " + f.Why
	}
	return s + " (" + f.Event + ")"
}

// Write writes what changed, rule by rule in the order of their names. Where a rule
// did not fire any more, it says what it made of the event instead.
func Write(w io.Writer, changes map[string][]Change, now []Firing) {
	for _, name := range slices.Sorted(maps.Keys(changes)) {
		fmt.Fprintf(w, "rule %s:\n", strconv.Quote(name))
		for _, c := range changes[name] {
			sign := "-"
			if c.Added {
				sign = "+"
			}
			fmt.Fprintf(w, "%s %12.6f  %s (%s)%s\n", sign, c.At.Seconds(), c.What, c.Event, instead(c, now))
		}
	}
}

// instead says what a rule made of an event that it does not fire upon any more.
func instead(c Change, now []Firing) string {
	if c.Added {
		return ""
	}
	for _, f := range now {
		near := f.At > c.At-tolerance && f.At < c.At+tolerance
		if f.Rule == c.Rule && near && (f.What == rule.Unmet || f.What == rule.Dropped) {
			return fmt.Sprintf("; now %s: %s", f.What, f.Why)
		}
	}
	return ""
}
