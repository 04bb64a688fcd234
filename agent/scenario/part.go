// SPDX-License-Identifier: MIT

// Parts: an action as `expect` and `results` have it, of which some of what it
// says suffices.

package scenario

import (
	"slices"

	"reflexd/agent/action"
	"reflexd/config"
)

// anything is the shape of a value of which a part may be left out, or be a
// pattern.
var anything = config.Shape{Type: "anything"}

// isAny returns a Value that takes anything.
func isAny() config.Value { return config.Func(anything, func(config.Node, *config.Problems) {}) }

// partOf returns a Value for some of what has the shape: the keys of a mapping
// are looked at, and nothing else.
func partOf(shape config.Shape) config.Value {
	long := shape
	if shape.Or != nil {
		long = *shape.Or
	}
	if long.Type != "mapping" || long.Fields == nil {
		return isAny()
	}
	var fields []config.Field
	for _, f := range long.Fields {
		fields = append(fields, config.Field{Name: f.Name, Also: f.Also, Doc: f.Doc, Value: isAny()})
	}
	if shape.Or == nil {
		return config.Object(fields...)
	}
	return config.Either(config.Func(config.Shape{Type: "some of it"}, func(config.Node, *config.Problems) {}), config.Object(fields...))
}

// actionParts are the kinds of actions as parts.
func actionParts() []config.Variant {
	variants := slices.Clone(action.NewLanguage(nil).Variants())
	for i, v := range variants {
		variants[i].Fields = func() []config.Field {
			f := v.Fields()[0]
			f.Value = partOf(f.Value.Shape())
			return []config.Field{f}
		}
	}
	return variants
}

// oneOf returns a Value for one of several kinds of mapping, each of which has
// fields of its own and the common ones.
func oneOf(what string, variants []config.Variant, common []config.Field) config.Value {
	return config.Choice(what, variants, common, func(key string, _ config.Pos) []config.Field {
		return variants[slices.IndexFunc(variants, func(v config.Variant) bool { return v.Key == key })].Fields()
	})
}
