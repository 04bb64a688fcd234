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

// identifying are the fields by which one device can be told from another
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

// linkStates are the states of links in pairs, the most telling first.
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
	r := rule{log: "${IFNAME} is ${STATE}"}
	for _, states := range linkStates {
		if slices.ContainsFunc(states, func(s string) bool { return slices.Contains(seen, s) }) {
			r.whens = append(r.whens, choice{"link: " + name + ", is: " + list(states), ""})
		}
	}
	if stem := strings.TrimRight(b.of, "0123456789"); stem != b.of && stem != "" {
		family, _, _ := strings.Cut(r.whens[0].yaml, ": ")
		_, states, _ := strings.Cut(r.whens[0].yaml, ", is: ")
		r.whens = append(r.whens, choice{fmt.Sprintf("%s: %s, is: %s", family, Word(stem+"*"), states), "any of its kind"})
	}
	what := fmt.Sprintf("The link %s: %s.", called(b.of), strings.Join(seen, ", "))
	return []*fragment{{kind: "link", what: what, rules: []rule{r}}}
}

// signal concludes what was sent to us.
func (b *Burst) signal() []*fragment {
	last := b.events[len(b.events)-1]
	f := &fragment{kind: "signal", what: fmt.Sprintf("%s was received from process %d.", b.of, number(last, "SENDER_PID"))}
	plain := choice{"signal: " + Word(b.of), ""}
	r := rule{whens: []choice{plain}, log: "${SIGNAL} from ${SENDER_PID}"}
	if text(last, "CODE") == "queue" {
		withValue := fmt.Sprintf("%s, where: {VALUE: %d}", plain.yaml, number(last, "VALUE"))
		plain.why = "with any value"
		r.whens = []choice{{withValue, ""}, plain}
	}
	f.rules = []rule{r}
	return []*fragment{f}
}
