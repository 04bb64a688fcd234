// SPDX-License-Identifier: MIT

// The verb schema: a JSON Schema of the configuration, from the same
// declarations that read it, for editors that complete and explain.

package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"reflexd/agent"
	"reflexd/agent/scenario"
	"reflexd/config"
)

func schemaVerb(c *command) func([]string) int {
	return func(args []string) int {
		switch {
		case len(args) == 0:
			return c.printJSON(schemaOf(agent.Language()), done)
		case len(args) == 1 && args[0] == "tests":
			return c.printJSON(schemaOfTests(scenario.Shape()), done)
		}
		return c.usage("expected `tests`, or nothing for the schema of the configuration")
	}
}

// schema is a JSON Schema. It accepts what the language does, and more where
// that depends on other parts of the file or on the board.
type schema map[string]any

// schemaOf returns the schema of a configuration file.
func schemaOf(language config.Shape) schema {
	s := &schemas{defs: map[string]schema{"value": valueTest()}, scalars: scalars()}
	root := s.root(language, "configuration of reflexd")
	root["type"] = []string{"object", "null"} // a file of comments is empty
	return root
}

// schemaOfTests returns the schema of a file of tests. A parameter of `each` may
// stand for any word, and for the key of a step.
func schemaOfTests(tests config.Shape) schema {
	s := &schemas{defs: map[string]schema{"parameter": {"type": "string", "pattern": parameterPattern}}, scalars: scalars(), parameters: true}
	return s.root(tests, "tests of rules of reflexd")
}

func (s *schemas) root(shape config.Shape, title string) schema {
	root := s.of(shape)
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = title
	root["$defs"] = s.defs
	return root
}

// schemas collects those that others refer to.
type schemas struct {
	defs    map[string]schema // by their names
	scalars map[string]schema // see scalars
	// parameters is set if ${name} may stand for a word.
	parameters bool
}

func reference(name string) schema { return schema{"$ref": "#/$defs/" + name} }

// of returns the schema of a shape.
func (s *schemas) of(shape config.Shape) schema {
	if shape.Or == nil {
		return s.form(shape)
	}
	short, long := shape, *shape.Or
	short.Or = nil
	return schema{"anyOf": []schema{s.of(short), s.of(long)}}
}

// form returns the schema of a shape with one form.
func (s *schemas) form(shape config.Shape) schema {
	switch {
	case len(shape.Variants) > 0:
		return s.choice(shape)
	case shape.Elem != nil && shape.Type == "mapping":
		return schema{"type": "object", "additionalProperties": s.of(*shape.Elem)}
	case shape.Elem != nil:
		elem := s.of(*shape.Elem)
		list := schema{"type": "array", "items": elem}
		if shape.Type == "list" {
			return list
		}
		list["minItems"] = 1
		return schema{"anyOf": []schema{elem, list}}
	case shape.Fields != nil:
		return s.object(shape.Fields)
	case len(shape.Words) > 0:
		return s.orParameter(words(shape.Words))
	}
	return s.orParameter(s.scalar(shape.Type))
}

// orParameter returns the schema of a word, for which a parameter may stand.
func (s *schemas) orParameter(word schema) schema {
	if !s.parameters || len(word) == 0 {
		return word
	}
	return schema{"anyOf": []schema{word, reference("parameter")}}
}

// choice returns a reference to the schema of a mapping that is one of several kinds.
func (s *schemas) choice(shape config.Shape) schema {
	words := strings.Fields(shape.Type)
	name := words[len(words)-1]
	if s.defs[name] == nil {
		s.defs[name] = schema{} // conditions hold conditions
		var kinds []schema
		for _, v := range shape.Variants {
			kind := s.object(append(slices.Clone(v.Fields()), shape.Fields...))
			kind["title"], kind["description"] = shape.Type+": "+v.Key, sentence(v.Doc)
			kinds = append(kinds, kind)
		}
		if s.parameters {
			noKey := schema{"propertyNames": schema{"not": reference("parameter")}}
			kinds = append(kinds, schema{"title": shape.Type + ": a parameter", "type": "object", "not": noKey})
		}
		s.defs[name]["anyOf"] = kinds
	}
	return reference(name)
}

