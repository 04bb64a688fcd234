// SPDX-License-Identifier: MIT

// Watches: triggers and conditions that ask for how long a state has lasted,
// and triggers that ask for what is there at start.

package state

import (
	"container/heap"
	"slices"
	"sort"
	"time"

	"reflexd/sources"
)

// synthetic is the field of what nobody saw happen.
const synthetic = "SYNTHETIC"

// Watch is what a rule asks of states.
type Watch struct {
	// ID tells it from all others, and is the same in the next configuration
	// if the rule is: what was counted goes on.
	ID string
	// Rule is the number of the rule whose trigger it is.
	Rule    int
	Trigger *sources.Trigger
	// Question is set, and Trigger is not, for a condition.
	Question *sources.Question
}

// watch is a Watch with what is known of the subjects that it is about.
type watch struct {
	Watch
	// where is that of the Trigger, but for the fields that only a firing has.
	where   sources.Where
	records map[*subject]*record
}

// record is for how long a watch's state of a subject has lasted.
type record struct {
	watch   *watch
	subject *subject
	holds   bool
	state   string        // while it holds
	since   time.Duration // likewise
	found   bool          // likewise: nobody saw it begin
	next    time.Duration // when the trigger fires; 0 if it does not
	place   int           // in the heap of those that count, while next is set
}

// records are a heap of those whose trigger fires at some time, the first of them on
// top.
type records []*record

func (h records) Len() int           { return len(h) }
func (h records) Less(i, j int) bool { return h[i].before(h[j]) }
func (h records) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}
func (h *records) Push(r any) {
	r.(*record).place = len(*h)
	*h = append(*h, r.(*record))
}
func (h *records) Pop() any {
	n := len(*h) - 1
	r := (*h)[n]
	(*h)[n] = nil
	*h = (*h)[:n]
	return r
}

// Follow makes all the watches that count. What those with the same ID have
// counted goes on; of the others, a state that is there counts as found, at
// the time now. Found must follow.
func (t *Table) Follow(all []Watch, topics []sources.Topic, now time.Duration) {
	if t.began == 0 {
		t.began = now
	}
	before := map[string]*watch{}
	for _, list := range t.watches {
		for _, w := range list {
			before[w.ID] = w
		}
	}
	t.version++
	t.watches, t.counting, t.derived = map[name][]*watch{}, nil, map[sources.Topic]bool{}
	for _, topic := range topics {
		t.derived[topic] = true
	}
	for _, w := range t.waits {
		t.attach(w.watch)
	}
	for i := range all {
		w := &watch{Watch: all[i]}
		if w.Trigger != nil {
			w.where = w.Trigger.Where.Without(sources.LastedMS, synthetic)
		}
		t.attach(w)
		t.goOn(w, before[w.ID])
		t.find(w, now)
	}
}

// find has a watch look at what is there, but for what it holds already.
func (t *Table) find(w *watch, now time.Duration) {
	if w.records == nil {
		w.records = map[*subject]*record{}
	}
	for _, n := range w.names() {
		for _, s := range t.named[n] {
			if r := w.records[s]; s.known && (r == nil || !r.holds) {
				t.look(w, s, &s.event, s.since, now, true)
			}
		}
	}
}

// names returns the names that w is about, each once.
func (w *watch) names() []name {
	if q := w.Question; q != nil {
		return []name{{q.Kind, q.Name}}
	}
	var all []name
	for _, topic := range w.Trigger.Topics {
		if n := (name{topic.Kind, topic.Name}); !slices.Contains(all, n) {
			all = append(all, n)
		}
	}
	return all
}

// goOn makes what old has counted w's, but for what w is not about. old is nil
// if w is new.
func (t *Table) goOn(w, old *watch) {
	w.records = map[*subject]*record{}
	if old == nil {
		return
	}
	names := w.names()
	for s, r := range old.records {
		if !slices.Contains(names, s.name) && !slices.Contains(names, name{kind: s.kind}) {
			continue
		}
		w.records[s] = r
		if r.watch = w; r.next > 0 {
			heap.Push(&t.counting, r)
		}
	}
}

