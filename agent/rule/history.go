// SPDX-License-Identifier: MIT

// History: what each rule made of the last events, for those who ask why it
// fired or did not. It is kept in memory that is used again and again.

package rule

import (
	"cmp"
	"slices"
	"time"

	"reflexd/agent/action"
	"reflexd/sources"
)

// remembered is how many firings of a rule are kept, and how many events that
// did not fire it: a storm of these must not push out the others.
const remembered = 8

// longestText bounds the strings of an event that are kept, in bytes; fields
// beyond it are left out.
const longestText = 4096

// Missed is the outcome for an event that one of a rule's triggers is about but
// whose fields its `where` does not take; Disabled is that for a rule that is.
const (
	Missed   Outcome = "missed"
	Disabled Outcome = "disabled"
)

// Record is what a rule made of one event. It is good until the loop's next
// turn.
type Record struct {
	Rule *Rule
	At   time.Duration // of the event
	*Kept
	Outcome Outcome
	Why     string // for Dropped, Failed and Unmet, as in Runner.Observe
	answers
	// Seen are the values that the rule's conditions asked for, "" for what is not
	// known or has none.
	Seen []string
	// Trigger is set for Missed: the one that is about the event.
	Trigger *sources.Trigger
	Actions []Deed

	run *action.Run
}

// Kept is an event in memory of its own, for all records about it: one event may be
// about thousands of rules.
type Kept struct {
	Event   sources.Event
	fields  []sources.Field
	text    []byte
	all     int // how many fields the event has, which may be too long
	records int // that have it, and places in sought.recent
}

// copies are the events that are kept.
type copies struct {
	newest *Kept   // nil before the first
	fresh  bool    // newest is not of the event that is shown to the rules
	free   []*Kept // that no record has any more
	noted  uint64  // how many events were noted, see sought
}

// answers are those of a rule's conditions, and what these looked at.
type answers struct {
	Holds  []sources.Truth
	values []byte
	ends   []int // of the values
}

// Deed is an action that is over.
type Deed struct {
	Step *action.Step
	// What it did, for one that took its time or depends on more than the event; of
	// others, Step says it.
	What string
	Took time.Duration
	Err  error
}

// ring is the last records of a kind.
type ring struct {
	records []*Record
	next    int
}

// take returns the record to be filled.
func (r *ring) take() *Record {
	if len(r.records) < remembered {
		r.records = append(r.records, &Record{})
		return r.records[len(r.records)-1]
	}
	rec := r.records[r.next]
	r.next = (r.next + 1) % remembered
	return rec
}

// history is what is kept of one rule.
type history struct {
	firings, others ring
	asked           answers // for the next record
}

// ask takes down the answers of the rule's conditions for the record that follows:
// those that count, before any rule acts.
func (r *Runner) ask(p *progress, rule *Rule, e *sources.Event) {
	if r.Remember {
		p.history.asked.ask(r.world, rule, e)
	}
}

// keep makes a record of what rule makes of e, after ask.
func (r *Runner) keep(p *progress, rule *Rule, e *sources.Event, o Outcome, why string) *Record {
	rec := r.begins(p, rule, e, o, why)
	r.copies.give(rec, e)
	return rec
}

// begins is keep without the event, which is to be copied as soon as there is
// time. It returns nil if nothing is to be kept.
func (r *Runner) begins(p *progress, rule *Rule, e *sources.Event, o Outcome, why string) *Record {
	if !r.Remember {
		return nil
	}
	of := &p.history.others
	if o == Fired {
		of = &p.history.firings
	}
	r.settle(p)
	rec := r.record(of, rule, e, o, why)
	rec.answers, p.history.asked = p.history.asked, rec.answers
	return rec
}

// record takes a record of a ring, which has no event yet.
func (r *Runner) record(of *ring, rule *Rule, e *sources.Event, o Outcome, why string) *Record {
	rec := of.take()
	r.copies.drop(rec.Kept)
	rec.Rule, rec.At, rec.Kept, rec.Outcome, rec.Why, rec.Trigger, rec.run = rule, e.Time, nil, o, why, nil, nil
	rec.Actions = rec.Actions[:0]
	return rec
}

// give gives a record, nil for none, the copy of its event.
func (c *copies) give(rec *Record, e *sources.Event) {
	if rec != nil {
		rec.Kept = c.of(e)
	}
}

// of returns the copy of e for one more who has it.
func (c *copies) of(e *sources.Event) *Kept {
	if k := c.newest; k == nil || c.fresh || !k.is(e) {
		c.fresh = false
		switch n := len(c.free) - 1; {
		case k != nil && k.records == 0:
		case n >= 0:
			c.newest, c.free = c.free[n], c.free[:n]
		default:
			c.newest = &Kept{}
		}
		c.newest.copy(e)
	}
	c.newest.records++
	return c.newest
}

