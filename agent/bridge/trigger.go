// SPDX-License-Identifier: MIT

// What rules ask of the broker: the triggers `mqtt` and `broker`, and the
// condition `broker`.

package bridge

import (
	"strings"

	"reflexd/client"
	"reflexd/client/topic"
	"reflexd/config"
	"reflexd/sources"
)

// The states of the connection to the broker.
const (
	connected    = "connected"
	disconnected = "disconnected"
)

const received = "received"

// Triggers implements sources.Plan.
func (p *Plan) Triggers() []sources.TriggerKind {
	return []sources.TriggerKind{
		{Key: "mqtt", Doc: "a message from the broker", Environ: []string{"TOPIC", "PAYLOAD", "RETAINED"}, New: p.newOnMessage},
		{Key: "broker", Doc: "the connection of reflexd-mqtt to the broker", Fields: []string{"BROKER", "REASON"}, New: p.newOnBroker},
	}
}

func (p *Plan) newOnMessage() ([]config.Field, func(*sources.Trigger, *config.Problems)) {
	var filter string
	var at config.Pos
	var lasting sources.LastingSpec
	atStart := lasting.AtStartField()
	atStart.Doc, atStart.Default = "retained messages fire it, too", "off"
	return []config.Field{
			{Name: "mqtt", Also: "topic", Doc: "a topic below the base topic; + stands for one level, # for all that follow", Required: true,
				Value: config.At(&at, config.Parsed(&filter, "a topic filter", topic.ParseFilter))},
			atStart,
		}, func(t *sources.Trigger, ps *config.Problems) {
			p.CheckDeclared("mqtt", at, ps)
			about := sources.Topic{Kind: "mqtt", State: received}
			if !strings.ContainsAny(filter, "+#") {
				about.Name = filter
			}
			t.Topics = []sources.Topic{about}
			retained := lasting.AtStart
			t.Select(func(e *sources.Event) bool { return topic.Match(filter, e.Topic.Name) && (retained || !isRetained(e)) })
			p.subscribe(filter, retained)
		}
}

// CheckDeclared complains of a use of MQTT without the section.
func (p *Plan) CheckDeclared(what string, at config.Pos, ps *config.Problems) {
	if !p.Declared() {
		ps.Errorf(at, "%s needs the section mqtt: mqtt: {broker: mqtts://HOST}", what)
	}
}

// subscribe notes that a rule waits for what matches the filter.
func (p *Plan) subscribe(filter string, retained bool) {
	if filter == "" {
		return // complained of
	}
	for i := range p.settings.Subscribe {
		if s := &p.settings.Subscribe[i]; s.Filter == filter {
			s.Retained = s.Retained || retained
			return
		}
	}
	p.settings.Subscribe = append(p.settings.Subscribe, client.Subscription{Filter: filter, Retained: retained})
}

func isRetained(e *sources.Event) bool {
	_, ok := e.Lookup("RETAINED")
	return ok
}

func (p *Plan) newOnBroker() ([]config.Field, func(*sources.Trigger, *config.Problems)) {
	var states []string
	var at config.Pos
	var lasting sources.LastingSpec
	word := func(s *string) config.Value { return config.OneOf(s, connected, disconnected) }
	fields := []config.Field{{Name: "broker", Doc: "the state of the connection, one or a list; without reflexd-mqtt it is disconnected", Required: true,
		Value: config.At(&at, config.OneOrMore(&states, word))}}
	return append(fields, lasting.Fields("a state")...), func(t *sources.Trigger, ps *config.Problems) {
		p.CheckDeclared("broker", at, ps)
		lasting.Compile(t, true, "", ps)
		for _, s := range states {
			t.Topics = append(t.Topics, sources.Topic{Kind: "broker", State: s})
		}
	}
}

// Conditions implements sources.Conditional.
func (p *Plan) Conditions() []sources.ConditionKind {
	return []sources.ConditionKind{{
		Key: "broker", Doc: "whether reflexd-mqtt is connected to the broker",
		New: func() ([]config.Field, func(*config.Problems) sources.Question) {
			var is string
			var at config.Pos
			q := sources.Question{Kind: "broker"}
			return []config.Field{
					{Name: "broker", Doc: "the required state", Required: true, Value: config.At(&at, config.OneOf(&is, connected, disconnected))},
					q.ForField(),
				}, func(ps *config.Problems) sources.Question {
					p.CheckDeclared("broker", at, ps)
					q.IsOneOf(is)
					q.Absent = sources.Whether(is == disconnected)
					return q
				}
		},
	}}
}
