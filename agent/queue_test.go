// SPDX-License-Identifier: MIT

package agent

import (
	"fmt"
	"testing"

	"reflexd/sources"
)

func someEvent(n int) *sources.Event {
	return &sources.Event{
		Topic: sources.Topic{Kind: "uevent", Name: fmt.Sprint("name", n), State: fmt.Sprint("state", n)}, Source: fmt.Sprint("source", n),
		Fields: []sources.Field{{Name: fmt.Sprint("KEY", n), Value: sources.Text(fmt.Sprint("value", n))}, {Name: "N", Value: sources.Int(int64(n))}},
	}
}

// What a sender writes into its memory after it sent an event from there
// changes nothing in the queue, however that grows.
func TestQueueCopiesWhatIsBorrowed(t *testing.T) {
	var q queue
	for range 2 {
		for n := range 300 {
			lend(someEvent(n), q.push)
		}
		for n := range q.events {
			if got, want := fmt.Sprint(q.events[n].Topic, q.events[n].Source, q.events[n].Fields), fmt.Sprint(someEvent(n).Topic, someEvent(n).Source, someEvent(n).Fields); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
		kept := q.events[7].Clone()
		q.clear()
		if got, want := fmt.Sprint(*kept), fmt.Sprint(*someEvent(7)); got != want {
			t.Errorf("a clone is %s, want %s", got, want)
		}
	}
}

// Of an event of which only the last values are borrowed, these are copied and no more.
func TestQueueCopiesBorrowedValues(t *testing.T) {
	own, lent := []byte("own"), []byte("lent")
	e := &sources.Event{Borrowed: true, Owned: 1, Fields: []sources.Field{
		{Name: "PATH", Value: sources.Text(sources.Borrow(own))}, {Name: "N", Value: sources.Int(7)}, {Name: "TEXT", Value: sources.Text(sources.Borrow(lent))}}}
	var q queue
	q.push(e)
	clone := e.Clone()
	copy(own, "OWN")
	copy(lent, "LENT")
	const want = "[{PATH OWN} {N 7} {TEXT lent}]"
	for what, got := range map[string]*sources.Event{"in the queue": &q.events[0], "cloned": clone} {
		if text := fmt.Sprint(got.Fields); text != want {
			t.Errorf("%s: %s, want %s", what, text, want)
		}
	}
}

// The queue uses its memory again, for borrowed events too.
func TestQueueAllocatesNothing(t *testing.T) {
	var q queue
	e := someEvent(1)
	e.Borrowed = true
	allocs := testing.AllocsPerRun(100, func() {
		for range 32 {
			q.push(e)
		}
		q.sort()
		q.clear()
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// Rules that wait, or whose turn comes later, know the event all the same.
func TestRulesKeepBorrowedEvents(t *testing.T) {
	r := start(t, `
rules:
  - {name: slow, mode: queued, when: {event: x}, do: [{wait: 20ms}, {log: "slow ${N}"}]}
  - {name: newest, mode: restart, when: {event: x}, do: [{wait: 20ms}, {log: "newest ${N}"}]}
  - {name: again, when: {event: x}, do: {emit: {name: y, fields: {M: "${N}"}}}}
  - {name: emitted, mode: queued, when: {event: y}, do: [{wait: 1ms}, {log: "emitted ${M}"}]}
`)
	r.send("x", "N=one")
	r.send("x", "N=two")
	for _, want := range []string{"slow one", "slow two", "newest two", "emitted one", "emitted two"} {
		r.expect(want)
	}
}
