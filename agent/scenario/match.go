// SPDX-License-Identifier: MIT

// Match: an action as it is expected, and as it was done.

package scenario

import (
	"slices"
	"strings"

	"reflexd/config"
	"reflexd/sources"
)

// mainKeys are the keys of actions that the short form stands for.
var mainKeys = map[string]string{
	"run": "command", "shell": "script", "unmount": "target", "mount": "device", "eject": "device", "key": "keys", "emit": "name",
}

// matches reports whether what was done says all that is expected of it: of a
// list its beginning, of a mapping some keys, of a word a pattern.
func matches(expected, done config.Node) bool {
	for _, e := range expected.Entries {
		i := slices.IndexFunc(done.Entries, func(d config.Entry) bool { return d.Key == e.Key })
		if i < 0 || !says(longForm(e.Key, e.Value), longForm(e.Key, done.Entries[i].Value)) {
			return false
		}
	}
	return true
}

// longForm returns the value of an action as a mapping, if it can be one.
func longForm(kind string, n config.Node) config.Node {
	key := mainKeys[kind]
	if key == "" || n.Kind == config.Map {
		return n
	}
	return config.Node{Pos: n.Pos, Kind: config.Map, Entries: []config.Entry{{Key: key, At: n.Pos, Value: n}}}
}

func says(expected, done config.Node) bool {
	switch {
	case expected.Kind == config.Map && done.Kind == config.Map:
		return matches(expected, done)
	case expected.Kind == config.List && done.Kind == config.List:
		if len(expected.Items) > len(done.Items) {
			return false
		}
		for i := range expected.Items {
			if !says(expected.Items[i], done.Items[i]) {
				return false
			}
		}
		return true
	case expected.Kind == config.List && done.Kind == config.Scalar:
		return len(expected.Items) == 1 && says(expected.Items[0], done)
	case expected.Kind == config.Scalar && done.Kind == config.List:
		return len(done.Items) == 1 && says(expected, done.Items[0])
	}
	return expected.Kind == done.Kind && (expected.Text == done.Text || sources.Glob(expected.Text, done.Text))
}

// filled returns n with its words filled in.
func filled(n config.Node, fill func(string) string) config.Node {
	if n.Kind == config.Scalar && strings.Contains(n.Text, "$") {
		n.Text = fill(n.Text)
	}
	n.Items, n.Entries = slices.Clone(n.Items), slices.Clone(n.Entries)
	for i := range n.Items {
		n.Items[i] = filled(n.Items[i], fill)
	}
	for i := range n.Entries {
		n.Entries[i].Value = filled(n.Entries[i].Value, fill)
	}
	return n
}
