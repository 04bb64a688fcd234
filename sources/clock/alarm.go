// SPDX-License-Identifier: MIT

// Alarms: what wakes the source when the clock shows a time.

package clock

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/sources"
)

// alarm rings when the clock shows a time or more, and also whenever the clock
// was set: who is rung up looks at the clock.
type alarm interface {
	set(at time.Time) error
	close()
}

// timer is an alarm of the kernel's: a timerfd of CLOCK_REALTIME, which the
// kernel makes readable too when the clock is set or the board was suspended.
type timer struct {
	fd    int
	watch sources.Watch
}

func newTimer(loop sources.Loop, ring func()) (*timer, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_REALTIME, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("create timerfd: %w", err)
	}
	t := &timer{fd: fd}
	t.watch, err = loop.Watch(fd, unix.EPOLLIN, func(uint32) {
		var expired [8]byte
		// ECANCELED says that the clock was set, EAGAIN that it was set again.
		_, _ = unix.Read(fd, expired[:])
		ring()
	})
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return t, nil
}

func (t *timer) set(at time.Time) error {
	value, err := unix.TimeToTimespec(at)
	if err == nil {
		spec := unix.ItimerSpec{Value: value}
		err = unix.TimerfdSettime(t.fd, unix.TFD_TIMER_ABSTIME|unix.TFD_TIMER_CANCEL_ON_SET, &spec, nil)
	}
	if err != nil {
		return fmt.Errorf("set timerfd to %s: %w", at.Format(time.DateTime), err)
	}
	return nil
}

func (t *timer) close() {
	t.watch.Close()
	unix.Close(t.fd)
}

// loopTimer is the alarm for a clock that the kernel does not know: see
// Source.ClockSet.
type loopTimer struct {
	host  *sources.Host
	timer sources.Timer
	ring  func()
}

func (t *loopTimer) set(at time.Time) error {
	t.close()
	t.timer = t.host.Loop.After(max(0, at.Sub(t.host.Wall())), t.ring)
	return nil
}

func (t *loopTimer) close() { sources.StopTimer(&t.timer) }
