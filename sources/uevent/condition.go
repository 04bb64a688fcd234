// SPDX-License-Identifier: MIT

// Complaints about conditions that no uevent meets.

package uevent

import (
	"slices"
	"strings"

	"reflexd/config"
	"reflexd/sources"
)

// actions are the words that the kernel puts into ACTION
// (kobject_actions of lib/kobject_uevent.c).
var actions = []string{"add", "remove", "change", "move", "online", "offline", "bind", "unbind"}

// checkConditions complains of conditions that no event meets.
func checkConditions(n config.Node, ps *config.Problems) {
	for _, e := range n.Entries {
		switch e.Key {
		case "ACTION":
			eachText(e.Value, func(n config.Node) { checkAction(n, ps) })
		case "DEVNAME":
			eachText(e.Value, func(n config.Node) { checkName(n, ps) })
		}
	}
}

// eachText calls f with the texts of a condition: one, a list, or those of a
// `not`.
func eachText(n config.Node, f func(config.Node)) {
	switch n.Kind {
	case config.Scalar:
		f(n)
	case config.List:
		for _, item := range n.Items {
			eachText(item, f)
		}
	case config.Map:
		for _, e := range n.Entries {
			if e.Key == "not" {
				eachText(e.Value, f)
			}
		}
	}
}

func checkAction(n config.Node, ps *config.Problems) {
	known := func(action string) bool { return sources.Glob(n.Text, action) }
	if !slices.ContainsFunc(actions, known) {
		ps.Errorf(n.Pos, "the kernel knows no ACTION %q%s", n.Text, suggestAction(n.Text))
	}
}

func suggestAction(text string) string {
	if s := config.Suggest(text, actions); s != "" {
		return s
	}
	return "; known: " + strings.Join(actions, ", ")
}

func checkName(n config.Node, ps *config.Problems) {
	if n.Text != "" && !strings.ContainsAny(n.Text[:1], "/*?[") {
		ps.Errorf(n.Pos, "DEVNAME is absolute: did you mean %q?", "/dev/"+n.Text)
	}
}
