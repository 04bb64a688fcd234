// SPDX-License-Identifier: MIT

// Package link is the source of network links: cables plugged in and pulled,
// interfaces that come, go and are renamed, and their addresses. It listens to
// what the kernel tells on rtnetlink(7) and keeps a table, so that a rule hears
// of changes and not of the messages that repeat what was known.
package link

import (
	"slices"
	"strings"

	"reflexd/config"
	"reflexd/sources"
)

// Kind is the source in the agent's list.
var Kind = sources.Kind{
	Name: "link",
	Plan: func() sources.Plan { return &Plan{} },
	Open: func(h sources.Host) (sources.Source, error) { return Open(h), nil },

	Simulates: true,
}

// What can happen to a link, as Topic.State.
const (
	added          = "added"
	removed        = "removed"
	up             = "up"
	down           = "down"
	renamed        = "renamed"
	changed        = "changed"
	addressAdded   = "address-added"
	addressRemoved = "address-removed"
)

// fields are the names of the event fields.
var fields = []string{
	"IFNAME", "INDEX", "STATE", "MAC", "MTU", "PREVIOUS", "ADDRESS", "PREFIX", "FAMILY", "SCOPE", "RESCAN", "SYNTHETIC",
}

// Plan is what a configuration asks of links.
type Plan struct {
	// Everything asks for all events, triggers or not.
	Everything bool

	names []string // globs
}

// Sections implements sources.Plan: there is none.
func (p *Plan) Sections() []config.Field { return nil }

// Extras implements sources.Plan.
func (p *Plan) Extras() sources.Extras { return sources.Extras{Conditional: p, Examiner: p} }

// Resolve implements sources.Plan: triggers are complained of where they are
// read.
func (p *Plan) Resolve(*config.Problems) {}

// Triggers implements sources.Plan.
func (p *Plan) Triggers() []sources.TriggerKind {
	return []sources.TriggerKind{{
		Key:    "link",
		Doc:    "a network link or its addresses",
		Fields: fields,
		New:    p.newTrigger,
	}}
}

func (p *Plan) newTrigger() ([]config.Field, func(*sources.Trigger, *config.Problems)) {
	var (
		names, states []string
		at            config.Pos
		lasting       sources.LastingSpec
	)
	name := func(s *string) config.Value { return config.Word(s, "the name of a link") }
	state := func(s *string) config.Value {
		return config.OneOf(s, up, down, added, removed, renamed, changed, addressAdded, addressRemoved)
	}
	yaml := []config.Field{
		{Name: "link", Also: "interface network", Required: true, Value: config.At(&at, config.OneOrMore(&names, name)),
			Doc: "the name, such as eth0: a glob, one or a list"},
		{Name: "is", Required: true, Value: config.OneOrMore(&states, state),
			Doc: "`up`: it has a carrier and can be used; `changed`: its MAC address, MTU or bridge"},
	}
	yaml = append(yaml, lasting.Fields("up and down")...)
	return yaml, func(t *sources.Trigger, ps *config.Problems) {
		isOther := func(s string) bool { return s != up && s != down && s != "" } // "" was complained of
		lasting.Compile(t, !slices.ContainsFunc(states, isOther), up+"` or `is: "+down, ps)
		for _, n := range names {
			checkName(n, at, ps)
		}
		for _, s := range states {
			t.Topics = append(t.Topics, topics(names, s)...)
		}
		t.Select(func(e *sources.Event) bool { return hears(names, e) })
		p.names = append(p.names, names...)
	}
}

// topics are those of a state of the links that names are of: of each, where no
// name is a pattern, and no event can have it as the previous name.
func topics(names []string, state string) []sources.Topic {
	if state != up && state != down || slices.ContainsFunc(names, sources.IsPattern) {
		return []sources.Topic{{Kind: "link", State: state}}
	}
	var all []sources.Topic
	for _, name := range names {
		all = append(all, sources.Topic{Kind: "link", Name: name, State: state})
	}
	return all
}

// Conditions implements sources.Conditional.
func (p *Plan) Conditions() []sources.ConditionKind {
	return []sources.ConditionKind{{
		Key: "link", Doc: "whether a network link has a carrier and can be used; one that does not exist is down",
		New: func() ([]config.Field, func(*config.Problems) sources.Question) {
			var name, is string
			var at config.Pos
			q := sources.Question{Kind: "link"}
			return []config.Field{
					{Name: "link", Required: true, Value: config.At(&at, config.Word(&name, "the name of a link")),
						Doc: "the name, such as eth0, or a glob: one of them is up, or all are down"},
					{Name: "is", Doc: "the required state", Required: true, Value: config.OneOf(&is, up, down)},
					q.ForField(),
				}, func(ps *config.Problems) sources.Question {
					checkName(name, at, ps)
					p.names = append(p.names, name)
					if q.Name = name; sources.IsPattern(name) {
						q.Name, q.Among = "", func(e *sources.Event) bool { return sources.Glob(name, e.Topic.Name) }
					}
					q.IsOneOf(is)
					q.All = is == down
					q.Absent, q.OnceKnown = sources.Whether(is == down), true
					return q
				}
		},
	}}
}

// hears reports whether e is of a link that one of the globs names; one that
// was renamed is named by either name.
func hears(globs []string, e *sources.Event) bool {
	before := ""
	if v, ok := e.Lookup("PREVIOUS"); ok {
		before = v.String()
	}
	return slices.ContainsFunc(globs, func(g string) bool {
		return sources.Glob(g, e.Topic.Name) || before != "" && sources.Glob(g, before)
	})
}

// checkName complains of what no link can be called: dev_valid_name of the
// kernel's net/core/dev.c.
func checkName(name string, at config.Pos, ps *config.Problems) {
	switch {
	case sources.IsPattern(name):
	case len(name) > nameMost:
		ps.Errorf(at, "%[2]q is longer than any link name: at most %[1]d bytes", nameMost, name)
	case name == "." || name == ".." || strings.ContainsAny(name, "/: \t\n\v\f\r"):
		ps.Errorf(at, "%q is not a valid link name", name)
	}
}

// wanted reports whether there is anything to listen for.
func (p *Plan) wanted() bool { return p.Everything || len(p.names) > 0 }
