// SPDX-License-Identifier: MIT

// Incoming messages: what the bridge delivers becomes an event.

package bridge

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"reflexd/client"
	"reflexd/client/topic"
	"reflexd/sources"
)

// mostFields is how many fields are made of a JSON payload.
const mostFields = 64

// Received returns the event that m has come, or why no rule may see it.
func (p *Plan) Received(m *client.Message) (*sources.Event, error) {
	switch {
	case topic.CheckOwn(m.Topic) != nil:
		return nil, topic.CheckOwn(m.Topic)
	case !utf8.ValidString(m.Payload) || strings.Contains(m.Payload, "\x00"):
		return nil, fmt.Errorf("the payload of %q holds a NUL, or is not UTF-8", m.Topic)
	case !slices.ContainsFunc(p.settings.Subscribe, func(s client.Subscription) bool { return topic.Match(s.Filter, m.Topic) }):
		return nil, fmt.Errorf("no rule matches the topic %q", m.Topic)
	}
	e := &sources.Event{Topic: sources.Topic{Kind: "mqtt", Name: m.Topic, State: received}, Source: "mqtt",
		Fields: []sources.Field{{Name: "TOPIC", Value: sources.Text(m.Topic)}, {Name: "PAYLOAD", Value: sources.Text(m.Payload)}}}
	if m.Retained {
		e.Fields = append(e.Fields, sources.Field{Name: "RETAINED", Value: sources.Int(1)})
	}
	e.Fields = append(e.Fields, jsonFields(m.Payload)...)
	return e, nil
}

// errNotScalar says that a JSON value is an object, a list or null.
var errNotScalar = errors.New("not a scalar")

// jsonFields returns the scalars of a JSON object: JSON_STATE for "state". Of
// two with the same name, the first in the order of their keys counts.
func jsonFields(payload string) []sources.Field {
	if !strings.HasPrefix(strings.TrimLeft(payload, " \t\r\n"), "{") {
		return nil
	}
	var object map[string]json.RawMessage
	if json.Unmarshal([]byte(payload), &object) != nil {
		return nil
	}
	var fields []sources.Field
	for _, key := range slices.Sorted(maps.Keys(object)) {
		name := "JSON_" + strings.Map(fieldRune, key)
		value, err := scalar(object[key])
		if err != nil || slices.ContainsFunc(fields, func(f sources.Field) bool { return f.Name == name }) {
			continue
		}
		if fields = append(fields, sources.Field{Name: name, Value: sources.Text(value)}); len(fields) == mostFields {
			break
		}
	}
	return fields
}

func fieldRune(r rune) rune {
	switch {
	case 'a' <= r && r <= 'z':
		return r - 'a' + 'A'
	case 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		return r
	}
	return '_'
}

// scalar returns a string, a number, true or false as a program sees it.
func scalar(raw json.RawMessage) (string, error) {
	switch raw[0] {
	case '"':
		var s string
		err := json.Unmarshal(raw, &s)
		if strings.Contains(s, "\x00") {
			err = errNotScalar // no program can be passed a NUL
		}
		return s, err
	case '{', '[', 'n':
		return "", errNotScalar
	}
	return string(raw), nil
}

// Simulated returns the event that a message has come, for tests of rules.
func (p *Plan) Simulated(name, text string, retained bool) (*sources.Event, error) {
	return p.Received(&client.Message{Topic: name, Payload: text, Retained: retained})
}
