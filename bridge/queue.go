// SPDX-License-Identifier: MIT

// Queue: what waits for the broker.

package bridge

import (
	"slices"
	"sync"
	"time"
)

// item is one message that waits.
type item struct {
	topic   string
	payload string
	retain  bool
	state   bool          // the newest one of its topic counts
	until   time.Time     // it is worth nothing later; zero for ever
	expire  time.Duration // at the broker; 0 for never
	number  uint64        // the agent's, which waits for it; 0 for none
}

// queue holds the states and events that the broker does not have yet. States
// do not expire, and only the newest of a topic is kept; of events there are at
// most so many.
type queue struct {
	most int
	now  func() time.Time
	lose func() // called when events are lost

	mu    sync.Mutex
	items []item
	lost  int           // events that expired or had no room
	more  chan struct{} // has a token if there may be something new
}

func newQueue(most int) *queue {
	return &queue{most: most, now: time.Now, lose: func() {}, more: make(chan struct{}, 1)}
}

// put appends an item, in the place of the state that it replaces.
func (q *queue) put(it item) {
	q.mu.Lock()
	defer q.mu.Unlock()
	same := func(old item) bool { return old.state && it.state && old.topic == it.topic }
	if i := slices.IndexFunc(q.items, same); i >= 0 {
		q.items = slices.Delete(q.items, i, i+1)
	}
	q.items = append(q.items, it)
	q.trim()
	q.wake()
}

// trim drops the oldest events if there are too many.
func (q *queue) trim() {
	events := 0
	for i := range q.items {
		if !q.items[i].state {
			events++
		}
	}
	for ; events > q.most; events-- {
		i := slices.IndexFunc(q.items, func(it item) bool { return !it.state })
		q.items = slices.Delete(q.items, i, i+1)
		q.lost++
		q.lose()
	}
}

func (q *queue) wake() {
	select {
	case q.more <- struct{}{}:
	default:
	}
}

// take returns the first item that has not expired.
func (q *queue) take() (it item, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.items) > 0 {
		it = q.items[0]
		q.items = q.items[1:]
		if it.until.IsZero() || q.now().Before(it.until) {
			return it, true
		}
		q.lost++
		q.lose()
	}
	return item{}, false
}

// back puts an item in front that could not be sent, unless a newer state of it
// is there.
func (q *queue) back(it item) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if it.state && slices.ContainsFunc(q.items, func(other item) bool { return other.state && other.topic == it.topic }) {
		return
	}
	q.items = slices.Insert(q.items, 0, it)
}

// losses returns how many events were lost so far.
func (q *queue) losses() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.lost
}
