// SPDX-License-Identifier: MIT

// Status, and the other answers of the control socket.

package agent

import (
	"fmt"
	"os"
	"time"

	"reflexd/agent/action"
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
	// Losses are by source, Actions by kind, and Memory is in bytes.
	Losses  map[string]Loss  `json:"losses,omitempty"`
	Actions action.Durations `json:"actions,omitempty"`
	Memory  uint64           `json:"memory,omitempty"`
}

// Loss is how often a source lost events, and how many those were as far as that is known.
type Loss struct {
	Times  uint64 `json:"times"`
	Events uint64 `json:"events"`
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
		Losses:  a.losses,
		Actions: a.durations,
		Memory:  residentMemory(a.opts.Proc),
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
		a.reload("control socket", func(err error) {
			if ps, ok := err.(*config.Problems); ok {
				err = fmt.Errorf("%w\n%s", control.ErrConfiguration, ps.Summary(mostComplaints))
			}
			reply(nil, err)
		})
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
