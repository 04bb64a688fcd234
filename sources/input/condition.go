// SPDX-License-Identifier: MIT

// The conditions `key`, `switch` and `input`: whether a key is down, a switch
// on, and a device there.

package input

import (
	"slices"

	"reflexd/config"
	"reflexd/sources"
)

// Conditions implements sources.Conditional.
func (p *Plan) Conditions() []sources.ConditionKind {
	return []sources.ConditionKind{
		{Key: "key", Doc: "whether a key is down; if no open device has it, it is neither pressed nor released", New: p.newKeyIs},
		{Key: "switch", Doc: "whether a switch is on; if no open device has it, it is neither on nor off", New: p.newSwitchIs},
		{Key: "input", Doc: "whether a declared device is present", New: p.newInputIs},
	}
}

func (p *Plan) newKeyIs() ([]config.Field, func(*config.Problems) sources.Question) {
	var key Key
	var is string
	var from sources.Ref
	q := sources.Question{Kind: "key"}
	fields := []config.Field{
		{Name: "key", Doc: "its name, such as KEY_LEFTCTRL", Required: true, Value: anyKeyValue(&key)},
		{Name: "is", Doc: "the required state", Required: true, Value: config.OneOf(&is, sources.Pressed, sources.Released)},
		sources.FromField(&from), q.ForField(),
	}
	return fields, func(ps *config.Problems) sources.Question {
		if key.isScancode() {
			p.wantKey(from.Name, key)
		} else {
			p.want(from.Name, evKey, key.code)
			add(&p.asks, from.Name, evKey, key.code)
		}
		q.Name = key.String()
		p.ask(&q, is, from, ps)
		return q
	}
}

// ask completes a question for the state of a key or switch of the devices that
// from names. Of several keys, one that is pressed counts; all are released
// only if none is.
func (p *Plan) ask(q *sources.Question, is string, from sources.Ref, ps *config.Problems) {
	p.declared().One(from, ps)
	q.IsOneOf(is)
	if name := from.Name; name != "" {
		q.Among = func(e *sources.Event) bool { return slices.Contains(e.Names, name) }
	}
	q.All = is == sources.Released || is == sources.Off
}

func (p *Plan) newSwitchIs() ([]config.Field, func(*config.Problems) sources.Question) {
	var code uint16
	var is string
	var from sources.Ref
	q := sources.Question{Kind: "switch"}
	fields := []config.Field{
		{Name: "switch", Doc: "its name, such as SW_LID", Required: true, Value: config.Parsed(&code, "switch name", switchNames.parse)},
		{Name: "is", Doc: "the required state", Required: true, Value: config.OneOf(&is, onOff[1], onOff[0])},
		sources.FromField(&from), q.ForField(),
	}
	return fields, func(ps *config.Problems) sources.Question {
		p.want(from.Name, evSw, code)
		q.Name = switchNames.names[code]
		p.ask(&q, is, from, ps)
		return q
	}
}

func (p *Plan) newInputIs() ([]config.Field, func(*config.Problems) sources.Question) {
	var input sources.Ref
	var is string
	q := sources.Question{Kind: "input"}
	fields := []config.Field{
		{Name: "input", Doc: "the name of a device under `inputs`", Required: true,
			Value: sources.RefValue("the name of an input")(&input)},
		{Name: "is", Doc: "the required state", Required: true, Value: config.OneOf(&is, present, absent)},
		q.ForField(),
	}
	return fields, func(ps *config.Problems) sources.Question {
		p.declared().One(input, ps)
		q.Name = input.Name
		q.IsOneOf(is)
		return q
	}
}
