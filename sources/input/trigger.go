// SPDX-License-Identifier: MIT

// The triggers of input devices: `key`, `switch` and `axis`.

package input

import (
	"slices"

	"reflexd/config"
	"reflexd/sources"
)

// keyStates are the words that `is` takes for a key.
var keyStates = append(slices.Clone(sources.ButtonStates), sources.Repeated)

// keyFields are the fields of a key's events; of several keys', those of the
// one pressed last.
var keyFields = []string{"KEY", "CODE", "VALUE", "DEVICE", "NAME", "SYNTHETIC", sources.HeldMS, sources.Others}

// Triggers implements sources.Plan.
func (p *Plan) Triggers() []sources.TriggerKind {
	return []sources.TriggerKind{
		{
			Key: "key", Doc: "a key or button of an input device",
			Fields: append(slices.Clone(keyFields), sources.Clicks),
			New:    p.newKey,
		}, {
			Key: "keys", Doc: "several keys together: a chord or a sequence",
			Fields: keyFields,
			New:    p.newKeys,
		}, {
			Key: "switch", Doc: "a switch of an input device, such as a laptop's lid",
			Fields: []string{"SWITCH", "CODE", "VALUE", "DEVICE", "NAME", "SYNTHETIC"},
			New:    p.newSwitch,
		}, {
			Key: "axis", Doc: "an axis or wheel of an input device",
			Fields: []string{"AXIS", "CODE", "VALUE", "PREVIOUS", sources.Steps, "DEVICE", "NAME", "SYNTHETIC"},
			New:    p.newAxis,
		}, {
			Key: "input", Doc: "a declared device appeared, disappeared, became idle or active, or typed a text",
			Fields: []string{"INPUT", "DEVICE", "NAME", idleMS, textField},
			New:    p.newInput,
		},
	}
}

// declared is what `from` and `input` are looked up among.
func (p *Plan) declared() *sources.Declared[*Input] {
	return &sources.Declared[*Input]{What: "input", ByName: p.Inputs, Example: "inputs: {%s: {name: …}}"}
}

// restrict makes t match only what comes from a declared input.
func (p *Plan) restrict(t *sources.Trigger, from sources.Ref, ps *config.Problems) {
	p.declared().One(from, ps)
	t.RestrictFrom(from.Name)
}

func (p *Plan) newKey() ([]config.Field, func(*sources.Trigger, *config.Problems)) {
	var keys []Key
	var button sources.Button
	var exact exact
	var from sources.Ref
	fields := button.Fields([]config.Field{{
		Name: "key", Doc: "its name, such as KEY_POWER or BTN_LEFT, or the scancode of a remote control, such as nec:0x4012; one or a list", Required: true,
		Value: config.OneOrMore(&keys, anyKeyValue),
	}}, keyStates...)
	fields = append(fields, exact.field(), sources.FromField(&from))
	return fields, func(t *sources.Trigger, ps *config.Problems) {
		var names []string
		for _, name := range keyList(keys) {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		button.Compile(t, "key", names, from.Name, ps)
		p.restrict(t, from, ps)
		p.wantKey(from.Name, keys...)
		exact.restrict(p, t, from.Name)
	}
}

func (p *Plan) newKeys() ([]config.Field, func(*sources.Trigger, *config.Problems)) {
	var keys []Key
	var group sources.GroupTrigger
	var exact exact
	var from sources.Ref
	fields := []config.Field{{
		Name: "keys", Doc: "their names, a list", Required: true, Value: config.ListOf(&keys, anyKeyValue),
	}}
	fields = append(fields, group.Fields()...)
	fields = append(fields, exact.field(), sources.FromField(&from))
	return fields, func(t *sources.Trigger, ps *config.Problems) {
		group.Compile(t, "keys", "key", keyList(keys), from.Name, ps)
		p.restrict(t, from, ps)
		p.wantKey(from.Name, keys...)
		if exact.on && group.InOrder() {
			ps.Errorf(t.Pos, "exact goes with `together`: other keys do not disturb a sequence")
		}
		exact.restrict(p, t, from.Name)
	}
}

func keyValue(k *uint16) config.Value { return config.Parsed(k, "key name", KeyCode) }

func anyKeyValue(k *Key) config.Value { return config.Parsed(k, "key name", ParseKey) }

func keyList(keys []Key) []string {
	var names []string
	for _, k := range keys {
		names = append(names, k.String())
	}
	return names
}

// exact is the field `exact`: no other key is down.
type exact struct{ on bool }

func (x *exact) field() config.Field {
	return config.Field{Name: "exact", Doc: "only if no other key of the device is down; this receives all its keys",
		Default: "off", Value: config.Bool(&x.on)}
}

func (x *exact) restrict(p *Plan, t *sources.Trigger, from string) {
	if !x.on {
		return
	}
	p.wantKeys(from)
	t.Select(func(e *sources.Event) bool {
		v, _ := e.Lookup(sources.Others)
		n, ok := v.Int()
		return ok && n == 0
	})
}

func (p *Plan) newSwitch() ([]config.Field, func(*sources.Trigger, *config.Problems)) {
	var code uint16
	var is string
	var from sources.Ref
	fields := []config.Field{
		{Name: "switch", Doc: "its name, such as SW_LID", Required: true,
			Value: config.Parsed(&code, "switch name", switchNames.parse)},
		{Name: "is", Doc: "what happened", Required: true, Value: config.OneOf(&is, "on", "off", "changed")},
		sources.FromField(&from),
	}
	var lasting sources.LastingSpec
	fields = append(fields, lasting.Fields("on and off")...)
	return fields, func(t *sources.Trigger, ps *config.Problems) {
		lasting.Compile(t, is != "changed", "on` or `is: off", ps)
		for _, state := range onOff {
			if is == state || is == "changed" {
				t.Topics = append(t.Topics, sources.Topic{Kind: "switch", Name: switchNames.names[code], State: state})
			}
		}
		p.restrict(t, from, ps)
		p.take(from.Name, evSw, code)
	}
}

func (p *Plan) newAxis() ([]config.Field, func(*sources.Trigger, *config.Problems)) {
	a := axis{typ: evAbs}
	var is string
	var at config.Pos
	crossing := sources.Crossing{Integers: true}
	var from sources.Ref
	fields := []config.Field{
		{Name: "axis", Doc: "its name, such as ABS_X or REL_WHEEL", Required: true,
			Value: config.At(&at, config.Parsed(&a, "axis name", parseAxis))},
		{Name: "is", Doc: "what happened", Default: "changed", Value: config.OneOf(&is, "changed")},
	}
	fields = append(append(fields, crossing.Fields()...), sources.FromField(&from))
	return fields, func(t *sources.Trigger, ps *config.Problems) {
		t.Topics = []sources.Topic{{Kind: "axis", Name: a.name(), State: "changed"}}
		crossing.Restrict(t, at, ps)
		a.checkSteps(&crossing, at, ps)
		p.restrict(t, from, ps)
		p.take(from.Name, a.typ, a.code)
	}
}

// checkSteps complains of a range that a wheel's steps, each of which comes from
// 0, can never enter.
func (a axis) checkSteps(c *sources.Crossing, at config.Pos, ps *config.Problems) {
	if a.typ == evRel && c.Limited() && c.Holds(sources.Number{}) {
		ps.Errorf(at, "each step of %s starts from 0, which is already within the bounds: this can never fire", a.name())
	}
}
