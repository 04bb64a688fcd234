// SPDX-License-Identifier: MIT

// Beside: work that may block, and the threads that it takes.

package loop

import (
	"runtime"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"reflexd/sources"
)

// A program of a rule that forks without end takes all threads and processes
// that the agent's cgroup or user may have, and a Go program that then needs a
// thread dies. So the threads that the agent can need are made when it starts:
// the runtime keeps them for ever. What blocks in the kernel keeps a thread, so
// no more than so many do at a time.
const (
	// workers is how many calls of Beside are carried out at once.
	workers = 4
	// spare threads are for what else may block in the kernel: the log, the runtime's
	// poller; and for those that are on their way from one goroutine to another.
	spare = 4

	// hangs is how long all workers do not come to an end before there is
	// one more.
	hangs = 500 * time.Millisecond
	// margin is the room that there must be for that: more than what is free
	// for a moment where programs fork without end. The runtime tries for 0.2 s
	// to make a thread, and then gives up the process.
	margin = 16
)

// Threads is how many threads Reserve makes.
func Threads() int { return runtime.GOMAXPROCS(0) + workers + spare }

// Reserve makes the threads that a loop will need.
func Reserve() {
	var made, gone sync.WaitGroup
	leave := make(chan struct{})
	for range Threads() {
		made.Add(1)
		gone.Go(func() {
			runtime.LockOSThread() // so that each takes one of its own
			defer runtime.UnlockOSThread()
			made.Done()
			<-leave
		})
	}
	made.Wait()
	close(leave)
	gone.Wait()
}

// crew carries out the calls of Beside.
type crew struct {
	waiting    []job
	busy, most int // workers
	ended      uint64
	overdue    sources.Timer // runs while calls wait; else nil
}

type job struct{ work, done func() }

// Beside implements sources.Loop. Calls begin in their order. When all workers
// have been busy for a while and none comes to an end, as with a stick that was
// pulled or a dead server, there is one worker more, if there is room for its
// thread.
func (l *Loop) Beside(work func(), done func()) {
	l.crew.waiting = append(l.crew.waiting, job{work, done})
	l.employ()
}

// Pending is the number of calls of Beside whose done was not called yet.
func (l *Loop) Pending() int { return l.crew.busy + len(l.crew.waiting) }

// employ begins calls for which there are workers.
func (l *Loop) employ() {
	c := &l.crew
	for len(c.waiting) > 0 && c.busy < c.most {
		l.carryOut(c.waiting[0])
		c.waiting[0] = job{}
		c.waiting = c.waiting[1:]
	}
	switch {
	case len(c.waiting) == 0 && c.overdue != nil:
		c.overdue.Stop()
		c.overdue = nil
	case len(c.waiting) > 0 && c.overdue == nil:
		ended := c.ended
		c.overdue = l.After(hangs, func() {
			c.overdue = nil
			if c.ended == ended && (l.Room == nil || l.Room(margin)) {
				c.most++
			}
			l.employ()
		})
	}
}

func (l *Loop) carryOut(j job) {
	l.crew.busy++
	ended := func() {
		l.crew.busy--
		l.crew.ended++
		l.employ()
		j.done()
	}
	if l.virtual {
		l.Post(func() { j.work(); ended() })
		return
	}
	go func() {
		runtime.LockOSThread() // if work does not return, the thread ends with its mask
		var before unix.Sigset_t
		err := unix.PthreadSigmask(unix.SIG_BLOCK, (*unix.Sigset_t)(unsafe.Pointer(&disturbing)), &before)
		j.work()
		if err == nil {
			_ = unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil)
		}
		runtime.UnlockOSThread()
		l.Post(ended)
	}()
}

// disturbing are the signals that a thread does not take while it works, as some
// drivers give up what they wait for; another thread takes them. A thread needs those of
// its own faults, of which the runtime makes a panic, and 33, with which the runtime has
// each thread make a system call. The kernel reads the first word; the array is as large
// as a unix.Sigset_t. See docs/decisions/051-needless-signals.md.
var disturbing = [unsafe.Sizeof(unix.Sigset_t{}) / 8]uint64{^uint64(1<<(unix.SIGILL-1) | 1<<(unix.SIGTRAP-1) |
	1<<(unix.SIGBUS-1) | 1<<(unix.SIGFPE-1) | 1<<(unix.SIGSEGV-1) | 1<<(unix.SIGSYS-1) | 1<<(33-1))}
