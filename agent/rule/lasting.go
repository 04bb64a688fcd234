// SPDX-License-Identifier: MIT

// What people write of triggers that know no states, as if they did.

package rule

import (
	"slices"

	"reflexd/config"
)

// instead is what to write instead of a key that goes with states only.
var instead = map[string]string{
	"for": "to act later, begin `do` with `wait: 5m`; if another event ends what this one begins, " +
		"keep it in a variable and use {var: NAME, is: VALUE, for: 5m}",
	"repeat":   "to act again and again, use {timer: 5m} with a condition",
	"at_start": "to act at the start, add the trigger {agent: started}",
}

// withoutLasting takes out of a trigger what goes with states, if its kind has
// none, and complains with what to write instead: a better complaint than that
// the key is unknown.
func (k *Kinds) withoutLasting(n config.Node, ps *config.Problems) config.Node {
	if n.Kind != config.Map || !hasLasting(n.Entries) {
		return n
	}
	kind := slices.IndexFunc(n.Entries, func(e config.Entry) bool { return k.trigger(e.Key) >= 0 })
	if kind < 0 {
		return n
	}
	what := n.Entries[kind].Key
	fields, _ := k.triggers[k.trigger(what)].New()
	n.Entries = slices.DeleteFunc(slices.Clone(n.Entries), func(e config.Entry) bool {
		help := instead[e.Key]
		if help == "" || slices.ContainsFunc(fields, func(f config.Field) bool { return f.Name == e.Key }) {
			return false
		}
		if e.Key == "at_start" && slices.Contains([]string{"key", "keys", "lines"}, what) {
			help = "a button that is down at the start must be released first"
		}
		ps.Errorf(e.At, "%s goes with states, which last, and %q matches events: %s", e.Key, what, help)
		return true
	})
	return n
}

// hasLasting reports whether one of the keys goes with states only.
func hasLasting(entries []config.Entry) bool {
	for i := range entries {
		if instead[entries[i].Key] != "" {
			return true
		}
	}
	return false
}

// trigger returns the number of the kind of trigger with that key, -1 for none.
func (k *Kinds) trigger(key string) int {
	for i := range k.triggers {
		if k.triggers[i].Key == key {
			return i
		}
	}
	return -1
}
