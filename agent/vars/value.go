// SPDX-License-Identifier: MIT

// Values: variables in strings, ${var.mode}, and in tests.

package vars

import "reflexd/sources"

// Namespaces implements sources.Namespaced.
func (p *Plan) Namespaces() []sources.Namespace {
	return []sources.Namespace{{
		Key: "var", What: "variable", Example: "vars: {%s: {}}",
		Has:   func(name string) bool { return p.vars[name] != nil },
		Names: p.Names,
		Value: func(name string) (sources.Value, bool) {
			return p.value(name)
		},
	}}
}

// value returns what the variable is. It is not ok before p is applied.
func (p *Plan) value(name string) (value sources.Value, ok bool) {
	if p.source == nil {
		return sources.Value{}, false
	}
	value, ok = p.source.values[name]
	return value, ok
}

// Refer implements sources.Referrer.
func (p *Plan) Refer(resolve sources.Resolver) { p.resolve = resolve }
