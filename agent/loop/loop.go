// SPDX-License-Identifier: MIT

// Package loop is the one thread that waits: epoll, timers, wake-ups from
// other threads, and work in the background. It knows descriptors and nothing of
// events.
//
// Why not the runtime's own poller: a signalfd shows thread-directed signals
// only to the thread that they were sent to, so one thread must both wait for
// it and read it; and under load a wake-up through the poller, a goroutine or
// a channel comes milliseconds later than one straight from epoll_wait.
package loop

import (
	"container/heap"
	"fmt"
	"math"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/sources"
)

// batch is how many ready descriptors one wake-up serves. The kernel rotates
// its list of ready ones, so with more than this each still gets its turn.
const batch = 64

// Loop implements sources.Loop. Create it with New. Only Post and Stop may be
// called from other threads than the one in Run.
type Loop struct {
	// Room reports whether so many threads more could be made now; nil for
	// always. It is asked when all workers seem to hang: see Beside.
	Room func(threads int) bool

	epoll   int
	wake    int // eventfd
	slots   []*slot
	free    []int32
	timers  timerHeap
	set     uint64        // how many timers were set so far
	start   time.Time     // when the process's monotonic clock read …
	base    time.Duration // … this on CLOCK_MONOTONIC
	crew    crew
	wakeups uint64
	woke    time.Duration // when epoll_wait returned last
	wakeBy  time.Duration // 0 for never
	virtual bool          // time is what now says: see NewVirtual
	now     time.Duration
	failure error // of a virtual loop: see Err

	mu      sync.Mutex
	posted  []func()
	kicked  bool // since posted was empty
	stopped bool
}

// slot is one place for a watched descriptor. Its generation goes up when it
// is given away again, and travels through the kernel with its number, so that
// an event for a closed descriptor never reaches the next owner.
type slot struct {
	loop       *Loop
	index      int32
	generation int32
	fd         int
	ready      func(events uint32)
}

// New returns a loop with its descriptors open.
func New() (*Loop, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create epoll descriptor: %w", err)
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(epoll)
		return nil, fmt.Errorf("create eventfd: %w", err)
	}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return nil, fmt.Errorf("read CLOCK_MONOTONIC: %w", err)
	}
	l := &Loop{epoll: epoll, wake: wake, start: time.Now(), base: time.Duration(now.Nano())}
	l.woke = l.base // for what happens before the first wake-up
	l.crew.most = workers
	if _, err := l.Watch(wake, unix.EPOLLIN, l.drainWake); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// Close closes the loop's own descriptors.
func (l *Loop) Close() {
	if l.virtual {
		return
	}
	unix.Close(l.epoll)
	unix.Close(l.wake)
}

// Now implements sources.Loop. Go's monotonic clock is CLOCK_MONOTONIC with
// another origin, and reading it costs no system call.
func (l *Loop) Now() time.Duration {
	if l.virtual {
		return l.now
	}
	return l.base + time.Since(l.start)
}

// Woke implements sources.Loop. It is when epoll_wait returned last: whatever
// happened before it can be read by now.
func (l *Loop) Woke() time.Duration { return l.woke }

// WakeBy ends the next wait at the time at, if nothing else does; 0 takes
// that back. It costs no allocation, and is for whoever has turn.
func (l *Loop) WakeBy(at time.Duration) { l.wakeBy = at }

// Wakeups is the number of times that epoll_wait returned.
func (l *Loop) Wakeups() uint64 { return l.wakeups }

// Watch implements sources.Loop.
func (l *Loop) Watch(fd int, events uint32, ready func(events uint32)) (sources.Watch, error) {
	s := l.takeSlot()
	s.fd, s.ready = fd, ready
	if err := s.control(unix.EPOLL_CTL_ADD, events); err != nil {
		s.release()
		return nil, err
	}
	return &watch{s, s.generation}, nil
}

func (l *Loop) takeSlot() *slot {
	if n := len(l.free); n > 0 {
		s := l.slots[l.free[n-1]]
		l.free = l.free[:n-1]
		return s
	}
	s := &slot{loop: l, index: int32(len(l.slots))}
	l.slots = append(l.slots, s)
	return s
}

