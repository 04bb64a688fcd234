// SPDX-License-Identifier: MIT

// The verbs, one method each.

package client

import (
	"encoding/json"
	"fmt"
	"time"
)

func answer[T any](c *Conn, verb, name string, arguments any) (T, error) {
	var result T
	err := c.ask(verb, name, arguments, &result)
	return result, err
}

// Get returns the state of a line, variable or LED: door, line/door, var/mode,
// led/ACT. It needs the role read.
func (c *Conn) Get(name string) (State, error) {
	return answer[State](c, "get", name, nil)
}

// Set sets an output line or LED to on, off or toggle, an LED to a brightness
// (40% or the driver's units), or a variable to a value, and returns its state.
// It ends the pulse or blinking in progress. It needs the role act, as all the
// following do that change something.
func (c *Conn) Set(name, to string) (State, error) {
	return answer[State](c, "set", name, map[string]string{"to": to})
}

// Pulse sets an output line or LED to on for the time span, and then to off;
// with to "off" the other way round.
func (c *Conn) Pulse(name string, span time.Duration, to string) (State, error) {
	return answer[State](c, "pulse", name, filled(map[string]string{"for": span.String(), "to": to}))
}

// Blink has an output line or LED blink, with the keys of the action blink:
// every, duty, pattern (durations with commas between them), times.
func (c *Conn) Blink(name string, keys map[string]string) (State, error) {
	return answer[State](c, "blink", name, filled(keys))
}

// filled drops the keys without a value.
func filled(keys map[string]string) map[string]string {
	all := map[string]string{}
	for k, v := range keys {
		if v != "" {
			all[k] = v
		}
	}
	return all
}

// Emit sends the event name with fields to the rules.
func (c *Conn) Emit(name string, fields map[string]string) (Emitted, error) {
	return answer[Emitted](c, "emit", name, map[string]any{"fields": fields})
}

// Rules returns the rules in the order of the configuration. It needs the role
// read.
func (c *Conn) Rules() ([]Rule, error) {
	r, err := answer[Rules](c, "rules", "", nil)
	return r.Rules, err
}

// Enable enables a rule, or disables it.
func (c *Conn) Enable(rule string, on bool) error {
	if on {
		return c.ask("enable", rule, nil, nil)
	}
	return c.ask("disable", rule, nil, nil)
}

// Cancel ends what the rule is doing, and drops its waiting firings.
func (c *Conn) Cancel(rule string) (Cancelled, error) {
	return answer[Cancelled](c, "cancel", rule, nil)
}

// Reload has the agent read its configuration again, and returns when that is
// done. The error wraps ErrConfiguration if the agent keeps the one that it has.
// It needs the role admin.
func (c *Conn) Reload() error { return c.ask("reload", "", nil, nil) }

// Why returns what a rule made of the last events, "" for the last over all
// rules. It needs the role read; what is typed is masked for all roles but admin.
func (c *Conn) Why(rule string) ([]Why, error) {
	var w Whys
	err := c.ask("why", rule, nil, &w)
	return w.Whys, err
}

// Snapshot returns what the agent runs on and how things are. It needs the role
// read.
func (c *Conn) Snapshot() (Snapshot, error) {
	var s Snapshot
	err := c.ask("snapshot", "", nil, &s)
	return s, err
}

// Watch starts the stream of what f selects, which Next then reads. The
// connection takes no other request any more. It needs the role read; what is
// typed is masked for all roles but admin.
func (c *Conn) Watch(f Filter) error {
	if err := c.ask("watch", "", f, nil); err != nil {
		return err
	}
	return c.file.SetDeadline(time.Time{})
}

// Next waits for the next notice of the stream. A reader that is too slow
// misses some, and receives a notice of type lost with their number.
func (c *Conn) Next() (Notice, error) {
	n, _, err := c.next()
	return n, err
}

// NextRaw is Next for the notice as it was sent, JSON without a line feed. It is
// valid until the next call.
func (c *Conn) NextRaw() ([]byte, error) {
	_, text, err := c.next()
	return text, err
}

func (c *Conn) next() (Notice, []byte, error) {
	packet, err := c.packet()
	if err != nil {
		return Notice{}, nil, err
	}
	var either struct {
		Notice
		Error string `json:"error"`
		Code  string `json:"code"`
	}
	if err := json.Unmarshal(packet, &either); err != nil {
		return Notice{}, nil, fmt.Errorf("decode a notice of the agent at %s: %w", c.path, err)
	}
	ended := Answer{Error: either.Error, Code: either.Code}
	return either.Notice, packet, ended.failure()
}
