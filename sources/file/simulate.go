// SPDX-License-Identifier: MIT

package file

import (
	"encoding/hex"
	"fmt"
	"slices"

	"reflexd/sources"
)

// Simulated returns the event that something happened to the declared file name
// and, where text is not nil, that this was read, for tests of rules. An is of
// "" is what mostly happens to such a file.
func (p *Plan) Simulated(name, is string, text *string, more []sources.Field) (*sources.Event, error) {
	f := p.files[name]
	if f == nil {
		return nil, fmt.Errorf("no file %q is declared", name)
	}
	if is == "" {
		is = mainState(f.watch)
	}
	if !slices.Contains(states, is) || !fits(f.watch, is) {
		return nil, fmt.Errorf("%s never happens: %s has `watch: %s`", is, name, f.watch)
	}
	fields := []sources.Field{{Name: "FILE", Value: sources.Text(name)}, {Name: "PATH", Value: sources.Text(f.path)}}
	if text != nil {
		fields = append(fields, sources.Field{Name: "TEXT", Value: sources.Text(*text)},
			sources.Field{Name: "DATA", Value: sources.Text(hex.EncodeToString([]byte(*text)))})
	}
	return &sources.Event{
		Topic: sources.Topic{Kind: "file", Name: name, State: is}, Source: "file:" + name,
		Fields: sources.Overlay(fields, more),
	}, nil
}
