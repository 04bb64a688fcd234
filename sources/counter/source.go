// SPDX-License-Identifier: MIT

// The source itself: who counts what.

package counter

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"reflexd/sources"
)

// Store is where totals are kept over a restart.
type Store interface {
	// AlsoKept returns the value that was kept under a name, and whether there is one.
	AlsoKept(name string) (string, bool)
	// KeepAlso has a value be kept, at most once a minute.
	KeepAlso(name, value string)
	// BeforeSave has flush be called before everything is written out of turn: at the
	// end, and where a rule wants it.
	BeforeSave(flush func())
}

// Source counts. It implements sources.Subscriber; all its methods are called on
// the loop's thread.
type Source struct {
	// Changed is called for each counter whose total has changed, however often that
	// is; nil for nobody.
	Changed func(name string)

	host    sources.Host
	store   Store // nil for none
	plan    *Plan
	tallies map[string]*tally         // by the names of the counters
	byLine  map[string][]*tally       // by those of the lines
	saving  sources.Timer             // nil unless a total is to be kept soon
	given   map[string]sources.Number // what a simulation begins with
}

// Open returns a source that counts nothing until a plan is applied.
func Open(host sources.Host) *Source {
	return &Source{host: host, plan: &Plan{}, tallies: map[string]*tally{}}
}

// KeepIn has totals be kept in a store. It is called before the first Apply.
func (s *Source) KeepIn(store Store) {
	s.store = store
	store.BeforeSave(s.save)
}

// Apply implements sources.Source. A counter that both plans have goes on, also if
// its scale is another one.
func (s *Source) Apply(plan sources.Plan) {
	p := plan.(*Plan)
	p.source = s
	p.adopt(s.plan)
	s.plan = p
	before := s.tallies
	s.tallies, s.byLine = map[string]*tally{}, map[string][]*tally{}
	for _, name := range p.Names() {
		c := p.counters[name]
		t := before[name]
		if t == nil {
			t = s.begin(name, c)
		} else {
			was := t.keep
			if t.declare(c); t.keep && !was {
				s.saveSoon(t)
			}
		}
		s.tallies[name] = t
		s.byLine[c.line] = append(s.byLine[c.line], t)
	}
	for name, t := range sources.InOrder(before) {
		if s.tallies[name] == nil {
			s.saveOne(t)
			t.close()
		}
	}
}

// begin returns a new counter, which goes on where it was before a restart.
func (s *Source) begin(name string, c *Counter) *tally {
	t := &tally{source: s, name: name, base: s.given[name]}
	delete(s.given, name)
	if c.keep && s.store != nil {
		if text, ok := s.store.AlsoKept(keptAs(name)); ok {
			t.base, _ = sources.ParseNumber(text)
		}
	}
	t.declare(c)
	t.emit(counted, sources.Found, t.total())
	return t
}

// keptAs is what a counter is called in the store: no variable can be.
func keptAs(name string) string { return "\x00counter " + name }

// Notify implements sources.Subscriber.
func (s *Source) Notify(e *sources.Event) {
	if e.Topic.Kind == "loss" {
		s.lost(e)
		return
	}
	for _, t := range s.byLine[e.Topic.Name] {
		if t.isPulse(e) {
			t.add(1, e.Time)
		}
	}
}

// isPulse reports whether e is an edge to the active level. Of a line with both
// edges, the kernel works out the direction from the level that it finds when the
// interrupt's thread runs (edge_irq_thread in drivers/gpio/gpiolib-cdev.c). If that is
// late, the two edges of a pulse look the same, and the GPIO source makes up for an
// edge before each of them: of two such pulses in a row, the second is none.
func (t *tally) isPulse(e *sources.Event) bool {
	if !t.pulse.Both {
		return e.Topic.State == t.pulse.Edge
	}
	_, madeUp := e.Lookup("SYNTHETIC")
	switch {
	case e.Press != sources.Down:
		t.backMadeUp = madeUp
		return false
	case !madeUp && !t.backMadeUp:
		t.doubtful = false
		return true
	}
	t.backMadeUp = false
	t.doubtful = !t.doubtful
	return t.doubtful
}

// lost counts the pulses among edges that the kernel's queue had no room for: the
// kernel numbers the edges, so that their count is exact. Where both edges are
// watched, every other one is a pulse; the one of an odd number is made up for.
func (s *Source) lost(e *sources.Event) {
	line, ok := strings.CutPrefix(e.Source, "gpio:")
	if !ok {
		return
	}
	field, _ := e.Lookup("COUNT")
	count, _ := field.Int()
	for _, t := range s.byLine[line] {
		pulses := count
		if t.pulse.Both {
			pulses /= 2
		}
		if pulses > 0 {
			t.add(pulses, e.Time)
		}
	}
}

// Set makes the total of a counter what a meter reads.
func (s *Source) Set(name string, to sources.Number) error {
	t := s.tallies[name]
	if t == nil {
		return errors.New("it is not declared any more")
	}
	t.base, t.count = to, 0
	t.declare(s.plan.counters[name])
	s.saveSoon(t)
	t.changed()
	return nil
}

// savePause is how long a total that changed is not kept yet.
const savePause = time.Minute

// saveSoon has totals be kept within a minute.
func (s *Source) saveSoon(t *tally) {
	t.unsaved = t.keep && s.store != nil
	if t.unsaved && s.saving == nil {
		s.saving = s.host.Loop.After(savePause, s.save)
	}
}

// save keeps the totals that changed.
func (s *Source) save() {
	sources.StopTimer(&s.saving)
	for _, name := range s.plan.Names() {
		if t := s.tallies[name]; t != nil {
			s.saveOne(t)
		}
	}
}

// saveOne keeps a total if it changed.
func (s *Source) saveOne(t *tally) {
	if t.unsaved {
		t.unsaved = false
		s.store.KeepAlso(keptAs(t.name), t.total().String())
	}
}

// Status implements sources.Source.
func (s *Source) Status() []sources.State {
	var states []sources.State
	for _, name := range s.plan.Names() {
		t := s.tallies[name]
		detail := "line " + t.line + ", " + strings.TrimSpace(t.total().String()+" "+t.unit)
		if t.rate.known {
			detail += fmt.Sprintf(", %s in %v", t.rated(), t.window)
		}
		if t.keep {
			detail += ", kept"
		}
		states = append(states, sources.State{Name: name, Detail: detail, OK: true})
	}
	return states
}

// Close implements sources.Source. The store has asked for the totals before.
func (s *Source) Close() {
	sources.StopTimer(&s.saving)
	for _, t := range s.tallies {
		sources.StopTimer(&t.rate.timer)
	}
	clear(s.tallies)
	clear(s.byLine)
}

// Value returns the total of a counter.
func (s *Source) Value(name string) (string, error) {
	t := s.tallies[name]
	if t == nil {
		return "", errors.New("counter " + name + " is not declared any more")
	}
	return t.total().String(), nil
}