func (s *schemas) object(fields []config.Field) schema {
	properties, required := map[string]schema{}, []string{}
	for _, f := range fields {
		p := s.of(f.Value.Shape())
		p["description"] = sentence(f.Doc)
		if f.Default != "" {
			p["description"] = fmt.Sprintf("%s (default: %s)", sentence(f.Doc), f.Default)
		}
		properties[f.Name] = p
		if f.Required {
			required = append(required, f.Name)
		}
	}
	object := schema{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		object["required"] = required
	}
	return object
}

// words returns the schema of an enumeration. A parser for YAML 1.1 makes
// booleans of on and off.
func words(all []string) schema {
	var values []any
	for _, word := range all {
		values = append(values, word)
	}
	for i, word := range []string{"off", "on"} {
		if slices.Contains(all, word) {
			values = append(values, i == 1)
		}
	}
	return schema{"enum": values}
}

const (
	durationPattern = `([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)`
	spansPattern    = `\+?(` + durationPattern + `)+`
	globPattern     = `^([^\[]|\[[^\]]*\])*$`
	boolPattern     = `[Oo][Nn]|[Oo][Ff][Ff]|[Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]`
	levelPattern    = `(100(\.0*)?|[0-9]?[0-9](\.[0-9]*)?)%`
	// parameterPattern matches what a parameter is in, as a file of tests has them.
	parameterPattern = `\$\{[a-z0-9_]+\}`
	clockPattern     = ` *[0-9]{1,2}:[0-9]{2} *`
)

// anyWord are what an editor takes a word of a file for.
var anyWord = []string{"string", "number", "boolean"}

// patterns are the types that are words of some form: what an editor may take them
// for, the form, and the least and the most where it takes one for a number.
var patterns = []struct{ name, types, pattern, least, most string }{
	{"duration such as -30m", "string", "^[+-]?(0|" + spansPattern + ")$", "", ""},
	{"duration or none", "string", "^(none|" + spansPattern + ")$", "", ""},
	{"number/duration", "string", "^ *[0-9]+ */ *" + spansPattern + " *$", "", ""},
	{"HH:MM-HH:MM", "string", "^" + clockPattern + "-" + clockPattern + "$", "", ""},
	{"a percentage such as 40%", "string", "^" + levelPattern + "$", "", ""},
	{"a frequency", "string", `^[0-9.]+[kM]?Hz$`, "", ""},
	{"median N or mean N", "string", `^(median|mean) +[0-9]+ *$`, "", ""},
	{"a percentage", "string integer", "^[1-9][0-9]?%?$", "1", "99"},
	{"a number or a percentage", "string integer", "^[0-9]+%?$", "0", ""},
	{"size such as 64M", "string", "^[0-9]+[KMG]$", "", ""},
	{"size such as 64K or 1M", "string integer", "^[0-9]+[KM]*$", "", ""},
	{"an octal number such as 022", "string integer", "^[0-7]+$", "0", ""},
	{"vendor:product", "string number", `^([0-9A-Fa-f]+|\*):([0-9A-Fa-f]+|\*)$`, "", ""},
	{"a pattern", "string number boolean", globPattern, "", ""},
	{"a pattern for a path", "string", globPattern, "", ""},
	{"an absolute path", "string", "^/", "", ""},
	{"a number", "string number", `^[+-]?[0-9]+(\.[0-9]+)?$`, "", ""},
	{"an integer", "string integer", "^[+-]?[0-9]+$", "", ""},
	{"an integer or ${FIELD}", "string integer", `^([+-]?[0-9]+|.*\$.*)$`, "", ""},
	{"a user's number", "string integer", "^[0-9]+$", "0", ""},
	{"auto or a number", "string integer", "^(auto|[0-9]+)$", "1", ""},
	{"kernel, any or a port", "string integer", "^(kernel|any|[0-9]+)$", "0", ""},
}