// update has all watches look at the state of s that e reports.
func (t *Table) update(s *subject, e *sources.Event, found bool) {
	for _, w := range t.watching(s) {
		t.look(w, s, &s.event, e.Time, e.Time, found)
	}
}

// look notes whether the state of s, which began at since, is the one that w
// asks for. found says that it was there before somebody looked.
func (t *Table) look(w *watch, s *subject, e *sources.Event, since, now time.Duration, found bool) {
	r := w.records[s]
	if !w.accepts(e) {
		if r != nil {
			t.end(r)
		}
		return
	}
	if r == nil {
		r = &record{watch: w, subject: s}
		w.records[s] = r
	}
	if r.holds && r.state == e.Topic.State {
		return
	}
	t.end(r)
	r.holds, r.state, r.since, r.found = true, e.Topic.State, since, found
	switch l := w.lasting(); {
	case w.Question != nil || found && !l.AtStart:
	case l.For == 0 && found:
		t.ready = append(t.ready, firing{r, now})
	case l.For > 0:
		r.next = max(now, since+l.For)
		heap.Push(&t.counting, r)
	}
}

// end ends the state of r.
func (t *Table) end(r *record) {
	if r.holds = false; r.next > 0 {
		r.next = 0
		heap.Remove(&t.counting, r.place)
	}
}

func (w *watch) lasting() sources.Lasting {
	if w.Trigger == nil {
		return sources.Lasting{}
	}
	return w.Trigger.Lasting
}

// accepts reports whether e is what w asks for.
func (w *watch) accepts(e *sources.Event) bool {
	if q := w.Question; q != nil {
		return (q.Among == nil || q.Among(e)) && q.Is(e)
	}
	for i := range w.Trigger.Topics {
		topic := &w.Trigger.Topics[i]
		if topic.Kind == e.Topic.Kind && (topic.Name == "" || topic.Name == e.Topic.Name) && (topic.State == "" || topic.State == e.Topic.State) {
			return w.Trigger.Lasts(e) && w.where.Match(e)
		}
	}
	return false
}

// Fire is shown a firing of the trigger of the rule with that number. e is good
// until it returns.
type Fire func(rule int, e *sources.Event)

// Next does what follows from the event taken last, when rules were shown it:
// it shows the event of a state that no source sends itself, and lets those go
// on who wait for a state.
func (t *Table) Next(show func(*sources.Event)) {
	if s := t.news; s != nil {
		t.news = nil
		show(t.eventOf(s, s.event.Time, -1, t.unseen))
	}
	if t.changed && len(t.waits) > 0 {
		t.release(t.taken)
	}
	t.changed = false
}

// Found fires the triggers that ask for what was there at start and has been
// found since it was last called. It must be called before an event is taken
// that is not Found itself: conditions then know what was found together,
// whatever its order, and nothing that was found is over yet.
func (t *Table) Found(fire Fire) {
	if len(t.ready) == 0 {
		return
	}
	ready := t.ready
	t.ready, t.fired = nil, t.fired[:0]
	sort.Stable(ready)
	for _, f := range ready {
		if f.holds {
			t.fire(f, fire)
		}
	}
}

// fire fires f, unless a trigger of the same rule has just fired for the same.
func (t *Table) fire(f firing, fire Fire) {
	if len(t.fired) > 0 && (t.fired[0].at != f.at || t.fired[0].watch.Rule != f.watch.Rule) {
		t.fired = t.fired[:0]
	}
	if slices.ContainsFunc(t.fired, func(other firing) bool { return other.subject == f.subject }) {
		return
	}
	e := t.eventOf(f.subject, f.at, f.at-f.since, f.found)
	if !f.watch.Trigger.Where.Match(e) {
		return
	}
	if e.Chain != nil && f.watch.Trigger.Lasting.For > 0 {
		waited := *e.Chain
		waited.Waited = true
		e.Chain = &waited
	}
	t.fired = append(t.fired, f)
	fire(f.watch.Rule, e)
}

