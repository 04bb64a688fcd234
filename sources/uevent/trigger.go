// SPDX-License-Identifier: MIT

// One `when: {uevent: …}`, and which events it matches.

package uevent

import (
	"slices"
	"strings"

	"reflexd/config"
	"reflexd/sources"
)

// The fields that we add to an event of the kernel's, or that make an event
// of our own.
const (
	// coldplugField is 1 in the event for a device that was there at start.
	// It is "again" in the kernel's own event for a device that was announced
	// in this way already; see trigger.matches.
	coldplugField = "COLDPLUG"
	// rescanField is 1 in an event that stands for one that was lost.
	rescanField = "RESCAN"
	// syntheticField is 1 beside it, as in the events of all sources that were
	// not seen.
	syntheticField = "SYNTHETIC"
)

// again is the mark of a kernel's add that coldplug had announced.
var again = sources.Text("again")

// The stages at which an event is received.
const (
	kernelStage = "kernel"
	udevStage   = "udev"
)

// places are where in the file things stand that may be complained of.
type places struct {
	coldplug, identify config.Pos
	conditions         []config.Entry
}

// trigger is one `when: {uevent: …}`.
type trigger struct {
	match      sources.Where
	where      sources.Where // of the rule
	coldplug   bool
	presence   bool // it hears of devices that are there, or are gone
	stage      string
	identify   bool     // the device's ID_ fields are asked for
	subsystems []string // nil for any
	service    service
	since      uint64 // the table's stamp when it began to wait
}

// service is how far coldplug has come for a trigger.
type service uint8

const (
	waiting service = iota
	serving
	served
)

func (tr *trigger) waits() bool { return tr.coldplug && tr.service == waiting }

func (tr *trigger) compile(t *sources.Trigger, at places, ps *config.Problems) {
	tr.subsystems = tr.match.Exact("SUBSYSTEM")
	states := tr.match.Exact("ACTION")
	tr.presence = states == nil || slices.Contains(states, "add") || slices.Contains(states, "remove")
	tr.checkColdplug(states, at, ps)
	kind := "uevent"
	if tr.stage == udevStage {
		kind = "udev"
	}
	for _, name := range orAny(tr.subsystems) {
		for _, state := range orAny(states) {
			t.Topics = append(t.Topics, sources.Topic{Kind: kind, Name: name, State: state})
		}
	}
	tr.where = t.Where
	t.SelectWhere(tr.match, tr.match.Match)
	if tr.stage == udevStage {
		return
	}
	tr.checkIDs(at.conditions, t, ps)
	t.Named = tr.named
	if tr.coldplug {
		t.Restrict(tr.matches)
	} else {
		t.Select(tr.matches)
	}
}

func (tr *trigger) checkColdplug(states []string, at places, ps *config.Problems) {
	switch {
	case tr.coldplug && states != nil && !slices.Contains(states, "add"):
		ps.Errorf(at.coldplug, "at_start sends ACTION=add, which this trigger does not match")
	case tr.coldplug && tr.stage == udevStage:
		ps.Errorf(at.coldplug, "at_start has no udev properties: it goes with stage: kernel; `udevadm trigger` makes udevd send the events of all devices again")
	}
	if tr.identify && tr.stage == udevStage {
		ps.Errorf(at.identify, "udev's events have their ID_ fields: identify goes with stage: kernel")
	}
}

// checkIDs complains of ID_ fields that nobody makes, and has those looked up
// that there are.
func (tr *trigger) checkIDs(conditions []config.Entry, t *sources.Trigger, ps *config.Problems) {
	for _, e := range conditions {
		tr.checkID(e.Key, e.At, ps)
	}
	for _, name := range t.Where.Fields() {
		tr.checkID(name, t.Pos, ps)
	}
}

func (tr *trigger) checkID(name string, at config.Pos, ps *config.Problems) {
	tr.named(name)
	if isID(name) && !slices.Contains(idFields, name) {
		ps.Errorf(at, "events of the kernel have no %s%s; those of udev need `stage: udev`", name, config.Suggest(name, idFields))
	}
}

// named is called with each field that a condition or a text of the rule names.
func (tr *trigger) named(field string) { tr.identify = tr.identify || isID(field) }

func isID(field string) bool { return strings.HasPrefix(field, "ID_") }

func orAny(texts []string) []string {
	if texts == nil {
		return []string{""}
	}
	return texts
}

// matches keeps each device from matching a trigger twice. Coldplug's
// events are for the triggers that it serves at the time. When the kernel's
// own add comes after all, because we found the device before the kernel had
// announced it, it is for those that coldplug did not serve.
func (tr *trigger) matches(e *sources.Event) bool {
	if _, requested := e.Lookup(requestedField); requested {
		return true
	}
	mark, ok := e.Lookup(coldplugField)
	switch {
	case !ok:
		return true
	case mark == again:
		return !tr.coldplug || tr.service == waiting
	}
	return tr.coldplug && tr.service == serving
}