// drop takes back what of has returned, or nothing if that is nil.
func (c *copies) drop(k *Kept) {
	if k == nil {
		return
	}
	if k.records--; k.records == 0 && k != c.newest {
		c.free = append(c.free, k)
	}
}

// is reports whether k is a copy of e.
func (k *Kept) is(e *sources.Event) bool {
	was := &k.Event
	return was.Time == e.Time && was.Topic == e.Topic && was.Source == e.Source && was.Private == e.Private && k.all == len(e.Fields) &&
		slices.Equal(k.fields, e.Fields[:len(k.fields)])
}

func (k *Kept) copy(e *sources.Event) {
	size := 0
	n := 0
	for ; n < len(e.Fields); n++ {
		f := &e.Fields[n]
		if size += len(f.Name) + f.Value.Size(); size > longestText {
			break
		}
	}
	k.fields, k.all = append(k.fields[:0], e.Fields[:n]...), len(e.Fields)
	k.Event = *e
	k.Event.Fields, k.Event.Chain = k.fields, nil
	if e.Borrowed {
		k.text = k.Event.CopyStrings(k.text[:0])
	}
}

func (a *answers) forget() { a.Holds, a.values, a.ends = a.Holds[:0], a.values[:0], a.ends[:0] }

func (a *answers) ask(w *World, rule *Rule, e *sources.Event) {
	a.forget()
	for _, c := range rule.If {
		a.Holds = append(a.Holds, c.holds(w, e))
		if p, ok := c.(placed); ok && w.Seen != nil && p.kind != "" {
			a.values = append(a.values, w.Seen(p.kind, p.name)...)
		}
		a.ends = append(a.ends, len(a.values))
	}
}

// seen fills in Seen.
func (rec *Record) seen() {
	rec.Seen = rec.Seen[:0]
	from := 0
	for _, end := range rec.ends {
		rec.Seen = append(rec.Seen, string(rec.values[from:end]))
		from = end
	}
}

// miss takes down that a trigger of the rule is about e and does not take it.
func (r *Runner) miss(rule *Rule, t *sources.Trigger, e *sources.Event) {
	p := r.of(rule)
	r.ask(p, rule, e)
	if rec := r.keep(p, rule, e, Missed, ""); rec != nil {
		rec.Trigger = t
	}
}

// release has no record be that of run, which is used again.
func (p *progress) release(run *action.Run) {
	for _, rec := range p.history.firings.records {
		if rec.run == run {
			rec.run = nil
		}
	}
}

// waiter returns the record of a firing that waited with e; nil for none. Those of the
// same time come in their order.
func (p *progress) waiter(e *sources.Event) *Record {
	for _, rec := range p.history.firings.records {
		if rec.run == nil && rec.At == e.Time && rec.Outcome == Fired {
			return rec
		}
	}
	return nil
}

func (p *progress) recordOf(run *action.Run) *Record {
	for _, rec := range p.history.firings.records {
		if rec.run == run {
			return rec
		}
	}
	return nil
}

// over has the record of run say how it ended.
func (p *progress) over(run *action.Run, o Outcome, why string) {
	if rec := p.recordOf(run); rec != nil {
		rec.Outcome, rec.Why = o, why
	}
}

// Acted takes down an action that is over.
func (r *Runner) Acted(run *action.Run, step *action.Step, took time.Duration, err error) {
	p := r.perRule[run.Rule]
	if p == nil {
		return
	}
	rec := p.recordOf(run)
	const mostActions = 32
	if rec == nil || len(rec.Actions) == mostActions {
		return
	}
	d := Deed{Step: step, Took: took}
	if err != nil {
		d.Err = run.Shown(err)
	}
	if took > 0 || step.Refers {
		d.What = run.Event.Conceal(step.Describe(run.Event))
	}
	rec.Actions = append(rec.Actions, d)
}

// History returns what the rule of that name, "" for all, made of the last
// events, the newest at the end.
func (r *Runner) History(name string) ([]*Record, error) {
	if name != "" {
		if _, err := r.named(name); err != nil {
			return nil, err
		}
	}
	var all []*Record
	for _, p := range sources.InOrder(r.perRule) {
		if p.rule != nil && (name == "" || p.rule.Name == name) {
			r.settle(p)
			all = append(all, p.history.firings.records...)
			all = append(all, p.history.others.records...)
		}
	}
	slices.SortStableFunc(all, func(a, b *Record) int {
		x, y := &a.Rule.Pos, &b.Rule.Pos
		return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(x.File, y.File), cmp.Compare(x.Line, y.Line))
	})
	for _, rec := range all {
		rec.seen()
	}
	return all, nil
}
