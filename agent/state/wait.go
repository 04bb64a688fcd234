// SPDX-License-Identifier: MIT

// Waits: actions that go on when something has come to a state.

package state

import (
	"slices"
	"time"

	"reflexd/sources"
)

// wait is somebody who waits for the answer Yes.
type wait struct {
	*watch
	done func()
	// seen is when the answer was last looked at: what was due by then will not
	// change it.
	seen time.Duration
}

// Until calls done, once and later, when q is answered with Yes. It reports
// false, and done is not called, if it is so at the time now. stop ends the
// waiting.
func (t *Table) Until(q *sources.Question, now time.Duration, done func()) (stop func(), waits bool) {
	w := &wait{watch: &watch{Watch: Watch{Question: q}}, done: done, seen: now}
	t.attach(w.watch)
	t.find(w.watch, now)
	if t.answer(w, now) {
		t.detach(w)
		return nil, false
	}
	t.waits = append(t.waits, w)
	return func() { t.detach(w) }, true
}

// attach has w look at what is taken from now on.
func (t *Table) attach(w *watch) {
	t.version++
	for _, n := range w.names() {
		t.watches[n] = append(t.watches[n], w)
	}
}

func (t *Table) detach(w *wait) {
	t.version++
	t.waits = slices.DeleteFunc(t.waits, func(other *wait) bool { return other == w })
	for _, n := range w.names() {
		t.watches[n] = slices.DeleteFunc(t.watches[n], func(other *watch) bool { return other == w.watch })
	}
}

func (t *Table) answer(w *wait, now time.Duration) bool {
	if w.Question.Ask != nil {
		return w.Question.Ask() == sources.Yes
	}
	return t.Ask(w.Question, now) == sources.Yes
}

// release lets those go on whose state has come by the time now.
func (t *Table) release(now time.Duration) {
	for _, w := range slices.Clone(t.waits) {
		if w.seen = now; slices.Contains(t.waits, w) && t.answer(w, now) {
			t.detach(w)
			w.done()
		}
	}
}

// due returns when the state has lasted for as long as w wants, if that is so
// then: of what is absent, since the table began.
func (w *wait) due(began time.Duration) (at time.Duration, ok bool) {
	if w.Question.For == 0 {
		return 0, false
	}
	if at = began + w.Question.For; w.Question.Absent == sources.Yes && at > w.seen {
		ok = true
	}
	for _, r := range w.records {
		if next := r.since + w.Question.For; r.holds && next > w.seen && (!ok || next < at) {
			at, ok = next, true
		}
	}
	return at, ok
}
