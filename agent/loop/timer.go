// SPDX-License-Identifier: MIT

// Timers: one heap, whose head is the timeout of epoll_wait.

package loop

import (
	"container/heap"
	"time"
)

// timer implements sources.Timer.
type timer struct {
	loop   *Loop
	due    time.Duration // CLOCK_MONOTONIC
	number uint64        // of several due at the same time, the one that was set first comes first
	index  int           // in the heap; -1 when taken out
	fire   func()        // nil once called or stopped
}

func (t *timer) Stop() bool {
	if t.index >= 0 {
		heap.Remove(&t.loop.timers, t.index)
	}
	pending := t.fire != nil
	t.fire = nil
	return pending
}

// Due returns when a timer or WakeBy wants the loop to wake up.
func (l *Loop) Due() (at time.Duration, ok bool) {
	at = l.wakeBy
	if len(l.timers) > 0 && (at == 0 || l.timers[0].due < at) {
		at = l.timers[0].due
	}
	return at, at != 0
}

// timeout returns the milliseconds until the first timer or WakeBy is due,
// rounded up so that it never fires early, or -1 without either.
func (l *Loop) timeout() int {
	due, ok := l.Due()
	if !ok {
		return -1
	}
	wait := due - l.Now()
	const longest = time.Hour // well inside of an int32 of milliseconds
	return int((min(max(0, wait), longest) + time.Millisecond - 1) / time.Millisecond)
}

// runTimers calls what is due now. A timer that is set meanwhile, be it for
// no time at all, waits for the next wake-up, so that it cannot keep the
// descriptors from their turn.
func (l *Loop) runTimers() {
	if len(l.timers) == 0 {
		return
	}
	now := l.Now()
	var due []*timer
	for len(l.timers) > 0 && l.timers[0].due <= now {
		due = append(due, heap.Pop(&l.timers).(*timer))
	}
	for _, t := range due {
		// An earlier one of these calls may have stopped this one.
		if fire := t.fire; fire != nil {
			t.fire = nil
			fire()
		}
	}
}

// timerHeap implements heap.Interface.
type timerHeap []*timer

func (h timerHeap) Len() int { return len(h) }
func (h timerHeap) Less(i, j int) bool {
	return h[i].due < h[j].due || h[i].due == h[j].due && h[i].number < h[j].number
}
func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}
func (h *timerHeap) Push(x any) {
	t := x.(*timer)
	t.index = len(*h)
	*h = append(*h, t)
}
func (h *timerHeap) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	t.index = -1
	return t
}
