// SPDX-License-Identifier: MIT

// Values: the levels of lines in strings, ${line.door}.

package gpio

import "reflexd/sources"

// Namespaces implements sources.Namespaced. A line is on or off, by its active
// level, as a condition sees it.
func (p *Plan) Namespaces() []sources.Namespace {
	return []sources.Namespace{{
		Key: "line", What: "line", Example: "lines: {%s: {button: …}}",
		Has:   func(name string) bool { return p.Spec(name) != "" },
		Names: func() []string { return p.declaredLines().Names() },
		Asked: func(string) { p.asked = true },
		Value: func(name string) (sources.Value, bool) {
			switch on, ok := p.source.shown(name); {
			case !ok:
				return sources.Value{}, false
			case on:
				return sources.Text("on"), true
			}
			return sources.Text("off"), true
		},
	}}
}
