// SPDX-License-Identifier: MIT

// Status, and the other answers of the control socket.

package agent

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"reflexd/agent/control"
	"reflexd/agent/rule"
	"reflexd/agent/spawn"
	"reflexd/config"
	"reflexd/sources"
)

// Status is the state of a running agent.
type Status struct {
	Pid     int             `json:"pid"`
	Version string          `json:"version"`
	Uptime  float64         `json:"uptime"` // seconds
	Read    float64         `json:"read"`   // seconds since the configuration was
	Files   []string        `json:"files"`
	Reloads int             `json:"reloads"`
	Events  uint64          `json:"events"`
	Wakeups uint64          `json:"wakeups"`
	Sources []SourceStatus  `json:"sources"`
	Rules   []rule.Status   `json:"rules"`
	Running []spawn.Running `json:"running"`
}

// SourceStatus is the state of one source.
type SourceStatus struct {
	Source string          `json:"source"`
	States []sources.State `json:"states"`
}

// Status returns the agent's state.
func (a *Agent) Status() Status {
	s := Status{
		Pid:     os.Getpid(),
		Version: a.opts.Version,
		Uptime:  (a.loop.Now() - a.started).Round(time.Millisecond).Seconds(),
		Read:    (a.loop.Now() - a.read).Seconds(),
		Files:   a.config.Files,
		Reloads: a.reloads,
		Events:  a.events,
		Wakeups: a.loop.Wakeups(),
		Rules:   a.runner.Status(a.config.Rules),
		Running: a.spawn.Running(),
	}
	s.Sources = append(s.Sources, SourceStatus{"agent", []sources.State{a.priority.state()}})
	for i, k := range kinds {
		if states := a.sources[i].Status(); len(states) > 0 {
			s.Sources = append(s.Sources, SourceStatus{k.Name, states})
		}
	}
	if playing := a.outputs.Status(); len(playing) > 0 {
		s.Sources = append(s.Sources, SourceStatus{"outputs", playing})
	}
	return s
}

// mostComplaints is how many complaints fit into an answer, and more than
// anyone reads at a time.
const mostComplaints = 200

// verbs are what the control socket understands.
var verbs = []string{"status", "reload", "enable", "disable", "trigger", "emit"}

// answer implements control.Handler.
func (a *Agent) answer(r control.Request, reply func(any, error)) {
	switch r.Verb {
	case "status":
		reply(a.Status(), nil)
	case "reload":
		a.reloadOnRequest(r.Arguments, reply)
	case "enable", "disable":
		reply(nil, a.enableRule(r.Name, r.Verb == "enable"))
	case "trigger":
		a.trigger(r.Arguments, reply)
	case "emit":
		a.emitOnRequest(r, reply)
	default:
		reply(nil, fmt.Errorf("unknown verb %q%s", r.Verb, config.Suggest(r.Verb, verbs)))
	}
}

// reloadOnRequest reloads for a client.
func (a *Agent) reloadOnRequest(arguments json.RawMessage, reply func(any, error)) {
	var asked ReloadRequest
	if len(arguments) > 0 {
		if err := json.Unmarshal(arguments, &asked); err != nil {
			reply(nil, fmt.Errorf("arguments of reload: %w", err))
			return
		}
	}
	a.reload("control socket", asked.Force, func(err error) {
		if ps, ok := err.(*config.Problems); ok {
			err = fmt.Errorf("%w\n%s", control.ErrConfiguration, ps.Summary(mostComplaints))
		}
		reply(nil, err)
	})
}