// scalars has the schemas of types that say more than that they are scalars,
// by the names that the language has for them.
func scalars() map[string]schema {
	text := append(slices.Clone(anyWord), "null") // ~ is a word like others
	all := map[string]schema{
		"duration":                              {"anyOf": []schema{{"type": "string", "pattern": "^(0|" + spansPattern + ")$", "patternErrorMessage": "Expected a duration such as 200ms, 3s or 1h30m"}, {"const": 0}}},
		"on or off":                             onOff(),
		"on, off, toggle or a percentage":       level("toggle"),
		"on, off or a percentage":               level(),
		"keep, off, on or a percentage":         level("keep"),
		"log or none":                           {"enum": []string{"log", "none"}},
		"string":                                {"type": text},
		"anything":                              {},
		"some of it":                            {"type": append(slices.Clone(anyWord), "array")},
		"string with ${FIELDS}":                 {"type": text},
		"condition":                             reference("condition"),
		"list of conditions":                    {"type": "array", "items": reference("condition"), "minItems": 1},
		"value, pattern, list or comparison":    reference("value"),
		"mapping of event fields to conditions": {"type": "object", "propertyNames": schema{"pattern": "^[A-Z_][A-Z0-9_]*$"}, "additionalProperties": reference("value")},
	}
	for _, p := range patterns {
		s := schema{"type": p.types, "pattern": p.pattern}
		if types := strings.Fields(p.types); len(types) > 1 {
			s["type"] = types
		}
		if p.least != "" {
			s["minimum"] = json.Number(p.least)
		}
		if p.most != "" {
			s["maximum"] = json.Number(p.most)
		}
		all[p.name] = s
	}
	return all
}

// scalar returns the schema of a type by its name.
func (s *schemas) scalar(name string) schema {
	if low, high, ok := integers(name); ok {
		return schema{"type": []string{"string", "integer"}, "pattern": "^[+-]?[0-9]+$", "minimum": low, "maximum": high}
	}
	known, ok := s.scalars[name]
	if !ok {
		return schema{"type": anyWord, "minLength": 1}
	}
	if known["$ref"] != nil || len(known) == 0 {
		return maps.Clone(known)
	}
	slug := strings.Join(strings.FieldsFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }), "-")
	s.defs[slug] = known
	return reference(slug)
}

// integers returns the limits of the type "an integer from 1 to 5". A scanner
// of fmt would bring 30 KB along.
func integers(name string) (low, high int, ok bool) {
	limits, ok := strings.CutPrefix(name, "an integer from ")
	from, to, _ := strings.Cut(limits, " to ")
	low, err := strconv.Atoi(from)
	high, errHigh := strconv.Atoi(to)
	return low, high, ok && err == nil && errHigh == nil
}

// onOff returns the schema of on and off, as words and as the booleans that a
// parser for YAML 1.1 makes of them, and of more words.
func onOff(more ...string) schema {
	return schema{"anyOf": []schema{
		{"enum": append([]string{"on", "off"}, more...)},
		{"type": "boolean"},
		{"type": "string", "pattern": "^(" + boolPattern + ")$"},
	}}
}

// level returns the schema of a level of an output: on, off, more words, or a percentage.
func level(more ...string) schema {
	s := onOff(more...)
	s["anyOf"] = append(s["anyOf"].([]schema), schema{"type": "string", "pattern": "^" + levelPattern + "$"})
	return s
}

// valueTest returns the schema of a test of one field's value.
func valueTest() schema {
	return schema{"anyOf": []schema{
		{"type": anyWord, "pattern": globPattern},
		{"type": "array", "items": reference("value"), "minItems": 1},
		{"type": "object", "minProperties": 1, "additionalProperties": false, "properties": map[string]schema{
			"not":   {"anyOf": []schema{reference("value")}, "description": "None of these"},
			"above": {"type": []string{"string", "integer"}, "pattern": "^[+-]?[0-9]+$", "description": "More than this"},
			"below": {"type": []string{"string", "integer"}, "pattern": "^[+-]?[0-9]+$", "description": "Less than this"},
		}},
	}}
}
