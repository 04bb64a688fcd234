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

// buttonActions are those of OpenWrt's driver gpio-button-hotplug, whose events
// are about no device.
var buttonActions = []string{"pressed", "released"}

// checkConditions complains of conditions that no event meets.
func checkConditions(n config.Node, ps *config.Problems) {
	for _, e := range n.Entries {
		checkKey(e, ps)
		switch e.Key {
		case "ACTION":
			eachText(e.Value, func(n config.Node) { checkAction(n, ps) })
		case "DEVNAME":
			eachText(e.Value, func(n config.Node) { checkName(n, ps) })
		}
	}
}

// commonKeys are the keys of the kernel's events that rules mostly ask for.
// Drivers have more of their own.
var commonKeys = []string{
	"ACTION", "SUBSYSTEM", "DEVPATH", "DEVNAME", "DEVTYPE", "DRIVER", "MODALIAS", "MAJOR", "MINOR", "SEQNUM", "DEVPATH_OLD",
	"PRODUCT", "TYPE", "INTERFACE", "IFINDEX", "BUSNUM", "DEVNUM", "DISKSEQ", "PARTN", "PARTNAME", "PHYS", "UNIQ", "NAME",
	"COLDPLUG", "RESCAN", "SYNTHETIC", "REQUESTED", "STAGE", "BUTTON",
}

// checkKey warns of what is probably a slip: no list has all keys there are.
func checkKey(e config.Entry, ps *config.Problems) {
	const short = 4 // short names are like many others
	if len(e.Key) <= short || isID(e.Key) || slices.Contains(commonKeys, e.Key) || !sources.ValidField(e.Key) {
		return
	}
	if hint := config.Suggest(e.Key, commonKeys); hint != "" {
		ps.Warnf(e.At, "%s is not a well-known key of the kernel%s", e.Key, hint)
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
	if n.Absent() || !sources.ValidGlob(n.Text) {
		return // complained of already
	}
	known := func(action string) bool { return sources.Glob(n.Text, action) }
	if !slices.ContainsFunc(actions, known) && !slices.ContainsFunc(buttonActions, known) {
		ps.Errorf(n.Pos, "the kernel has no ACTION %q%s", n.Text, suggestAction(n.Text))
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
