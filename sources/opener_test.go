// SPDX-License-Identifier: MIT

package sources

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// stand is an Opener of numbers in a loop with a clock that the test sets.
type stand struct {
	*Opener[int]
	t      *testing.T
	now    time.Duration
	timers []*standTimer
	work   []func() // what is in the background

	next   int   // what Open returns,
	fails  error // unless it fails,
	use    func(int) error
	said   []string
	pauses func(failures int) (time.Duration, bool)
}

type standTimer struct {
	due  time.Duration
	fire func()
}

func (t *standTimer) Stop() bool {
	pending := t.fire != nil
	t.fire = nil
	return pending
}

func newStand(t *testing.T) *stand {
	s := &stand{t: t, now: time.Hour}
	s.pauses = func(int) (time.Duration, bool) { return time.Second, true }
	s.use = func(n int) error { s.say("use %d", n); return nil }
	s.Opener = &Opener[int]{
		Loop:    s,
		Use:     func(n int) error { return s.use(n) },
		Discard: func(n int) { s.say("discard %d", n) },
		Pause:   func(_ error, failures int) (time.Duration, bool) { return s.pauses(failures) },
		Report:  func(err error) { s.say("report %v", err) },
		Open: func() (int, error) {
			if s.fails != nil {
				return 0, s.fails
			}
			s.next++
			return s.next, nil
		},
	}
	return s
}

func (s *stand) say(format string, args ...any) {
	s.said = append(s.said, fmt.Sprintf(format, args...))
}

func (s *stand) Now() time.Duration { return s.now }

func (s *stand) Woke() time.Duration { return s.now }
func (s *stand) After(d time.Duration, fire func()) Timer {
	t := &standTimer{s.now + d, fire}
	s.timers = append(s.timers, t)
	return t
}
func (s *stand) Watch(int, uint32, func(uint32)) (Watch, error) { panic("no descriptors") }
func (s *stand) Beside(work, done func()) {
	s.work = append(s.work, func() { work(); done() })
}

// run does what is in the background.
func (s *stand) run() {
	for len(s.work) > 0 {
		work := s.work[0]
		s.work = s.work[1:]
		work()
	}
}

// pass lets time pass, and counts the timers that fired.
func (s *stand) pass(d time.Duration) (fired int) {
	s.run()
	for end := s.now + d; ; {
		first := (*standTimer)(nil)
		for _, t := range s.timers {
			if t.fire != nil && t.due <= end && (first == nil || t.due < first.due) {
				first = t
			}
		}
		if first == nil {
			s.now = end
			return fired
		}
		s.now = first.due
		fire := first.fire
		first.fire = nil
		fire()
		fired++
		s.run()
	}
}

// did fails unless exactly this happened since the last call.
func (s *stand) did(want ...string) {
	s.t.Helper()
	if !slices.Equal(s.said, want) {
		s.t.Errorf("did %q, want %q", s.said, want)
	}
	s.said = nil
}

var errAway, errBusy = errors.New("away"), errors.New("busy")

func TestOpenerOpensOnce(t *testing.T) {
	s := newStand(t)
	s.Visit()
	if !s.Opening() {
		t.Error("it is not opening")
	}
	s.Visit()
	s.run()
	s.Visit()
	s.pass(time.Hour)
	s.did("use 1")
	if s.Opening() || s.Err() != nil {
		t.Errorf("opening %v, error %v", s.Opening(), s.Err())
	}
}

func TestOpenerStoppedWhileOpening(t *testing.T) {
	for name, fails := range map[string]error{"opened": nil, "failed": errAway} {
		t.Run(name, func(t *testing.T) {
			s := newStand(t)
			s.fails = fails
			s.Visit()
			s.Stop()
			if s.pass(time.Hour); fails != nil {
				s.did()
			} else {
				s.did("discard 1")
			}
			// Visited again before the call returns: it is not the one that counts.
			s.Visit()
			s.Stop()
			s.Visit()
			s.work[0]()
			s.work = s.work[1:]
			s.fails = nil
			s.run()
			if fails != nil {
				s.did("use 1")
			} else {
				s.did("discard 2", "use 3")
			}
		})
	}
}

