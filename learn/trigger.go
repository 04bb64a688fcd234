// SPDX-License-Identifier: MIT

// The trigger that one event fires, and what links and signals amount to.

package learn

import (
	"fmt"
	"slices"
	"strings"

	"reflexd/sources"
)

// When returns the trigger that e fires, as it stands within the braces of
// `when: {…}`.
func When(e *sources.Event) string {
	name := Word(e.Topic.Name)
	switch e.Topic.Kind {
	case "uevent":
		return "uevent: {" + conditions(e, identifying...) + "}"
	case "signal", "axis":
		return e.Topic.Kind + ": " + name
	case "loss", "link":
		name = Pattern(e.Topic.Name)
	}
	if e.Topic.Kind == "loss" {
		return "loss: " + name
	}
	return fmt.Sprintf("%s: %s, is: %s", e.Topic.Kind, name, e.Topic.State)
}

// identifying are the fields by which one device can be distinguished from another
// again: not where it was plugged in this time.
var identifying = []string{
	"ACTION", "SUBSYSTEM", "DEVTYPE", "DRIVER", "PRODUCT", "INTERFACE", "ID_BUS", "ID_VENDOR_ID", "ID_MODEL_ID", "ID_SERIAL_SHORT",
}

// conditions returns what those of the fields are that e has.
func conditions(e *sources.Event, names ...string) string {
	var list []string
	for _, name := range names {
		if v, ok := e.Lookup(name); ok {
			list = append(list, name+": "+Pattern(v.String()))
		}
	}
	return strings.Join(list, ", ")
}

// linkStates are the states of links in pairs, the most informative first.
var linkStates = [][]string{
	{"up", "down"}, {"added", "removed"}, {"renamed"}, {"address-added", "address-removed"}, {"changed"},
}

// link concludes what happened to a network link.
func (b *Burst) link() []*fragment {
	var seen []string
	for _, e := range b.events {
		if !slices.Contains(seen, e.Topic.State) {
			seen = append(seen, e.Topic.State)
		}
	}
	name := Pattern(b.of)
	var whens []string
	for _, states := range linkStates {
		if slices.Contains(seen, states[0]) || slices.Contains(seen, states[len(states)-1]) {
			whens = append(whens, fill("%, is: %", name, list(states)))
		}
	}
	f := newFragment("link", "The link %: %.", called(b.of), strings.Join(seen, ", "))
	f.rule("link: %", strings.Join(whens, "\n"))
	if stem := strings.TrimRight(b.of, "0123456789"); stem != b.of && plainWord(stem) {
		_, is, _ := strings.Cut(whens[0], ", is: ")
		f.other("link: \""+stem+"*\", is: %", is+"\tany of its kind")
	}
	f.log("${IFNAME} is ${STATE}")
	return []*fragment{f}
}

// signal concludes what was sent to us.
func (b *Burst) signal() []*fragment {
	last := b.events[len(b.events)-1]
	f := newFragment("signal", "% was received from process %.", b.of, text(last, "SENDER_PID"))
	whens := b.of
	if text(last, "CODE") == "queue" {
		whens = fill("%, where: {VALUE: %}\n%\twith any value", b.of, text(last, "VALUE"), b.of)
	}
	f.rule("signal: %", whens)
	f.log("${SIGNAL} from ${SENDER_PID}")
	return []*fragment{f}
}
