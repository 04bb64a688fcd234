// SPDX-License-Identifier: MIT

// The triggers that no kernel interface stands behind: events that rules send
// each other, the agent's own life, and losses of any source.

package agent

import (
	"slices"
	"strings"

	"reflexd/config"
	"reflexd/sources"
)

// builtinKind serves them in the form of a source that reads nothing.
var builtinKind = sources.Kind{
	Name: "agent",
	Plan: func() sources.Plan { return &builtinPlan{} },
	Open: func(sources.Host) (sources.Source, error) { return builtinSource{}, nil },

	Simulates: true,
}

type builtinSource struct{}

func (builtinSource) Apply(sources.Plan)      {}
func (builtinSource) Status() []sources.State { return nil }
func (builtinSource) Close()                  {}

type builtinPlan struct{ losses []lossOf }

// lossOf is whose losses a trigger asks for.
type lossOf struct {
	pattern string
	at      config.Pos
}

func (*builtinPlan) Sections() []config.Field { return nil }
func (*builtinPlan) Extras() sources.Extras   { return sources.Extras{} }
func (*builtinPlan) Resolve(*config.Problems) {}

func (p *builtinPlan) Triggers() []sources.TriggerKind {
	return []sources.TriggerKind{
		{Key: "event", Doc: "an event that `emit` sent", New: eventTrigger},
		{Key: "agent", Doc: "reflexd itself started, reloaded or stops", Fields: []string{"PID", "VERSION"}, New: agentTrigger},
		{Key: "loss", Doc: "events of a source were lost", Fields: []string{"SOURCE", "COUNT", "HINT", "KNOB"}, New: p.lossTrigger},
	}
}

func eventTrigger() ([]config.Field, func(*sources.Trigger, *config.Problems)) {
	var name string
	field := config.Field{Name: "event", Doc: "its name", Required: true,
		Value: config.Word(&name, "the name of an event")}
	return []config.Field{field}, func(t *sources.Trigger, _ *config.Problems) {
		t.Topics = []sources.Topic{{Kind: "event", Name: name, State: "sent"}}
	}
}

func agentTrigger() ([]config.Field, func(*sources.Trigger, *config.Problems)) {
	var states []string
	var lasting sources.LastingSpec
	word := func(s *string) config.Value { return config.OneOf(s, "started", "stopping", "reloaded") }
	field := config.Field{Name: "agent", Also: "startup start boot", Doc: "what happened, one or a list", Required: true,
		Value: config.OneOrMore(&states, word)}
	fields := append([]config.Field{field}, lasting.Fields("started")[:2]...)
	return fields, func(t *sources.Trigger, ps *config.Problems) {
		if slices.ContainsFunc(states, func(s string) bool { return s != "started" }) {
			lasting.Only("`agent: started`", ps)
		} else {
			lasting.Compile(t, true, "", ps)
		}
		for _, s := range states {
			t.Topics = append(t.Topics, sources.Topic{Kind: "agent", State: s})
		}
	}
}

func (p *builtinPlan) lossTrigger() ([]config.Field, func(*sources.Trigger, *config.Problems)) {
	var asked lossOf
	field := config.Field{Name: "loss", Doc: "the source (gpio, input, uevent, …) or the name of a line or device; a glob", Required: true,
		Value: config.At(&asked.at, config.Word(&asked.pattern, `a source, a name or "*"`))}
	return []config.Field{field}, func(t *sources.Trigger, _ *config.Problems) {
		t.Topics = []sources.Topic{{Kind: "loss"}}
		p.losses = append(p.losses, asked)
		pattern := asked.pattern
		t.Select(func(e *sources.Event) bool {
			_, name, _ := strings.Cut(e.Source, ":")
			return sources.Glob(pattern, e.Topic.Name) || sources.Glob(pattern, name) || sources.Glob(pattern, e.Source)
		})
	}
}

// checkLosses complains of patterns that match neither a source nor one of
// names, what is declared that may lose events.
func (p *builtinPlan) checkLosses(names []string, ps *config.Problems) {
	for _, l := range p.losses {
		whole := func(name string) bool { return sources.Glob(l.pattern, name) }
		if l.pattern != "" && !strings.ContainsAny(l.pattern, "/:") && !slices.ContainsFunc(names, whole) {
			ps.Errorf(l.at, "no source, line or socket is called %q%s", l.pattern, config.Suggest(l.pattern, names))
		}
	}
}