// eventOf returns the event that the state of s has lasted so long, which is
// not mentioned where it is negative. It is good until the next call.
func (t *Table) eventOf(s *subject, at, lasted time.Duration, found bool) *sources.Event {
	t.fields = append(t.fields[:0], s.fields...)
	if lasted >= 0 {
		t.fields = append(t.fields, sources.Field{Name: sources.LastedMS, Value: sources.Int(lasted.Milliseconds())})
	}
	if _, marked := s.event.Lookup(synthetic); found && !marked {
		t.fields = append(t.fields, sources.Field{Name: synthetic, Value: sources.Int(1)})
	}
	t.event = s.event
	t.event.Time, t.event.Fields = at, t.fields
	return &t.event
}

// Due returns when Advance has something to find unless an event comes first.
func (t *Table) Due() (at time.Duration, ok bool) {
	if len(t.counting) > 0 {
		at, ok = t.counting[0].next, true
	}
	for _, w := range t.waits {
		if due, is := w.due(t.began); is && (!ok || due < at) {
			at, ok = due, true
		}
	}
	return at, ok
}

// Advance fires what is due by the time until, in its order and, at the same
// time, in that of the rules. Repetitions that would be past at the time now,
// which may be later, are left out.
func (t *Table) Advance(until, now time.Duration, fire Fire) {
	t.fired = t.fired[:0]
	for len(t.counting) > 0 && t.counting[0].next <= until {
		r := t.counting[0]
		at := r.next
		if repeat := r.watch.Trigger.Lasting.Repeat; repeat > 0 {
			r.next += ((now-at)/repeat + 1) * repeat
			heap.Fix(&t.counting, 0)
		} else {
			heap.Pop(&t.counting)
			r.next = 0
		}
		t.fire(firing{r, at}, fire)
	}
	if len(t.waits) > 0 {
		t.release(until)
	}
}

func (r *record) before(other *record) bool {
	if r.next != other.next {
		return r.next < other.next
	}
	if r.watch.Rule != other.watch.Rule {
		return r.watch.Rule < other.watch.Rule
	}
	a, b := &r.subject.key, &other.subject.key
	return a.name.name < b.name.name || a.name == b.name && a.source < b.source
}

// Ask answers q at the time now.
func (t *Table) Ask(q *sources.Question, now time.Duration) sources.Truth {
	truth := q.Absent
	if now-t.began < q.For || q.OnceKnown && len(t.named[name{kind: q.Kind}]) == 0 {
		truth = min(truth, sources.Unknown)
	}
	for _, s := range t.named[name{q.Kind, q.Name}] {
		if !s.known || q.Among != nil && !q.Among(&s.event) {
			continue
		}
		is := sources.Whether(q.Is(&s.event) && (q.For == 0 || t.lasted(q, s, now) >= q.For))
		if truth = is; (is == sources.Yes) != q.All {
			break
		}
	}
	return truth
}

// lasted returns for how long q has been answered with s, 0 if it was not.
func (t *Table) lasted(q *sources.Question, s *subject, now time.Duration) time.Duration {
	for _, w := range t.watches[name{q.Kind, q.Name}] {
		if w.Question == q {
			if r := w.records[s]; r != nil && r.holds {
				return now - r.since
			}
		}
	}
	return 0
}

// State returns the state of what has that kind and name, and since when; ""
// if it is not known.
func (t *Table) State(kind, of string) (state string, since time.Duration) {
	for _, s := range t.named[name{kind, of}] {
		if s.known {
			return s.event.Topic.State, s.since
		}
	}
	return "", 0
}
