// SPDX-License-Identifier: MIT

// Orders and questions of clients: what is declared, by its name, its state,
// and setting it.

package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"reflexd/agent/action"
	"reflexd/agent/control"
	"reflexd/agent/output"
	"reflexd/client"
	"reflexd/config"
	"reflexd/sources"
)

// section is a kind of things that clients can name: KIND/NAME.
type section struct {
	kind  string
	what  string
	names func(*Configuration) []string // nil if they are not declared
}

var sections = []section{
	{"line", "line", func(c *Configuration) []string { return c.gpio.Names() }},
	{"var", "variable", func(c *Configuration) []string { return c.vars.Names() }},
	{"pwm", "PWM output", func(c *Configuration) []string { return c.pwm.Names() }},
	{"sensor", "sensor", func(c *Configuration) []string { return c.sensor.Names() }},
	{"counter", "counter", func(c *Configuration) []string { return c.counter.Names() }},
	{"led", "LED", nil},
}

// qualified splits KIND/NAME. A name without a kind may hold slashes too.
func qualified(name string) (kind, rest string, ok bool) {
	kind, rest, ok = strings.Cut(name, "/")
	return kind, rest, ok && slices.ContainsFunc(sections, func(s section) bool { return s.kind == kind })
}

// find returns what a client means by name: KIND/NAME, or NAME if only one kind
// has that.
func (c *Configuration) find(name string) (kind, rest string, err error) {
	if kind, rest, ok := qualified(name); ok {
		return kind, rest, c.declares(kind, rest)
	}
	var found []section
	var known []string
	for _, s := range sections {
		if s.names == nil {
			continue
		}
		names := s.names(c)
		if slices.Contains(names, name) {
			found = append(found, s)
		}
		known = append(known, names...)
	}
	switch len(found) {
	case 0:
		hint := config.Suggest(name, known)
		if hint == "" {
			hint = "; an LED is led/NAME"
		}
		return "", "", fmt.Errorf("no line or variable %q is declared%s", name, hint)
	case 1:
		return found[0].kind, name, nil
	}
	return "", "", fmt.Errorf("%q is both a %s and a %s: write %s/%s or %s/%s", name,
		found[0].what, found[1].what, found[0].kind, name, found[1].kind, name)
}

// declares returns an error unless there may be such a thing.
func (c *Configuration) declares(kind, name string) error {
	for _, s := range sections {
		if s.kind != kind || s.names == nil {
			continue
		}
		if names := s.names(c); !slices.Contains(names, name) {
			return fmt.Errorf("no %s %q is declared%s", s.what, name, config.Suggest(name, names))
		}
	}
	return nil
}

// get answers with the state of something.
func (a *Agent) get(r control.Request, reply func(any, error)) {
	kind, name, err := a.config.find(r.Name)
	if err != nil {
		reply(nil, err)
		return
	}
	a.replyState(r.Role, kind, name, reply)
}

// replyState replies with the state of something, as a role sees it.
func (a *Agent) replyState(role control.Role, kind, name string, reply func(any, error)) {
	s := &client.State{Version: client.Version, Kind: kind, Name: name}
	if since, ok := a.since(kind, name); ok {
		s.Since, s.For = a.ago(since)
	}
	var err error
	switch kind {
	case "line":
		err = a.lineState(s)
	case "var":
		var value sources.Value
		value, err = a.vars.Value(name)
		if s.State = value.String(); role < control.Admin && value.IsSecret() {
			s.State, s.Masked = value.Shown(), true
		}
	case "sensor":
		s.State, err = a.sensor.Value(name)
	case "counter":
		s.State, err = a.counter.Value(name)
	case "pwm":
		s.State, err = a.pwm.Value(name)
		s.Playing, s.SetBy = a.outputs.Of(output.Output{PWM: name})
	case "led":
		a.ledState(s, reply)
		return
	}
	if err != nil {
		reply(nil, unknownState{err})
		return
	}
	reply(s, nil)
}

// unknownState is why the state of something that is declared is not known.
type unknownState struct{ error }

func (unknownState) Is(target error) bool { return target == client.ErrAbsent }

// since returns when the state of something began, by CLOCK_MONOTONIC, if that
// is known.
func (a *Agent) since(kind, name string) (at time.Duration, ok bool) {
	if kind == "line" {
		if at, ok := a.gpio.Since(name); ok {
			return at, true
		}
	}
	state, at := a.states.State(kind, name)
	return at, state != ""
}

