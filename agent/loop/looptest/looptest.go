// SPDX-License-Identifier: MIT

// Package looptest runs a loop for the tests of what lives on it.
package looptest

import (
	"testing"
	"time"

	"reflexd/agent/loop"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// Stand is a loop with a thread of its own, until the test ends. Its methods
// may be called from any other thread.
type Stand struct {
	t    testing.TB
	loop *loop.Loop
	// Missed, if not nil, says what there is instead of what was waited for. It
	// is called on the loop's thread.
	Missed func() string

	// Of the loop's thread: what Await waits for.
	awaited func() bool
	met     chan struct{}
}

// New returns a stand whose loop does not run yet, so that a source can be
// opened in it.
func New(t testing.TB) (*Stand, *loop.Loop) {
	t.Helper()
	l, err := loop.New()
	if err != nil {
		t.Fatal(err)
	}
	return &Stand{t: t, loop: l}, l
}

// Run runs the loop until the test ends. turn, if not nil, is called at the end
// of each turn of it. At the end of the test, all work in the background comes
// to its end, and then end is called on the loop's thread.
func (s *Stand) Run(turn, end func()) {
	ended := make(chan error, 1)
	go func() {
		ended <- s.loop.Run(func() {
			if turn != nil {
				turn()
			}
			s.look()
		})
	}()
	s.t.Cleanup(func() {
		s.Do(end)
		s.Await("end of the work in the background", func() bool { return s.loop.Pending() == 0 })
		s.loop.Stop()
		if err := <-ended; err != nil {
			s.t.Error(err)
		}
		s.loop.Close()
	})
}

func (s *Stand) look() {
	if s.awaited != nil && s.awaited() {
		s.awaited = nil
		close(s.met)
	}
}

// Do calls f on the loop's thread, and waits for its end.
func (s *Stand) Do(f func()) {
	done := make(chan struct{})
	s.loop.Post(func() {
		defer close(done)
		f()
	})
	<-done
}

// Await waits until cond, which is asked at the end of each turn of the loop,
// holds. If that takes too long, the test fails.
func (s *Stand) Await(what string, cond func() bool) {
	s.t.Helper()
	met := make(chan struct{})
	s.Do(func() { s.awaited, s.met = cond, met })
	select {
	case <-met:
	case <-time.After(patience):
		text := ""
		if s.Missed != nil {
			s.Do(func() { text = s.Missed() })
		}
		s.t.Fatalf("waited in vain for: %s\n%s", what, text)
	}
}

// Late is a loop that does work in the background at once, and calls what is to
// follow when End is called: what happens before that happens while the work is
// done, but nobody knows yet what it found.
type Late struct {
	*loop.Loop
	done []func()
}

// Beside implements sources.Loop.
func (l *Late) Beside(work, done func()) {
	work()
	l.done = append(l.done, done)
}

// End ends all work, also that which is begun meanwhile.
func (l *Late) End() {
	for len(l.done) > 0 {
		done := l.done[0]
		l.done = l.done[1:]
		done()
	}
}
