// SPDX-License-Identifier: MIT

// What the bridge to an MQTT broker may do at the control socket: learn what
// happens to what is exposed, set it, and bring messages to the rules.

package agent

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"reflexd/agent/bridge"
	"reflexd/agent/control"
	"reflexd/client"
	"reflexd/config"
	"reflexd/sources"
	"reflexd/sources/gpio"
)

// exposeThings resolves what the bridge can reach, and has events made of it.
func (c *Configuration) exposeThings(ps *config.Problems) {
	if !c.bridge.Declared() {
		return
	}
	var things []bridge.Thing
	for _, name := range c.gpio.Names() {
		things = append(things, c.lineThing(name))
	}
	typed := c.secretVars()
	for _, name := range c.vars.Names() {
		t := bridge.Thing{Kind: "var", Name: name, As: []string{"text", "number", "sensor"}, Values: c.vars.Values(name)}
		if t.Values != nil {
			t.As = []string{"select", "sensor"}
		}
		if input := typed[name]; input != "" {
			t.Why = "a rule sets it to what input " + input + " types; if that is no secret, write `log_text: on` there"
		}
		things = append(things, t)
	}
	for _, name := range c.sensor.Names() {
		things = append(things, bridge.Thing{Kind: "sensor", Name: name, As: []string{"sensor", "binary_sensor"}, Unit: c.sensor.Unit(name)})
	}
	for _, name := range c.counter.Names() {
		things = append(things, bridge.Thing{Kind: "counter", Name: name, As: []string{"sensor"}, Unit: c.counter.Unit(name)})
	}
	for _, name := range c.pwm.Names() {
		things = append(things, bridge.Thing{Kind: "pwm", Name: name, As: []string{"light", "fan", "number", "sensor"}, Unit: "%"})
	}
	c.bridge.Expose(things, ps)
	for x := range c.bridge.Each {
		switch {
		case x.Kind == "sensor":
			c.sensor.Ask(x.Name)
		case x.Kind != "line":
		case len(x.Events) > 0:
			c.exposedWants = append(c.exposedWants, sources.Want{Kind: "line", Name: x.Name, Clicks: 1})
		default:
			c.gpio.Follow(x.Name)
			c.derived = append(c.derived, sources.Topic{Kind: "line", Name: x.Name, State: sources.On}, sources.Topic{Kind: "line", Name: x.Name, State: sources.Off})
		}
	}
}

// lineThing returns what a line or encoder can be exposed as.
func (c *Configuration) lineThing(name string) bridge.Thing {
	t := bridge.Thing{Kind: "line", Name: name}
	switch l := c.gpio.Line(name); {
	case l == nil:
		t.Why = "it is an encoder"
	case l.Kind == gpio.Output:
		t.As = []string{"switch", "light", "binary_sensor"}
	case l.Edges != "both":
		t.Why = "its level is not known, with `edges: " + l.Edges + "`"
	case l.Kind == gpio.Button:
		t.As, t.Events = []string{"event"}, c.gesturesOf(name)
	default:
		t.As, t.Class = []string{"binary_sensor"}, l.Class
	}
	return t
}

// gesturesOf returns the events of a button that the bridge receives: presses,
// releases and clicks, and whatever rules wait for. Others are not looked for:
// a click is known later where a double click may follow.
func (c *Configuration) gesturesOf(name string) []string {
	clicks, holds := 1, []string(nil)
	for _, r := range c.Rules {
		for i := range r.Triggers {
			for _, w := range r.Triggers[i].Wants {
				if w.Kind != "line" || w.Name != name || w.Group != nil {
					continue
				}
				clicks = max(clicks, w.Clicks)
				for _, h := range w.Holds {
					holds = append(holds, h.State())
				}
			}
		}
	}
	all := []string{sources.Pressed, sources.Released}
	for n := range clicks {
		all = append(all, sources.ClickState(n+1))
	}
	for _, h := range holds {
		if !slices.Contains(all, h) {
			all = append(all, h)
		}
	}
	return all
}

// tellBridge sends the bridge what e is about, if that is exposed.
func (a *Agent) tellBridge(e *sources.Event) {
	if !a.bridge.Attached() {
		return
	}
	if n := a.config.bridge.News(e); n != nil {
		if err := a.control.Tell(n, nil); err != nil {
			a.log.Warn("the bridge misses an event", "event", e.Describe(), "error", err)
		}
	}
}

// beginBridge makes the bridge of who asks.
func (a *Agent) beginBridge(r control.Request, reply func(any, error)) {
	switch {
	case !a.config.bridge.Declared():
		reply(nil, fmt.Errorf("the configuration has no section mqtt"))
		return
	case r.Name == "settings":
		reply(a.bridgeSettings(), nil)
		return
	case a.bridging != nil:
		who := fmt.Sprintf("process %d", a.bridging.Pid)
		if a.bridging.Pid == 0 {
			who = "a process of another PID namespace"
		}
		reply(nil, fmt.Errorf("%w: %s is already the bridge", client.ErrBusy, who))
		return
	}
	a.bridging = &r.From
	reply(&control.Stream{
		Result: a.bridgeSettings(),
		Begun:  func() { a.bridge.Attach(a.control.Tell, a.exposedValue) },
		Gone: func() {
			a.bridging = nil
			a.bridge.Detach()
		},
	}, nil)
}

// bridgeSettings returns what the bridge is to do, and what it cannot find out.
func (a *Agent) bridgeSettings() *client.Bridge {
	s := *a.config.bridge.Settings()
	s.Serials = serials(a.opts.Sys)
	return &s
}