func (a *Agent) lineState(s *client.State) error {
	states := a.gpio.Status()
	i := slices.IndexFunc(states, func(st sources.State) bool { return st.Name == s.Name })
	if a.config.gpio.Spec(s.Name) == "" {
		return fmt.Errorf("%s is an encoder, which is neither on nor off", s.Name)
	}
	on, ok := a.gpio.Level(s.Name)
	if !ok || i < 0 {
		why := "its level cannot be read"
		if i >= 0 && states[i].Error != "" {
			why = states[i].Error
		}
		return fmt.Errorf("line %s is not open: %s", s.Name, why)
	}
	s.State = onOff(on)
	s.Playing, s.SetBy = a.outputs.Of(output.Output{Line: s.Name})
	if held := states[i].Lines; len(held) > 0 {
		s.Chip, s.Offset, s.Level = held[0].Chip, &held[0].Offset, held[0].Level
	}
	return nil
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// ledState asks the LED's driver in the background.
func (a *Agent) ledState(s *client.State, reply func(any, error)) {
	s.Playing, s.SetBy = a.outputs.Of(output.Output{LED: s.Name})
	var brightness, greatest int
	var err error
	a.loop.Beside(func() { brightness, greatest, err = output.ReadLED(a.opts.Sys, s.Name) }, func() {
		if err != nil {
			reply(nil, err)
			return
		}
		s.State, s.Brightness, s.Max = onOff(brightness > 0), &brightness, &greatest
		reply(s, nil)
	})
}

// order has an output do what a client asks, as a rule's action of the same name
// would, or sets a variable.
func (a *Agent) order(r control.Request, reply func(any, error)) {
	kind, name, err := a.config.find(r.Name)
	keys := map[string]string{}
	if err == nil && len(r.Arguments) > 0 {
		if err = json.Unmarshal(r.Arguments, &keys); err != nil {
			err = fmt.Errorf("arguments of %s: %w", r.Verb, err)
		}
	}
	switch {
	case err != nil:
	case a.stopping:
		err = errStopping
	case kind == "var":
		err = a.setVar(r.Verb, name, keys)
	case kind == "counter":
		err = a.setCounter(r.Verb, name, keys)
	case kind == "sensor":
		err = fmt.Errorf("%s: %s is a sensor, which can only be read", r.Verb, name)
	case kind == "led":
		_, err = output.FindLED(a.opts.Sys, name)
	}
	if err != nil {
		reply(nil, err)
		return
	}
	by := fmt.Sprintf("uid %d", r.From.Uid)
	a.log.Debug("order", "verb", r.Verb, "name", kind+"/"+name, "by", by)
	if kind == "var" || kind == "counter" {
		a.replyState(r.Role, kind, name, reply)
		return
	}
	a.drive(r, kind, name, keys, by, reply)
}

func (a *Agent) setVar(verb, name string, keys map[string]string) error {
	to, ok := keys["to"]
	switch {
	case verb != "set":
		return fmt.Errorf("%s: %s is a variable", verb, name)
	case !ok || len(keys) > 1:
		return errors.New(`set: a variable takes the key "to" alone`)
	}
	return a.vars.Set(name, to, nil)
}

// setCounter makes a counter what a meter reads.
func (a *Agent) setCounter(verb, name string, keys map[string]string) error {
	to, ok := sources.ParseNumber(keys["to"])
	switch {
	case verb != "set":
		return fmt.Errorf("%s: %s is a counter", verb, name)
	case !ok || len(keys) != 1:
		return fmt.Errorf(`set: a counter takes the key "to" alone, a number, found %.60q`, keys["to"])
	}
	return a.counter.Set(name, to)
}

// drive carries out an action on an output and replies with its state.
func (a *Agent) drive(r control.Request, kind, name string, keys map[string]string, by string, reply func(any, error)) {
	list, err := a.config.orderOf(r.Verb, kind, name, keys)
	if err != nil {
		reply(nil, fmt.Errorf("%s: %w", r.Verb, err))
		return
	}
	o := output.Output{Line: name}
	switch kind {
	case "led":
		o = output.Output{LED: name}
	case "pwm":
		o = output.Output{PWM: name}
	}
	event := &sources.Event{Time: a.loop.Now(), Topic: sources.Topic{Kind: "control", Name: by, State: r.Verb}, Source: "control"}
	run := &action.Run{Env: a.env, Event: event, Started: event.Time, Asks: true}
	begun := false
	run.Start(list, nil, func(err error) {
		if !begun { // it is over already
			a.outputs.Credit(o, by)
		}
		if err != nil {
			reply(nil, err)
			return
		}
		a.replyState(r.Role, kind, name, reply)
	})
	if begun = true; run.Doing() != "" {
		a.outputs.Credit(o, by)
	}
}

// orderOf builds the action verb for an output, with keys as in a
// configuration. The brightness of an LED may stand in "to".
func (c *Configuration) orderOf(verb, kind, name string, keys map[string]string) (action.List, error) {
	if to := keys["to"]; kind == "led" && verb == "set" && strings.ContainsAny(to, "0123456789") {
		if _, err := strconv.Atoi(strings.TrimSuffix(to, "%")); err == nil {
			delete(keys, "to")
			keys["brightness"] = to
		}
	}
	at := config.Pos{Line: 1, Col: 1}
	scalar := func(text string) config.Node { return config.Node{Pos: at, Text: text} }
	words := config.Node{Pos: at, Kind: config.Map, Entries: []config.Entry{{Key: kind, At: at, Value: scalar(name)}}}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		value := scalar(keys[key])
		if key == "pattern" {
			value.Kind = config.List
			for _, span := range strings.Split(keys[key], ",") {
				value.Items = append(value.Items, scalar(strings.TrimSpace(span)))
			}
		}
		words.Entries = append(words.Entries, config.Entry{Key: key, At: at, Value: value})
	}
	var spec action.Spec
	ps := &config.Problems{}
	spec.Value(action.NewLanguage(nil)).Read(config.Node{Pos: at, Kind: config.Map, Entries: []config.Entry{{Key: verb, At: at, Value: words}}}, ps)
	known := c.known
	known.Uses = &action.Uses{} // a client's order declares nothing
	list := spec.Build(&action.Check{Problems: ps, Known: known})
	if ps.Failed() {
		return nil, errors.New(ps.All()[0].Message)
	}
	return list, nil
}
