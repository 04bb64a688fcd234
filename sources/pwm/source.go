// SPDX-License-Identifier: MIT

// The source itself: the outputs, and what they are to be.

package pwm

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"reflexd/sources"
)

// Source drives the outputs of the plan in force. It implements
// sources.StartWaiter and sources.Subscriber; all its methods are called on the
// loop's thread.
type Source struct {
	// Changed is called for each output whose level may be another one than before,
	// however often that is; nil for nobody.
	Changed func(name string)

	host  sources.Host
	plan  *Plan
	nodes map[string]*node // by the names of the outputs
	gone  []*node          // that no plan has any more, until they are as their on_exit says
	given map[string]int   // what a simulation begins with
}

// node is one output.
type node struct {
	source *Source
	name   string
	settings
	onExit int

	level    int // that was ordered last
	working  bool
	again    bool // the level or the chip changed while it was being written
	tried    bool
	closed   bool
	waiting  []func(error)
	err      error
	failures int
	retry    sources.Timer
	device   channel
}

// Open returns a source that does nothing until a plan asks for outputs.
func Open(host sources.Host) *Source {
	return &Source{host: host, plan: &Plan{}, nodes: map[string]*node{}}
}

// idle reports whether nothing is written at all.
func (s *Source) idle() bool { return s.host.Simulated || s.host.DryRun }

// Apply implements sources.Source. An output that both plans have, be it under another
// name or with another frequency, keeps its level.
func (s *Source) Apply(plan sources.Plan) {
	p := plan.(*Plan)
	p.source = s
	s.plan = p
	left := s.all()
	clear(s.nodes)
	for _, name := range p.Names() {
		o := p.outputs[name]
		var n *node
		if i := slices.IndexFunc(left, func(n *node) bool { return n.place == o.place }); i >= 0 {
			n = left[i]
			left = slices.Delete(left, i, i+1)
		} else {
			n = &node{source: s, level: o.initial}
			if level, ok := s.given[name]; ok {
				n.level = level
				delete(s.given, name)
			}
		}
		s.nodes[name] = n
		n.onExit = o.onExit
		if n.name != name || n.settings != o.settings {
			n.name, n.settings = name, o.settings
			n.write(nil)
		}
	}
	for _, n := range left {
		n.retire()
	}
}

// all returns the outputs in the order of their names.
func (s *Source) all() []*node {
	var all []*node
	for _, n := range sources.InOrder(s.nodes) {
		all = append(all, n)
	}
	return all
}

// Started implements sources.StartWaiter.
func (s *Source) Started() bool {
	for _, n := range s.nodes {
		if !n.tried && !s.idle() {
			return false
		}
	}
	return true
}

// Set gives an output a level up to sources.Full. done is called once, perhaps before it
// returns.
func (s *Source) Set(name string, level int, done func(error)) {
	n := s.nodes[name]
	if n == nil {
		done(fmt.Errorf("set pwm %s: it is not declared any more", name))
		return
	}
	n.level = level
	n.write(done)
	n.changed()
}

func (n *node) changed() {
	if n.source.Changed != nil {
		n.source.Changed(n.name)
	}
}

// Level returns the level that was ordered last, and whether there is such an output.
func (s *Source) Level(name string) (level int, ok bool) {
	n := s.nodes[name]
	if n == nil {
		return 0, false
	}
	return n.level, true
}

// Value returns the level of an output as a percentage, or why it has none.
func (s *Source) Value(name string) (string, error) {
	switch n := s.nodes[name]; {
	case n == nil:
		return "", fmt.Errorf("pwm %s is not declared any more", name)
	case n.err != nil:
		return "", fmt.Errorf("pwm %s is not open: %w", name, n.err)
	default:
		return sources.Percent(n.level), nil
	}
}

// Notify implements sources.Subscriber: the chip of an output may be there now.
func (s *Source) Notify(e *sources.Event) {
	lost := e.Topic.Kind == "loss"
	if lost && e.Topic.Name != "uevent" || !lost && (e.Topic.Name != "pwm" || e.Topic.State == "change") {
		return
	}
	for _, n := range s.all() {
		if n.err != nil || n.working || lost || e.Topic.State == "remove" {
			n.failures = 0
			n.write(nil)
		}
	}
}

