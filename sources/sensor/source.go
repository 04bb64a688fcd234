// SPDX-License-Identifier: MIT

// The source itself: which sensors are read when.

package sensor

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"reflexd/sources"
)

// Source reads the sensors of the plan in force. It implements sources.StartWaiter
// and sources.Subscriber; all its methods are called on the loop's thread.
type Source struct {
	host  sources.Host
	plan  *Plan
	nodes map[string]*node // those that something asks for, by name

	timers map[time.Duration]sources.Timer // of the periods; one for all sensors of one
	given  map[string]string               // what a simulation begins with
	do     func(*reading)                  // carries it out, in the background
}

// Open returns a source that does nothing until a plan asks for sensors.
func Open(host sources.Host) *Source {
	return &Source{
		host: host, plan: &Plan{}, nodes: map[string]*node{}, timers: map[time.Duration]sources.Timer{},
		do: func(r *reading) { r.do(host.Sys) },
	}
}

// Apply implements sources.Source. A sensor that both plans ask for in the same
// words goes on with its value.
func (s *Source) Apply(plan sources.Plan) {
	p := plan.(*Plan)
	p.source = s
	p.adopt(s.plan)
	s.plan = p
	for _, name := range slices.Sorted(maps.Keys(s.nodes)) {
		if d := p.sensors[name]; d == nil || !d.asked || d.settings != s.nodes[name].settings {
			s.nodes[name].close()
			delete(s.nodes, name)
		}
	}
	var fresh []*node
	for _, name := range p.Names() {
		if d := p.sensors[name]; d.asked && s.nodes[name] == nil {
			n := &node{source: s, name: name, settings: d.settings}
			s.nodes[name] = n
			fresh = append(fresh, n)
		}
	}
	if s.host.Simulated {
		s.begin(fresh)
		return
	}
	s.read(fresh)
	s.schedule()
}

// Started implements sources.StartWaiter.
func (s *Source) Started() bool {
	for _, n := range s.nodes {
		if !n.tried && !s.host.Simulated {
			return false
		}
	}
	return true
}

// schedule has a timer for each period that a sensor has.
func (s *Source) schedule() {
	wanted := map[time.Duration]bool{}
	for _, n := range s.nodes {
		if n.polls() {
			wanted[n.every] = true
		}
	}
	for every, timer := range s.timers {
		if !wanted[every] {
			timer.Stop()
			delete(s.timers, every)
		}
	}
	for _, n := range sources.InOrder(s.nodes) {
		if n.polls() && s.timers[n.every] == nil {
			s.wait(n.every)
		}
	}
}

// wait waits for the next time that is a multiple of the period, so that sensors
// of several periods share wake-ups.
func (s *Source) wait(every time.Duration) {
	now := s.host.Loop.Now()
	s.timers[every] = s.host.Loop.After((now/every+1)*every-now, func() {
		s.wait(every)
		var due []*node
		for _, name := range slices.Sorted(maps.Keys(s.nodes)) {
			if n := s.nodes[name]; n.every == every && n.polls() && !n.reading {
				due = append(due, n)
			}
		}
		s.read(due)
	})
}

// read reads sensors in the background: those that take long apart from the others.
func (s *Source) read(nodes []*node) {
	var quick, slow []*node
	for _, n := range nodes {
		switch {
		case n.reading:
			n.again = true
		case n.kind == w1:
			slow = append(slow, n)
		default:
			quick = append(quick, n)
		}
	}
	s.readTogether(quick)
	s.readTogether(slow)
}

func (s *Source) readTogether(nodes []*node) {
	if len(nodes) == 0 {
		return
	}
	b := &batch{source: s, turns: make([]turn, len(nodes))}
	for i, n := range nodes {
		n.reading = true
		b.turns[i] = turn{node: n, reading: reading{settings: n.settings, place: n.place}}
	}
	b.carryOn()
}

// Notify implements sources.Subscriber.
func (s *Source) Notify(e *sources.Event) {
	if s.host.Simulated {
		return
	}
	if e.Topic.Kind == "loss" {
		if e.Topic.Name == "uevent" {
			s.read(s.sorted(func(*node) bool { return true }))
		}
		return
	}
	devpath, _ := e.Lookup("DEVPATH")
	folder := filepath.Join(s.host.Sys, devpath.String())
	s.read(s.sorted(func(n *node) bool {
		switch state := e.Topic.State; {
		case n.place == nil && n.reading: // it may be there now, or have been read before
			return true
		case state == "change":
			return n.place != nil && n.place.folder == folder
		case state == "remove":
			return n.place != nil && (n.place.path == folder || strings.HasPrefix(n.place.path, folder+"/"))
		}
		return n.tried && n.err != nil
	}))
}

// sorted returns the nodes for which meant holds, in the order of their names.
func (s *Source) sorted(meant func(*node) bool) []*node {
	var all []*node
	for _, name := range slices.Sorted(maps.Keys(s.nodes)) {
		if n := s.nodes[name]; meant(n) {
			all = append(all, n)
		}
	}
	return all
}

// Status implements sources.Source.
func (s *Source) Status() []sources.State {
	var states []sources.State
	for _, name := range s.plan.Names() {
		if n := s.nodes[name]; n != nil {
			states = append(states, n.state())
			continue
		}
		states = append(states, sources.State{Name: name, Detail: s.plan.sensors[name].describe() + ", not read: no rule uses it", OK: true})
	}
	return states
}

// Close implements sources.Source.
func (s *Source) Close() {
	for _, timer := range s.timers {
		timer.Stop()
	}
	clear(s.timers)
	for _, n := range s.nodes {
		n.unwatch()
		n.closed = true
	}
	clear(s.nodes)
}