func (s *slot) release() {
	s.generation++
	s.ready = nil
	s.loop.free = append(s.loop.free, s.index)
}

func (s *slot) control(op int, events uint32) error {
	if s.loop.virtual {
		return nil
	}
	// Fd and Pad together are the 64 bits that epoll_wait gives back.
	e := unix.EpollEvent{Events: events, Fd: s.index, Pad: s.generation}
	if err := unix.EpollCtl(s.loop.epoll, op, s.fd, &e); err != nil {
		return fmt.Errorf("watch descriptor %d: %w", s.fd, err)
	}
	return nil
}

// watch is one owner's hold on a slot.
type watch struct {
	slot       *slot
	generation int32
}

func (w *watch) Events(events uint32) error {
	if w.slot.generation != w.generation {
		return fmt.Errorf("watch descriptor: closed")
	}
	return w.slot.control(unix.EPOLL_CTL_MOD, events)
}

func (w *watch) Close() {
	if w.slot.generation != w.generation {
		return
	}
	// A failure means that the descriptor was closed first, which the
	// generation makes harmless.
	_ = w.slot.control(unix.EPOLL_CTL_DEL, 0)
	w.slot.release()
}

// After implements sources.Loop.
func (l *Loop) After(d time.Duration, fire func()) sources.Timer {
	now := l.Now()
	l.set++
	t := &timer{loop: l, due: now + min(max(0, d), math.MaxInt64-now), number: l.set, fire: fire}
	heap.Push(&l.timers, t)
	return t
}

// Post has f called on the loop's thread. Any thread may call it.
func (l *Loop) Post(f func()) {
	l.mu.Lock()
	l.posted = append(l.posted, f)
	if !l.kicked {
		l.kicked = l.kick()
	}
	l.mu.Unlock()
}

// Stop makes Run return after the current wake-up. Any thread may call it.
func (l *Loop) Stop() {
	l.mu.Lock()
	l.stopped = true
	l.mu.Unlock()
	l.kick()
}

// mostKicks is how often the kernel may refuse to count to one. Whoever waits
// for the loop would else wait until something else wakes it.
const mostKicks = 1000

// kick wakes the loop, and reports whether it will wake. A full counter (EAGAIN)
// means that it is awake already.
func (l *Loop) kick() bool {
	if l.virtual {
		return true
	}
	one := [8]byte{1, 0, 0, 0, 0, 0, 0, 0}
	for range mostKicks {
		if _, err := unix.Write(l.wake, one[:]); err == nil || err == unix.EAGAIN {
			return true
		}
	}
	return false
}

func (l *Loop) drainWake(uint32) {
	var count [8]byte
	_, _ = unix.Read(l.wake, count[:])
}

// Run serves descriptors, timers and posted calls until Stop. At first and
// after each group of them it calls turn, where what the descriptors brought is acted on.
// Run locks its goroutine to its thread, for good.
func (l *Loop) Run(turn func()) error {
	runtime.LockOSThread()
	var events [batch]unix.EpollEvent
	turn() // for what happened before there was a loop
	for !l.isStopped() {
		n, err := unix.EpollWait(l.epoll, events[:], l.timeout())
		if err != nil && err != unix.EINTR {
			return fmt.Errorf("wait for descriptors: %w", err)
		}
		l.wakeups++
		l.woke, l.wakeBy = l.Now(), 0
		for i := range max(0, n) {
			l.serve(&events[i])
		}
		turn()
		l.runTimers()
		l.runPosted()
		turn()
	}
	return nil
}

func (l *Loop) serve(e *unix.EpollEvent) {
	s := l.slots[e.Fd]
	if s.generation == e.Pad && s.ready != nil {
		s.ready(e.Events)
	}
}

func (l *Loop) isStopped() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stopped
}

// runPosted runs what was posted before it began; what these calls post waits
// for the next wake-up.
func (l *Loop) runPosted() {
	l.mu.Lock()
	calls := l.posted
	l.posted, l.kicked = nil, false
	l.mu.Unlock()
	for _, f := range calls {
		f()
	}
}