// What is discarded is out of the way before the next try.
func TestOpenerDiscardsBeforeItOpensAgain(t *testing.T) {
	s := newStand(t)
	open := s.Open
	s.Open = func() (int, error) { s.say("open"); return open() }
	s.Visit()
	s.Stop()
	s.Visit()
	opened := s.work[0]
	s.work = nil
	opened()
	if len(s.work) != 1 {
		t.Fatalf("%d calls at a time", len(s.work))
	}
	s.run()
	s.did("open", "discard 1", "open", "use 2")
	if s.Opening() {
		t.Error("it is still opening")
	}
}

func TestOpenerOnTheLoop(t *testing.T) {
	s := newStand(t)
	s.OnLoop = true
	s.Visit()
	s.did("use 1")
	s.Visit()
	if s.Opening() || len(s.work) > 0 {
		t.Error("what is open is opened")
	}
	s.Lost(errAway)
	s.fails = errBusy
	s.Visit()
	s.did("report busy")
	s.fails = nil
	if fired := s.pass(time.Second); fired != 1 {
		t.Errorf("%d tries", fired)
	}
	s.did("use 2")
	if len(s.work) > 0 {
		t.Error("something runs in the background")
	}
}

// Many visits one after the other are one try, which comes no later than the
// one that is due anyway.
func TestOpenerVisitedAfterAPause(t *testing.T) {
	s := newStand(t)
	s.fails = errBusy
	s.VisitAfter(time.Minute)
	s.VisitAfter(2 * time.Minute)
	s.VisitAfter(0)
	s.VisitAfter(0)
	if fired := s.pass(0); fired != 1 {
		t.Errorf("%d tries, want 1", fired)
	}
	s.VisitAfter(time.Minute)
	s.fails = nil
	if fired := s.pass(time.Second); fired != 1 {
		t.Error("the try after the failure is put off")
	}
	s.did("report busy", "use 1")
	s.VisitAfter(0)
	if fired := s.pass(time.Minute); fired != 0 {
		t.Error("what is open is opened")
	}
}

func TestOpenerVisitedWhileOpening(t *testing.T) {
	s := newStand(t)
	s.fails = errAway
	s.Visit()
	s.Visit()
	work := s.work[0]
	s.work = nil
	work()
	s.fails = nil
	if len(s.work) != 1 {
		t.Fatal("it is not tried again at once")
	}
	s.run()
	s.did("use 1") // and the failure is not reported
}

func TestOpenerTriesAgainUntilPauseSaysNo(t *testing.T) {
	s := newStand(t)
	s.fails = errAway
	s.pauses = func(failures int) (time.Duration, bool) { return time.Duration(failures) * time.Second, failures < 3 }
	s.Visit()
	if fired := s.pass(time.Hour); fired != 2 {
		t.Errorf("%d tries", fired)
	}
	s.did("report away")
	if s.Err() != errAway {
		t.Errorf("the error is %v", s.Err())
	}
	s.Visit()
	if fired := s.pass(time.Hour); fired != 2 {
		t.Errorf("%d tries after a visit", fired)
	}
	s.did() // it is known
	s.fails = nil
	s.Visit()
	s.run()
	s.did("use 1")
	if s.Err() != nil {
		t.Errorf("the error is %v", s.Err())
	}
}

func TestOpenerVisitedWhileWaiting(t *testing.T) {
	s := newStand(t)
	s.fails = errAway
	s.Visit()
	s.run()
	s.fails = nil
	s.Visit()
	s.run()
	if fired := s.pass(time.Hour); fired != 0 {
		t.Errorf("%d tries of what is open", fired)
	}
	s.did("report away", "use 1")
}

