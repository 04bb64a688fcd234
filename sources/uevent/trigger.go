// SPDX-License-Identifier: MIT

// One `when: {uevent: …}`, and which events it hears.

package uevent

import (
	"fmt"
	"slices"

	"reflexd/config"
	"reflexd/sources"
)

// The fields that we add to an event of the kernel's, or that make an event
// of our own.
const (
	// coldplugField is 1 in the event for a device that was there at start.
	// It is "again" in the kernel's own event for a device that was told of
	// in this way already; see trigger.hears.
	coldplugField = "COLDPLUG"
	// rescanField is 1 in an event that stands for one that was lost.
	rescanField = "RESCAN"
)

// again is the mark of a kernel's add that coldplug had told of.
var again = sources.Text("again")

// trigger is one `when: {uevent: …}`.
type trigger struct {
	match      sources.Where
	coldplug   bool
	subsystems []string // nil for any
	key        string   // the same for triggers with the same conditions
	stage      stage
	since      uint64 // the table's stamp when it began to wait
}

// stage is how far coldplug has come for a trigger.
type stage uint8

const (
	waiting stage = iota
	serving
	served
)

func (tr *trigger) waits() bool { return tr.coldplug && tr.stage == waiting }

func (tr *trigger) compile(t *sources.Trigger, coldplugAt config.Pos, ps *config.Problems) {
	tr.subsystems = tr.match.Exact("SUBSYSTEM")
	states := tr.match.Exact("ACTION")
	if tr.coldplug && states != nil && !slices.Contains(states, "add") {
		ps.Errorf(coldplugAt, "coldplug brings ACTION=add, which this trigger does not take")
	}
	for _, name := range orAny(tr.subsystems) {
		for _, state := range orAny(states) {
			t.Topics = append(t.Topics, sources.Topic{Kind: "uevent", Name: name, State: state})
		}
	}
	tr.key = fmt.Sprintf("%#v %#v", tr.match, t.Where)
	t.Restrict(tr.match.Match)
	t.Restrict(tr.hears)
}

func orAny(texts []string) []string {
	if texts == nil {
		return []string{""}
	}
	return texts
}

// hears keeps each device from being told to a trigger twice. Coldplug's
// events are for the triggers that it serves at the time. When the kernel's
// own add comes after all, because we found the device before the kernel had
// announced it, it is for those that coldplug did not serve.
func (tr *trigger) hears(e *sources.Event) bool {
	mark, ok := e.Lookup(coldplugField)
	switch {
	case !ok:
		return true
	case mark == again:
		return !tr.coldplug || tr.stage == waiting
	}
	return tr.coldplug && tr.stage == serving
}
