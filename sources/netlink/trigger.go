// SPDX-License-Identifier: MIT

// Triggers: `netlink: NAME`.

package netlink

import (
	"slices"
	"strings"

	"reflexd/config"
	"reflexd/sources"
)

// eventFields are those of every message; fieldsOf knows the rest.
const eventFields = "TYPE FLAGS SEQ PORT GROUP LENGTH"

// Triggers implements sources.Plan.
func (p *Plan) Triggers() []sources.TriggerKind {
	return []sources.TriggerKind{{Key: "netlink", Doc: "a message on a declared socket", Fields: strings.Fields(eventFields), New: p.newTrigger}}
}

// trigger is one `when: {netlink: …}`.
type trigger struct {
	plan *Plan
	refs []sources.Ref
	is   []string
}

func (p *Plan) newTrigger() ([]config.Field, func(*sources.Trigger, *config.Problems)) {
	tr := &trigger{plan: p}
	state := func(s *string) config.Value { return config.OneOf(s, stateMessage, stateError, stateDone) }
	return []config.Field{
		{Name: "netlink", Required: true, Doc: "the name of a declared socket, a pattern of names, or a list of them",
			Value: config.OneOrMore(&tr.refs, sources.RefValue("the name of a socket"))},
		{Name: "is", Default: stateMessage, Doc: "what was received: a message, an error that no action waits for, the end of a multi-part answer",
			Value: config.OneOrMore(&tr.is, state)},
	}, tr.compile
}

func (tr *trigger) compile(t *sources.Trigger, ps *config.Problems) {
	if tr.is == nil {
		tr.is = []string{stateMessage}
	}
	names := tr.plan.all().FindAll(tr.refs, ps)
	t.Fields = tr.fieldsOf(names)
	t.Environ = t.Fields
	if tr.anyField(names) {
		t.Fields = nil
	}
	for _, name := range names {
		for _, state := range tr.is {
			t.Topics = append(t.Topics, sources.Topic{Kind: "netlink", Name: name, State: state})
		}
	}
}

// all are the declared sockets, as triggers refer to them.
func (p *Plan) all() *sources.Declared[*Socket] {
	return &sources.Declared[*Socket]{What: "netlink socket", ByName: p.declared, Example: "netlink: {%s: {protocol: …}}"}
}

// anyField reports whether messages of the sockets can have fields of any name:
// those of attributes.
func (tr *trigger) anyField(names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return tr.plan.declared[name].decodes(asAttrs) })
}

// fieldsOf returns the fields that messages of the sockets can have,
// attributes excepted.
func (tr *trigger) fieldsOf(names []string) []string {
	fields := eventFields
	if slices.Contains(tr.is, stateError) {
		fields += " ERRNO TEXT"
	}
	for _, name := range names {
		s := tr.plan.declared[name]
		if s.decodes(asText) {
			fields += " TEXT"
		}
		if s.decodes(asHex) {
			fields += " DATA"
		}
		if s.generic() {
			fields += " CMD VERSION"
		}
		if s.credentials {
			fields += " SENDER_PID SENDER_UID"
		}
	}
	return strings.Fields(fields)
}
