// SPDX-License-Identifier: MIT

// What clients of the control socket ask for besides status and reload: events,
// and uevents of devices that are there.

package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"reflexd/agent/action"
	"reflexd/agent/control"
	"reflexd/agent/lint"
	"reflexd/client"
	"reflexd/config"
	"reflexd/sources"
	"reflexd/sources/uevent"
)

// EmitRequest is what the verb emit asks beside the event's name.
type EmitRequest struct {
	Fields map[string]string `json:"fields"`
}

// Add adds a field, or says why an event cannot have it.
func (r *EmitRequest) Add(name, value string) error {
	switch _, again := r.Fields[name]; {
	case again:
		return fmt.Errorf("the field %s is given twice", name)
	case strings.Contains(value, "\x00"):
		return fmt.Errorf("the value of %s holds a NUL, which cannot be passed to a program", name)
	case !utf8.ValidString(value):
		return fmt.Errorf("the value of %s is not UTF-8", name)
	}
	if err := action.CheckField(name); err != nil {
		return err
	}
	if r.Fields == nil {
		r.Fields = map[string]string{}
	}
	r.Fields[name] = value
	return nil
}

// emitOnRequest sends the event, unless no rule listens to it.
func (a *Agent) emitOnRequest(r control.Request, reply func(any, error)) {
	e, err := a.requestedEvent(r)
	if err != nil {
		reply(nil, err)
		return
	}
	answer := a.listeners(e)
	if answer.Listening == 0 {
		reply(nil, fmt.Errorf("no rule matches an event %q%s", r.Name, suggestEvent(r.Name, lint.Subscribed(a.config.Rules))))
		return
	}
	a.log.Debug("event sent on request", "event", r.Name)
	a.emit(e)
	reply(answer, nil)
}

// requestedEvent returns the event that r asks for.
func (a *Agent) requestedEvent(r control.Request) (*sources.Event, error) {
	var asked EmitRequest
	if len(r.Arguments) > 0 {
		if err := json.Unmarshal(r.Arguments, &asked); err != nil {
			return nil, fmt.Errorf("arguments of emit: %w", err)
		}
	}
	switch {
	case a.stopping:
		return nil, errStopping
	case r.Name == "":
		return nil, errors.New("the event has no name")
	case strings.ContainsFunc(r.Name, func(c rune) bool { return !unicode.IsPrint(c) }):
		return nil, fmt.Errorf("the name %+q holds unprintable characters", r.Name)
	}
	e := action.NewEvent(r.Name, a.loop.Now())
	var checked EmitRequest
	for _, name := range slices.Sorted(maps.Keys(asked.Fields)) {
		if err := checked.Add(name, asked.Fields[name]); err != nil {
			return nil, err
		}
		e.Fields = append(e.Fields, sources.Field{Name: name, Value: sources.Text(asked.Fields[name])})
	}
	return e, nil
}

// listeners counts the rules that listen to e.
func (a *Agent) listeners(e *sources.Event) client.Emitted {
	found := client.Emitted{Listening: lint.Listening(e.Topic.Name, a.config.Rules)}
	a.hearing = a.hearing[:0]
	a.index.WouldFind(e, a.hear)
	found.Taking = len(a.hearing)
	for _, r := range a.hearing {
		if !a.runner.Enabled(r) {
			found.Disabled++
		}
	}
	return found
}

func suggestEvent(name string, known []string) string {
	if s := config.Suggest(name, known); s != "" {
		return s
	}
	if len(known) == 0 {
		return ", nor any other: a rule needs `when: {event: NAME}`"
	}
	return "; rules match: " + strings.Join(known, ", ")
}

// TriggerRequest is what the verb trigger asks.
type TriggerRequest struct {
	uevent.Selection
	Action string `json:"action"`
}

// Triggered is the answer.
type Triggered struct {
	Devices int `json:"devices"` // how many reach the rules
}

// TriggerActions are the actions that can be sent for a device which is there
// with.
var TriggerActions = []string{"add", "change"}

func (a *Agent) trigger(asked control.Request, reply func(any, error)) {
	var r TriggerRequest
	if err := json.Unmarshal(asked.Arguments, &r); err != nil {
		reply(nil, fmt.Errorf("arguments of trigger: %w", err))
		return
	}
	if !slices.Contains(TriggerActions, r.Action) {
		reply(nil, fmt.Errorf("trigger: no action %q", r.Action))
		return
	}
	a.uevent.Trigger(r.Selection, r.Action, func(devpaths []string, err error) {
		a.log.Info("device events sent again on request", "count", len(devpaths), "action", r.Action)
		reply(Triggered{len(devpaths)}, err)
	})
}
