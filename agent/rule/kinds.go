// SPDX-License-Identifier: MIT

// What rules are made of: the kinds of trigger and of condition.

package rule

import (
	"reflexd/config"
	"reflexd/sources"
)

// Kinds are the triggers and conditions that rules can have.
type Kinds struct {
	triggers   []sources.TriggerKind
	variants   []config.Variant // of triggers
	questions  []sources.ConditionKind
	conditions []config.Variant // the questions, and what can be asked without a source
}

// NewKinds returns the kinds that the sources have: their triggers, and the
// questions that they answer.
func NewKinds(triggers []sources.TriggerKind, questions []sources.ConditionKind) *Kinds {
	k := &Kinds{triggers: triggers, questions: questions, conditions: []config.Variant{
		{Key: "where", Doc: "what the event's fields must be", Fields: func() []config.Field { return whereFields(new(sources.Where)) }},
		{Key: "time", Doc: "what time of the day it must be, by the board's clock and zone", Fields: new(hours).fields},
		{Key: "any", Doc: "one of several conditions must hold", Fields: func() []config.Field { return nestedFields("any", nil) }},
		{Key: "not", Doc: "a condition must not hold; one of which nothing is known fails either way", Fields: func() []config.Field { return nestedFields("not", nil) }},
	}}
	for _, t := range triggers {
		k.variants = append(k.variants, config.Variant{Key: t.Key, Doc: t.Doc, Fields: func() []config.Field {
			fields, _ := t.New()
			return fields
		}})
	}
	for _, q := range questions {
		k.conditions = append(k.conditions, config.Variant{Key: q.Key, Doc: q.Doc, Fields: func() []config.Field {
			fields, _ := q.New()
			return fields
		}})
	}
	return k
}