func TestOpenerStoppedWhileWaiting(t *testing.T) {
	s := newStand(t)
	s.fails = errAway
	s.Visit()
	s.run()
	s.Stop()
	s.Stop()
	if fired := s.pass(time.Hour); fired != 0 || s.Err() != nil {
		t.Errorf("%d tries, error %v", fired, s.Err())
	}
}

func TestOpenerReportsEachCauseOnce(t *testing.T) {
	s := newStand(t)
	s.Visit()
	for _, err := range []error{errAway, errAway, errBusy, errBusy, errAway} {
		s.fails = err
		s.pass(time.Second)
	}
	s.did("report away", "report busy", "report away")
	s.fails = nil
	s.pass(time.Second)
	s.Opener.Lost(errBusy)
	s.fails = errAway // as before it was open
	s.pass(time.Second)
	s.did("use 1", "report away")
}

// As long as another try follows, a failure is reported when patience ends.
func TestOpenerPatience(t *testing.T) {
	s := newStand(t)
	s.Patience = 3
	s.fails = errAway
	s.Visit()
	s.pass(1500 * time.Millisecond)
	s.did()
	s.Visit() // fresh patience
	s.pass(1500 * time.Millisecond)
	s.did()
	s.pass(time.Second)
	s.did("report away")
	s.pauses = func(int) (time.Duration, bool) { return 0, false }
	s.fails = errBusy
	s.Visit()
	s.run()
	s.did("report busy") // nothing follows
}

func TestOpenerLostSoonCountsOn(t *testing.T) {
	s := newStand(t)
	var counts []int
	s.pauses = func(failures int) (time.Duration, bool) {
		counts = append(counts, failures)
		return time.Second, true
	}
	s.Visit()
	for _, open := range []time.Duration{0, time.Second, 9 * time.Second, 11 * time.Second, 0} {
		s.run()
		s.pass(open)
		s.Lost(errAway)
		if s.Err() != errAway {
			t.Errorf("the error is %v", s.Err())
		}
		s.Lost(errBusy) // it is no news
		s.pass(time.Second)
	}
	if !slices.Equal(counts, []int{1, 2, 3, 1, 2}) {
		t.Errorf("counts %v", counts)
	}
	if got := strings.Join(s.said, ", "); got != "use 1, use 2, use 3, use 4, use 5, use 6" {
		t.Error(got)
	}
}

func TestOpenerWhoseThingCannotBeUsed(t *testing.T) {
	s := newStand(t)
	ended := 0
	s.Ended = func() { ended++ }
	s.use = func(int) error { return errBusy }
	s.Visit()
	s.pass(time.Second)
	s.did("report busy", "discard 1", "discard 2")
	s.use = func(n int) error { s.Lost(errAway); s.say("lost %d", n); return nil }
	s.pass(time.Second)
	s.did("lost 3")
	if s.Err() != errAway {
		t.Errorf("the error is %v", s.Err())
	}
	s.use = func(n int) error { s.Stop(); s.say("not wanted %d", n); return nil }
	if s.pass(time.Hour); s.Err() != nil {
		t.Errorf("the error is %v", s.Err())
	}
	s.did("not wanted 4")
	s.Visit()
	s.run()
	s.did("not wanted 5")
	if ended != 5 {
		t.Errorf("told of %d ends", ended)
	}
}

func TestNodePause(t *testing.T) {
	var all time.Duration
	failures := 1
	for ; ; failures++ {
		pause, again := NodePause(errAway, failures)
		if !again {
			break
		}
		all += pause
	}
	if failures != 9 || all < 10*time.Second || all > 15*time.Second {
		t.Errorf("given up after %d failures, %v", failures, all)
	}
}

func TestStopTimer(t *testing.T) {
	var none Timer
	StopTimer(&none)
	s := newStand(t)
	timer := s.After(time.Second, func() { t.Error("fired though stopped") })
	StopTimer(&timer)
	StopTimer(&timer)
	s.pass(time.Hour)
}
