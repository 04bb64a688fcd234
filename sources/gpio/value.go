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
		Value: func(name string) (sources.Value, bool) { return p.source.value(name) },
	}}
}

// value returns on or off, as rules have seen the line: several edges may have
// been read of which they have not seen all. A nil source knows nothing.
func (s *Source) value(name string) (sources.Value, bool) {
	on, ok := s.level(name)
	if !ok {
		return sources.Value{}, false
	}
	if l := s.lines[name]; !l.output && l.stateful() && s.host.State != nil {
		state := s.host.State("line", name)
		return sources.Text(state), state != ""
	}
	return sources.Text(sources.OnOff(on)), true
}
