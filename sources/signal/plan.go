// SPDX-License-Identifier: MIT

// Package signal is the source of signals: those that other processes, timers
// and drivers send to the agent.
//
// Of the standard signals the kernel keeps one of a kind: a second SIGUSR1
// that comes before the first was read is lost, as for every process.
// Real-time signals queue up, with their values, in order.
package signal

import (
	"slices"

	"reflexd/config"
	"reflexd/sources"
)

// Kind is the source in the agent's list.
var Kind = sources.Kind{
	Name: "signal",
	Plan: func() sources.Plan { return &Plan{} },
	Open: func(h sources.Host) (sources.Source, error) { return Open(h) },
}

// state is the Topic.State of all signals.
const state = "received"

// fields are the names of the event fields.
var fields = []string{"SIGNAL", "NUMBER", "VALUE", "CODE", "SENDER_PID", "SENDER_UID", "FD", "BAND"}

// Plan is what a configuration asks of signals.
type Plan struct {
	wanted [rtMax + 1]bool // by number
}

// Wants reports whether a rule waits for the signal.
func (p *Plan) Wants(number int) bool { return p.wanted[number] }

// Sections implements sources.Plan: there is none.
func (p *Plan) Sections() []config.Field { return nil }

// Extras implements sources.Plan.
func (p *Plan) Extras() sources.Extras { return sources.Extras{Examiner: p} }

// Resolve implements sources.Plan: triggers are complained of where they are
// read.
func (p *Plan) Resolve(*config.Problems) {}

// Triggers implements sources.Plan.
func (p *Plan) Triggers() []sources.TriggerKind {
	return []sources.TriggerKind{{
		Key:    "signal",
		Doc:    "a signal that the agent receives",
		Fields: fields,
		New:    p.newTrigger,
	}}
}

func (p *Plan) newTrigger() ([]config.Field, func(*sources.Trigger, *config.Problems)) {
	var numbers []int
	number := func(n *int) config.Value {
		return config.Parsed(n, "signal", Receivable)
	}
	yaml := []config.Field{{
		Name: "signal", Doc: "SIGUSR1, SIGRTMIN+2, …: one or a list", Required: true,
		Value: config.OneOrMore(&numbers, number),
	}}
	return yaml, func(t *sources.Trigger, _ *config.Problems) {
		for _, n := range numbers {
			topic := sources.Topic{Kind: "signal", Name: Name(n), State: state}
			if !slices.Contains(t.Topics, topic) {
				t.Topics = append(t.Topics, topic)
			}
			p.wanted[n] = true
		}
	}
}