// write brings the output to its level.
func (n *node) write(done func(error)) {
	if n.source.idle() {
		if done != nil {
			done(nil)
		}
		return
	}
	if done != nil {
		n.waiting = append(n.waiting, done)
	}
	sources.StopTimer(&n.retry)
	if n.again = n.working; n.working {
		return
	}
	n.working = true
	st, level, h, waiting := n.settings, n.level, &n.source.host, n.waiting
	n.waiting = nil
	var err error
	n.source.host.Loop.Beside(func() { err = n.device.set(st, h.Proc, h.Sys, level) }, func() {
		n.working, n.tried = false, true
		if n.closed {
			n.giveUp(waiting, err)
			return
		}
		n.took(err)
		for _, done := range waiting {
			done(err)
		}
		if n.again {
			n.write(nil)
		}
	})
}

// giveUp ends all orders to an output that is closed: those that were written, with
// err, and those that still wait.
func (n *node) giveUp(written []func(error), err error) {
	for _, done := range written {
		done(err)
	}
	for _, done := range n.waiting {
		done(fmt.Errorf("set pwm %s: a reload has removed it", n.name))
	}
	n.waiting = nil
}

// took notes how a write ended. A failure is tried again for a while.
func (n *node) took(err error) {
	log := n.source.host.Log
	switch {
	case err == nil && n.err != nil:
		log.Info("pwm output is open", "pwm", n.name, "level", sources.Percent(n.level))
	case err != nil && (n.err == nil || n.err.Error() != err.Error()):
		log.Warn("cannot set pwm output", "pwm", n.name, "error", err)
	}
	was := n.err
	if n.err = err; (was == nil) != (err == nil) {
		n.changed()
	}
	if err == nil {
		n.failures = 0
		return
	}
	n.failures++
	pause, again := sources.NodePause(err, n.failures)
	if again && !errors.As(err, new(notThere)) {
		n.retry = n.source.host.Loop.After(pause, func() { n.retry = nil; n.write(nil) })
	}
}

// exitPatience is how long the agent waits for a chip before it ends.
const exitPatience = 2 * time.Second

// end forgets what was to be written, and reports whether on_exit is to be.
func (n *node) end() bool {
	sources.StopTimer(&n.retry)
	n.closed = true
	if n.onExit == keep || n.source.idle() || errors.As(n.err, new(notThere)) {
		n.device.left.Store(true)
		return false
	}
	return true
}

// leave leaves the output as its on_exit says.
func (n *node) leave() error {
	h := &n.source.host
	return n.device.leave(n.settings, h.Proc, h.Sys, n.onExit)
}

func (n *node) left(err error) {
	if err != nil {
		n.source.host.Log.Error("cannot leave pwm output as on_exit says", "pwm", n.name, "error", err)
	}
}

// retire leaves the output of which a reload has taken the declaration.
func (n *node) retire() {
	if !n.end() {
		return
	}
	s := n.source
	s.gone = append(s.gone, n)
	var err error
	s.host.Loop.Beside(func() { err = n.leave() }, func() {
		i := slices.Index(s.gone, n)
		s.gone = slices.Delete(s.gone, i, i+1)
		n.left(err)
		for _, n := range s.all() { // one of which may be the same channel in other words
			n.write(nil)
		}
	})
}

// close leaves the output before the agent ends.
func (n *node) close() {
	if !n.end() {
		return
	}
	done := make(chan error, 1)
	go func() { done <- n.leave() }()
	select {
	case err := <-done:
		n.left(err)
	case <-time.After(exitPatience):
		n.left(errors.New("the driver does not answer"))
	}
}

// Status implements sources.Source.
func (s *Source) Status() []sources.State {
	var states []sources.State
	for _, n := range s.all() {
		st := sources.State{Name: n.name, Detail: fmt.Sprintf("%s, %v, %s", n.describe(), n.period, sources.Percent(n.level)), OK: n.err == nil}
		if n.err != nil {
			st.Error = n.err.Error()
		}
		states = append(states, st)
	}
	return states
}

// describe says which channel is meant.
func (st *settings) describe() string {
	where := fmt.Sprintf("%s channel %d", st.chip, st.channel)
	switch {
	case st.onThisBoard():
		return st.pin
	case st.pin != "":
		return st.pin + ", " + where
	}
	return where
}

// Close implements sources.Source.
func (s *Source) Close() {
	for _, n := range append(s.all(), s.gone...) {
		n.close()
	}
	clear(s.nodes)
}
