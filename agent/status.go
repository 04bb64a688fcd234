// SPDX-License-Identifier: MIT

// Status, and the other answers of the control socket.

package agent

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"reflexd/agent/action"
	"reflexd/agent/control"
	"reflexd/agent/rule"
	"reflexd/agent/spawn"
	"reflexd/client"
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

// Loss is how often a source lost events.
type Loss = client.Loss

// SourceStatus is the state of one source.
type SourceStatus struct {
	Source string          `json:"source"`
	States []sources.State `json:"states"`
}

// AskStatus returns the state of the agent that runs at a socket, if it answers
// within a time.
func AskStatus(socket string, within time.Duration) (*Status, error) {
	s := &Status{}
	return s, client.Call(socket, client.Request{Verb: "status"}, s, within)
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

// verb is what the control socket understands.
type verb struct {
	name   string
	needs  control.Role
	answer func(*Agent, control.Request, func(any, error))
}

var verbs = []verb{
	{"status", control.Read, (*Agent).answerStatus},
	{"get", control.Read, (*Agent).get},
	{"rules", control.Read, (*Agent).listRules},
	{"watch", control.Read, (*Agent).watch},
	{"why", control.Read, (*Agent).why},
	{"snapshot", control.Read, (*Agent).answerSnapshot},
	{"set", control.Act, (*Agent).order},
	{"pulse", control.Act, (*Agent).order},
	{"blink", control.Act, (*Agent).order},
	{"emit", control.Act, (*Agent).emitOnRequest},
	{"enable", control.Act, (*Agent).switchRule},
	{"disable", control.Act, (*Agent).switchRule},
	{"trigger", control.Act, (*Agent).trigger},
	{"cancel", control.Act, (*Agent).cancel},
	{"reload", control.Admin, (*Agent).reloadOnRequest},

	{"bridge", control.Bridge, (*Agent).beginBridge},
	{"broker", control.Bridge, (*Agent).noteBroker},
	{"deliver", control.Bridge, (*Agent).deliver},
	{"summary", control.Bridge, (*Agent).summary},
	{"published", control.Bridge, (*Agent).notePublished},
}

// answer implements control.Handler.
func (a *Agent) answer(r control.Request, reply func(any, error)) {
	i := slices.IndexFunc(verbs, func(v verb) bool { return v.name == r.Verb })
	if i < 0 {
		var names []string
		for _, v := range verbs {
			names = append(names, v.name)
		}
		slices.Sort(names)
		reply(nil, fmt.Errorf("unknown verb %q%s", r.Verb, config.Suggest(r.Verb, names)))
		return
	}
	v := &verbs[i]
	if exposed, ok := exposedVerbs[r.Verb]; ok && r.Role < v.needs && a.control.Bridges(&r) {
		exposed(a, r, reply)
		return
	}
	if err := a.control.Authorise(&r, v.needs); err != nil {
		reply(nil, err)
		return
	}
	v.answer(a, r, reply)
}

func (a *Agent) reloadOnRequest(r control.Request, reply func(any, error)) {
	var asked ReloadRequest
	if len(r.Arguments) > 0 {
		if err := json.Unmarshal(r.Arguments, &asked); err != nil {
			reply(nil, fmt.Errorf("arguments of reload: %w", err))
			return
		}
	}
	a.reload("control socket", asked.Force, func(err error) {
		if ps, ok := err.(*config.Problems); ok {
			err = fmt.Errorf("%w\n%s", client.ErrConfiguration, ps.Summary(mostComplaints))
		}
		reply(nil, err)
	})
}

func (a *Agent) switchRule(r control.Request, reply func(any, error)) {
	reply(nil, a.enableRule(r.Name, r.Verb == "enable"))
}

// cancel ends what a rule is doing.
func (a *Agent) cancel(r control.Request, reply func(any, error)) {
	runs, waiting, err := a.runner.Cancel(r.Name)
	if err != nil {
		reply(nil, err)
		return
	}
	reply(client.Cancelled{Version: client.Version, Runs: runs, Waiting: waiting}, nil)
}

// manyRules is how many rules an answer may speak of and still be encoded on
// the loop's thread.
const manyRules = 100

// encode replies with what result returns. If there are many rules, it is
// encoded in the background: one answer of a kind at a time, for all who ask
// meanwhile.
func (a *Agent) encode(kind string, result func() any, reply func(any, error)) {
	if len(a.config.Rules) <= manyRules {
		reply(result(), nil)
		return
	}
	if _, busy := a.encoding[kind]; busy {
		a.encoding[kind] = append(a.encoding[kind], reply)
		return
	}
	a.encoding[kind] = nil
	a.encodeFor(kind, result, []func(any, error){reply})
}

func (a *Agent) encodeFor(kind string, result func() any, replies []func(any, error)) {
	snapshot := result()
	var text *control.Encoded
	a.loop.Beside(func() { text = control.Encode(snapshot) }, func() {
		for _, reply := range replies {
			reply(text, nil)
		}
		more := a.encoding[kind]
		if len(more) == 0 {
			delete(a.encoding, kind)
			return
		}
		a.encoding[kind] = nil
		a.encodeFor(kind, result, more)
	})
}

func (a *Agent) answerStatus(r control.Request, reply func(any, error)) {
	if r.Role >= control.Admin {
		a.encode("status", func() any { return a.Status() }, reply)
		return
	}
	a.encode("masked status", func() any { return a.Status().masked() }, reply)
}

// masked returns s without what events may have brought into the arguments of
// actions and programs: somebody may have typed it.
func (s Status) masked() Status {
	for i := range s.Rules {
		for j, doing := range s.Rules[i].Running {
			s.Rules[i].Running[j], _, _ = strings.Cut(doing, " ")
		}
	}
	for i := range s.Running {
		s.Running[i].Argv = s.Running[i].Argv[:min(1, len(s.Running[i].Argv))]
	}
	return s
}

// listRules answers with the rules.
func (a *Agent) listRules(_ control.Request, reply func(any, error)) {
	a.encode("rules", func() any {
		list := client.Rules{Version: client.Version, Rules: []client.Rule{}}
		for _, r := range a.config.Rules {
			list.Rules = append(list.Rules, a.ruleOf(r))
		}
		return list
	}, reply)
}

func (a *Agent) ruleOf(r *rule.Rule) client.Rule {
	fired, last := a.runner.Firings(r)
	c := client.Rule{Name: r.Name, When: whens(r), At: r.Pos.String(), Enabled: a.runner.Enabled(r), Fired: fired}
	if fired > 0 {
		c.LastFired, c.Ago = a.ago(last)
	}
	return c
}

// whens returns what fires a rule, as it was written.
func whens(r *rule.Rule) []string {
	all := []string{}
	for i := range r.Triggers {
		all = append(all, strings.TrimSuffix(strings.TrimPrefix(r.Triggers[i].Text, "{"), "}"))
	}
	return all
}

// ago returns when the time at, of CLOCK_MONOTONIC, was by the wall clock, and
// how long ago that is.
func (a *Agent) ago(at time.Duration) (wall string, since *client.Seconds) {
	passed := client.Seconds(a.loop.Now() - at)
	return a.clock.Stamp(at), &passed
}
