// SPDX-License-Identifier: MIT

// Opener: how sources open what may take its time, fail, or be lost again.

package sources

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// Opener keeps one thing open: a device, a file, a socket. Its methods are
// for the loop's thread. Its fields are set before the first Visit. It is
//
//   - closed at first and after Stop, until Visit;
//   - opening while Open runs in the background, one call at a time. A Visit
//     meanwhile has a failure followed by another try at once. After a Stop,
//     what Open returns is discarded, and then a Visit since is followed;
//   - waiting after a failure of Open or Use, or after Lost: until the pause is
//     over or, without one, until Visit;
//   - open once Use has taken the thing, until Lost or Stop.
//
// Failures are counted for Pause and Report. Visit begins the count anew, and
// so does a thing that was open for lasting before it was lost: one that fails
// as soon as it is open runs out of patience too.
type Opener[T any] struct {
	Loop Loop
	// Open runs in the background, and may block.
	Open func() (T, error)
	// OnLoop says that Open does not block: it is called on the loop's thread,
	// and what it opened is in use when Visit returns.
	OnLoop bool
	// Use takes the thing into use. If it fails, the thing is discarded. It may
	// call Lost, or Stop if the thing is not wanted; it lets go of it itself
	// then. Err is still that of the last failure.
	Use func(T) error
	// Discard closes a thing that Use did not take. It runs in the background.
	Discard func(T)
	// Pause returns how long to wait after so many failures, the last of which
	// is err, and whether to try again at all. It is called once a failure.
	Pause func(err error, failures int) (pause time.Duration, again bool)
	// Report logs a failure of Open or Use, unless the last one that it was
	// called for had the same text, and the thing was not open since. As long
	// as another try follows, it is not called before Patience failures.
	Report   func(err error)
	Patience int
	// Ended, if not nil, is called when a call of Open is dealt with.
	Ended func()

	open, opening bool
	again         bool // visited while opening
	stopped       bool // since Open was called
	failures      int
	err           error
	reported      string
	since         time.Duration // when it was opened
	retry         Timer
	due           time.Duration // when retry fires, if it is set
}

// lasting is for how long a thing must be open for its loss to be the first
// failure of a new count.
const lasting = 10 * time.Second

// NodePatience is the Patience for the nodes of devices: udev, or whoever it
// is, may not have given us the permission yet.
const NodePatience = 6

// NodePause is the Pause for them: from 50 ms it grows for about ten seconds,
// after which only a Visit helps, unless it was something else that we ran out
// of.
func NodePause(err error, failures int) (pause time.Duration, again bool) {
	const first, most = 50 * time.Millisecond, 8
	if failures > most {
		return lastPause, Passing(err)
	}
	return first << (failures - 1), true
}

// lastPause is the longest pause between two tries that are made without end.
const lastPause = 10 * time.Second

// EndlessPause is the Pause for what nothing announces when it can be had again:
// it grows from 250 ms to ten seconds.
func EndlessPause(_ error, failures int) (pause time.Duration, again bool) {
	const first, mostShifts = 250 * time.Millisecond, 6
	return min(first<<min(failures-1, mostShifts), lastPause), true
}

// Passing reports whether err says nothing of the device, but that the kernel
// had not the means just now.
func Passing(err error) bool {
	for _, e := range []unix.Errno{unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.ENOBUFS, unix.ENOSPC, unix.EAGAIN, unix.EINTR} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// Visit opens the thing if it is not open: something happened that may bring
// it.
func (o *Opener[T]) Visit() {
	o.failures = 0
	o.try()
}

// VisitAfter is Visit after a pause, or at the next try if that is sooner: for
// what happens many times in a row.
func (o *Opener[T]) VisitAfter(pause time.Duration) {
	switch {
	case o.open || o.opening:
		o.again = o.opening
		return
	case o.retry == nil || o.due > o.Loop.Now()+pause:
		o.tryAfter(pause)
	}
	o.failures = 0
}

func (o *Opener[T]) tryAfter(pause time.Duration) {
	StopTimer(&o.retry)
	o.due = o.Loop.Now() + pause
	o.retry = o.Loop.After(pause, o.try)
}

func (o *Opener[T]) try() {
	switch {
	case !o.begin():
		return
	case o.OnLoop:
		o.end(o.Open())
		return
	}
	open := o.Open
	var thing T
	var err error
	o.Loop.Beside(func() { thing, err = open() }, func() { o.end(thing, err) })
}

// begin reports whether Open is to be called. If so, it is under way from now.
func (o *Opener[T]) begin() bool {
	StopTimer(&o.retry)
	if o.open || o.opening {
		o.again = o.opening
		return false
	}
	o.opening, o.again, o.stopped = true, false, false
	return true
}

// end deals with what Open returned. Another try waits until a thing that is
// not wanted is discarded: it may have an address, or a device, to itself.
func (o *Opener[T]) end(thing T, err error) {
	switch {
	case err != nil:
		o.over(err)
	case o.stopped:
		o.discard(thing, func() { o.over(nil) })
	default:
		o.opening = false
		o.use(thing)
		o.ended()
	}
}

// over ends a call of Open of which nothing is left.
func (o *Opener[T]) over(err error) {
	o.opening = false
	switch {
	case o.again:
		o.try()
	case !o.stopped:
		o.failed(err)
	}
	o.ended()
}

func (o *Opener[T]) ended() {
	if o.Ended != nil {
		o.Ended()
	}
}

func (o *Opener[T]) use(thing T) {
	o.open, o.since = true, o.Loop.Now()
	if err := o.Use(thing); err != nil {
		o.open = false
		o.discard(thing, Nothing)
		o.failed(err)
		return
	}
	o.reported = ""
	if o.open {
		o.err = nil
	}
}

func (o *Opener[T]) discard(thing T, done func()) {
	discard := o.Discard
	o.Loop.Beside(func() { discard(thing) }, done)
}

func (o *Opener[T]) failed(err error) {
	again := o.wait(err)
	if text := err.Error(); text != o.reported && (!again || o.failures >= o.Patience) {
		o.reported = text
		o.Report(err)
	}
}

// wait counts a failure and plans the next try. It reports whether there is to
// be one.
func (o *Opener[T]) wait(err error) (again bool) {
	StopTimer(&o.retry)
	o.failures++
	o.err = err
	pause, again := o.Pause(err, o.failures)
	if again {
		o.tryAfter(pause)
	}
	return again
}

// Lost says that the open thing is gone, and why. Whoever used it has let go of
// it, and logs that.
func (o *Opener[T]) Lost(err error) {
	if !o.open {
		return
	}
	if o.Loop.Now()-o.since > lasting {
		o.failures = 0
	}
	o.open = false
	o.wait(err)
}

// Stop ends all tries. Whoever uses the open thing lets go of it. The Opener
// may be visited again.
func (o *Opener[T]) Stop() {
	StopTimer(&o.retry)
	o.open, o.again, o.stopped, o.err = false, false, true, nil
}

// Opening reports whether Open is under way.
func (o *Opener[T]) Opening() bool { return o.opening }

// Err returns why the thing is not open; nil if it is, is being opened for the
// first time, or is not to be open.
func (o *Opener[T]) Err() error { return o.err }
