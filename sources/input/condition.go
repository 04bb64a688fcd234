// SPDX-License-Identifier: MIT

// The conditions `key` and `input`: whether a key is down, and whether a
// device is there.

package input

import (
	"slices"
	"strings"

	"reflexd/config"
	"reflexd/sources"
)

// Conditions implements sources.Conditional.
func (p *Plan) Conditions() []sources.ConditionKind {
	return []sources.ConditionKind{
		{Key: "key", Doc: "whether a key is down; if no open device has it, it is neither pressed nor released", New: p.newKeyIs},
		{Key: "input", Doc: "whether a declared device is present", New: p.newInputIs},
	}
}

func (p *Plan) newKeyIs() ([]config.Field, func(*config.Problems) func() sources.Truth) {
	var code uint16
	var is string
	var from sources.Ref
	fields := []config.Field{
		{Name: "key", Doc: "its name, such as KEY_LEFTCTRL", Required: true, Value: config.Parsed(&code, "key name", KeyCode)},
		{Name: "is", Doc: "the required state", Required: true, Value: config.OneOf(&is, sources.Pressed, sources.Released)},
		sources.FromField(&from),
	}
	return fields, func(ps *config.Problems) func() sources.Truth {
		p.declared().One(from, ps)
		p.want(from.Name, evKey, code)
		p.asked = true
		return func() sources.Truth {
			down, ok := p.source.keyDown(code, from.Name)
			if !ok {
				return sources.Unknown
			}
			return sources.Whether(down == (is == sources.Pressed))
		}
	}
}

func (p *Plan) newInputIs() ([]config.Field, func(*config.Problems) func() sources.Truth) {
	var input sources.Ref
	var is string
	fields := []config.Field{
		{Name: "input", Doc: "the name of a device under `inputs`", Required: true,
			Value: sources.RefValue("the name of an input")(&input)},
		{Name: "is", Doc: "the required state", Required: true, Value: config.OneOf(&is, present, absent)},
	}
	return fields, func(ps *config.Problems) func() sources.Truth {
		p.declared().One(input, ps)
		return func() sources.Truth {
			here, ok := p.source.isPresent(input.Name)
			if !ok {
				return sources.Unknown
			}
			return sources.Whether(here == (is == present))
		}
	}
}

// Subscribes implements sources.SubscriberPlan: where conditions ask for keys, the
// source wants to know how far rules have seen its events.
func (p *Plan) Subscribes() []string {
	if p.asked {
		return []string{"key"}
	}
	return nil
}

// Notify implements sources.Subscriber.
func (s *source) Notify(e *sources.Event) {
	n := s.nodes[strings.TrimPrefix(e.Source, "input:")]
	code, _ := e.Lookup("CODE")
	if number, ok := code.Int(); ok && n != nil && n.device != nil && 0 <= number && number < keyCount {
		setBit(n.device.shown[:], uint16(number), e.Press == sources.Down || e.Press == sources.Repeat || e.Press == sources.StartsDown)
	}
}

// keyDown reports whether the key is down on one of the open devices that
// have it and are declared as from, "" for any; it is not ok if there is none.
// It goes by the events that rules have seen: a batch that was read may hold
// a whole chord, and a rule on its first key must not find it over. A nil
// source knows nothing.
func (s *source) keyDown(code uint16, from string) (down, ok bool) {
	if s == nil {
		return false, false
	}
	for _, n := range s.nodes {
		d := n.device
		if d == nil || !n.id.has.has(evKey, code) || from != "" && !slices.Contains(d.names, from) {
			continue
		}
		ok = true
		down = down || hasBit(d.shown[:], code)
	}
	return down, ok
}
