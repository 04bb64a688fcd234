// SPDX-License-Identifier: MIT

// Scope: the subsystems that matter.

package uevent

// scope is a set of subsystems.
type scope struct {
	all   bool
	names map[string]bool
}

func (sc scope) has(subsystem string) bool { return sc.all || sc.names[subsystem] }

// covers reports whether all that is in other is in sc.
func (sc scope) covers(other scope) bool {
	if sc.all || other.all {
		return sc.all
	}
	for name := range other.names {
		if !sc.names[name] {
			return false
		}
	}
	return true
}

// both returns what is in sc and in other.
func (sc scope) both(other scope) scope {
	if sc.all {
		return other
	}
	names := map[string]bool{}
	for name := range sc.names {
		if other.has(name) {
			names[name] = true
		}
	}
	return scope{names: names}
}
