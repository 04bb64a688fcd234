// SPDX-License-Identifier: MIT

package netlink

import (
	"encoding/hex"
	"fmt"

	"reflexd/sources"
)

// Simulated returns the event of a message, or with another state, on the declared
// socket name, whose payload is text, or data in hex, for tests of rules.
func (p *Plan) Simulated(name, is, text, data string, more []sources.Field) (*sources.Event, error) {
	switch {
	case p.declared[name] == nil:
		return nil, fmt.Errorf("no netlink socket %q is declared", name)
	case is == "":
		is = stateMessage
	}
	payload := []byte(text)
	if data != "" {
		var err error
		if payload, err = hex.DecodeString(data); err != nil {
			return nil, fmt.Errorf("data: %w", err)
		}
	}
	var f fields
	for _, field := range []string{"TYPE", "FLAGS", "SEQ", "PORT", "GROUP"} {
		f.number(field, 0)
	}
	f.number("LENGTH", int64(len(payload)))
	if s := p.declared[name]; s.decodes(asText) {
		f.text("TEXT", printable(payload))
	}
	if p.declared[name].decodes(asHex) {
		f.text("DATA", hex.EncodeToString(payload))
	}
	return &sources.Event{
		Topic: sources.Topic{Kind: "netlink", Name: name, State: is}, Source: "netlink:" + name,
		Fields: sources.Overlay(f, more),
	}, nil
}
