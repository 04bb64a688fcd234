// SPDX-License-Identifier: MIT

// Waits: rules that begin by waiting where the state that fired them should
// last.

package lint

import (
	"slices"
	"strings"
	"time"

	"reflexd/agent/rule"
	"reflexd/config"
)

// shortestWait is the wait from which on it matters whether the state lasts:
// less is for devices that take their time.
const shortestWait = time.Second

// beginnings and ends are the words of `is` for a state and for its opposite.
var (
	beginnings = []string{"on", "pressed", "rising", "up", "present"}
	ends       = []string{"off", "released", "falling", "down", "absent"}
)

// waiter is a trigger on the state of one thing.
type waiter struct {
	at          config.Pos
	kind, thing string
	state       string // the word of `is`
	begins      bool   // it is one of beginnings
}

// Waits notes rules that begin with a wait and then act even if the state that
// fired them is over, where that is hardly meant: a new firing starts the wait
// again, or another rule acts on the opposite state. A rule that switches
// something off some time after it was last needed is right. whens are the
// triggers of each rule as they are written; state returns which state of a
// line, on or off, a word of `is` stands for, "" if the line is a button.
func Waits(rules []*rule.Rule, whens [][]config.Node, state func(line, word string) string, ps *config.Problems) {
	var all []waiter
	for _, nodes := range whens {
		for _, n := range nodes {
			if w, ok := waiterOf(n); ok {
				all = append(all, w)
			}
		}
	}
	for i, r := range rules {
		if r.Disabled || r.Do.WaitsFirst() < shortestWait || len(whens[i]) != 1 {
			continue
		}
		w, ok := waiterOf(whens[i][0])
		if !ok || w.begins && r.Do.Restores() || r.Mode != rule.Restart && !slices.ContainsFunc(all, w.opposes) {
			continue
		}
		is := w.state
		if w.kind == "line" {
			is = state(w.thing, w.state)
		}
		if is != "" {
			ps.Warnf(w.at, "the rule waits, and then acts even if %s %s is not %s any more: is `is: %s, for: %v` meant, without the wait?",
				w.kind, w.thing, w.state, is, short(r.Do.WaitsFirst()))
		}
	}
}

// short writes a duration without its zeros: 5m, 1h30m.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// opposes reports whether other is on the opposite state of the same thing.
func (w waiter) opposes(other waiter) bool {
	return w.kind == other.kind && w.thing == other.thing && w.begins != other.begins
}

// waiterOf reads a trigger. It is not ok for what is no state of one thing, or
// has `for` already.
func waiterOf(n config.Node) (w waiter, ok bool) {
	is := literals(valueAt(n, "is"))
	if len(is) != 1 || !valueAt(n, "for").Absent() {
		return w, false
	}
	for _, kind := range []string{"line", "link", "input"} {
		if thing := literals(valueAt(n, kind)); len(thing) == 1 {
			w = waiter{at: n.Pos, kind: kind, thing: thing[0], state: is[0], begins: slices.Contains(beginnings, is[0])}
		}
	}
	return w, w.kind != "" && (w.begins || slices.Contains(ends, w.state))
}