// serials returns the serial numbers that DMI has, the best first. The kernel shows
// them to root alone, and has them in memory: nothing waits.
func serials(sys string) (all []string) {
	const largest = 256
	for _, name := range []string{"product_serial", "board_serial"} {
		text, err := sources.ReadAttribute(filepath.Join(sys, "class/dmi/id", name), largest)
		if text = strings.TrimSpace(text); err == nil && text != "" {
			all = append(all, text)
		}
	}
	return all
}

// exposedValue returns what something is, "" if nobody knows.
func (a *Agent) exposedValue(kind, name string) (value string) {
	a.replyState(control.Bridge, kind, name, func(result any, err error) {
		if s, ok := result.(*client.State); ok && err == nil {
			value = s.State
		}
	})
	return value
}

// adviseBridge sends the bridge away if a reload changes what it is to do: it
// comes back for the new settings.
func (a *Agent) adviseBridge(c, before *Configuration) {
	switch {
	case c == before:
	case !reflect.DeepEqual(c.bridge.Settings(), before.bridge.Settings()):
		a.control.EndBridge("the configuration has changed")
	default:
		a.summaryChanged()
	}
}

// summaryChanged has the bridge ask for the summary again.
func (a *Agent) summaryChanged() {
	if !a.bridge.Attached() {
		return
	}
	if err := a.control.Tell(&client.Notice{Type: "summary", Time: client.Seconds(a.loop.Now())}, nil); err != nil {
		a.log.Warn("the bridge misses that the summary has changed", "error", err)
	}
}

// noteBroker notes what the bridge says of the broker.
func (a *Agent) noteBroker(r control.Request, reply func(any, error)) {
	var about struct {
		Why string `json:"why"`
	}
	if r.Name != "connected" && r.Name != "disconnected" {
		reply(nil, fmt.Errorf("broker: expected connected or disconnected, found %q", r.Name))
		return
	}
	if err := decode(r, &about); err != nil {
		reply(nil, err)
		return
	}
	if a.bridge.Attached() {
		a.bridge.SetBroker(r.Name == "connected", about.Why)
	}
	reply(nil, nil)
}

// decode reads the arguments of a request.
func decode(r control.Request, into any) error {
	if len(r.Arguments) == 0 {
		return nil
	}
	if err := json.Unmarshal(r.Arguments, into); err != nil {
		return fmt.Errorf("arguments of %s: %w", r.Verb, err)
	}
	return nil
}

// deliver shows the rules a message from the broker.
func (a *Agent) deliver(r control.Request, reply func(any, error)) {
	var m client.Message
	err := decode(r, &m)
	var e *sources.Event
	if err == nil {
		e, err = a.config.bridge.Received(&m)
	}
	if err == nil && a.stopping {
		err = errStopping
	}
	if err == nil {
		e.Time = a.loop.Now()
		a.emit(e)
	}
	reply(nil, err)
}

// notePublished notes that the broker has a message, or why not.
func (a *Agent) notePublished(r control.Request, reply func(any, error)) {
	var about struct {
		Error string `json:"error"`
	}
	number, err := strconv.ParseUint(r.Name, 10, 64)
	if err == nil {
		err = decode(r, &about)
	}
	if err != nil {
		reply(nil, fmt.Errorf("published: %w", err))
		return
	}
	var failure error
	if about.Error != "" {
		failure = fmt.Errorf("%.200q", about.Error)
	}
	a.bridge.Published(number, failure)
	reply(nil, nil)
}

// exposedVerbs are the verbs that the bridge has for what is exposed, if no other
// role of its gives it the whole verb.
var exposedVerbs = map[string]func(*Agent, control.Request, func(any, error)){
	"get": (*Agent).getExposed,
	"set": (*Agent).setExposed,
}

// exposed returns what the bridge means by r.Name.
func (a *Agent) exposed(r control.Request) (*client.Exposed, error) {
	x := a.config.bridge.Exposed(r.Name)
	if x == nil {
		return nil, fmt.Errorf("%w: %q is not exposed", client.ErrDenied, r.Name)
	}
	return x, nil
}

func (a *Agent) getExposed(r control.Request, reply func(any, error)) {
	x, err := a.exposed(r)
	if err != nil {
		reply(nil, err)
		return
	}
	a.replyState(r.Role, x.Kind, x.Name, reply)
}

func (a *Agent) setExposed(r control.Request, reply func(any, error)) {
	x, err := a.exposed(r)
	if err == nil && !x.Settable {
		err = fmt.Errorf("%w: %s cannot be set: it is exposed as a %s", client.ErrDenied, r.Name, x.As)
	}
	if err != nil {
		reply(nil, err)
		return
	}
	a.order(r, reply)
}

// summary answers with what the bridge may know of the agent.
func (a *Agent) summary(_ control.Request, reply func(any, error)) {
	a.encode("summary", func() any {
		s := client.Summary{Version: a.opts.Version, Uptime: (a.loop.Now() - a.started).Seconds(), Events: a.events, Reloads: a.reloads,
			Rules: map[string]int{}, Losses: maps.Clone(a.losses)}
		s.Broker, s.Reason = a.bridge.Broker()
		for _, r := range a.config.Rules {
			s.Rules[r.Name], _ = a.runner.Firings(r)
			if !a.runner.Enabled(r) {
				s.Disabled = append(s.Disabled, r.Name)
			}
		}
		return s
	}, reply)
}
