// SPDX-License-Identifier: MIT

package loop

import (
	"bytes"
	"os"
	"os/exec"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A hundred calls that hang take no hundred threads, and those that come after
// them have their turn if there is room for more threads.
func TestBesideTakesFewThreads(t *testing.T) {
	l := newLoop(t)
	room := false
	l.Room = func(int) bool { return room }
	r, w := pipe(t)
	_ = unix.SetNonblock(r, false)
	var begun atomic.Int32
	const hanging = 2 * workers
	for range hanging {
		l.Beside(func() {
			begun.Add(1)
			_, _ = unix.Read(r, make([]byte, 1))
		}, func() {
			if l.Pending() == 0 {
				l.Stop()
			}
		})
	}
	l.Beside(func() {}, func() { _, _ = unix.Write(w, make([]byte, hanging)) })
	l.After(3*hangs, func() {
		if n := begun.Load(); n != workers {
			t.Errorf("%d calls were begun at once, %d may", n, workers)
		}
		room = true
	})
	run(t, l)
}

// The kernel never goes on with a wait of clock_nanosleep(2) that a handler has interrupted. The runtime has handlers for
// these signals. Work that is over leaves its thread as it was.
func TestBesideIsNotInterrupted(t *testing.T) {
	l := newLoop(t)
	thread, ended := make(chan int), make(chan bool)
	var err error
	l.Beside(func() {
		thread <- unix.Gettid()
		wait := unix.NsecToTimespec((200 * time.Millisecond).Nanoseconds())
		err = unix.ClockNanosleep(unix.CLOCK_MONOTONIC, 0, &wait, nil)
		close(ended)
	}, l.Stop)
	go func() {
		for worker := <-thread; ; runtime.Gosched() {
			select {
			case <-ended:
				return
			default:
			}
			for _, s := range []unix.Signal{unix.SIGURG, unix.SIGCHLD, unix.SIGWINCH} {
				_ = unix.Tgkill(os.Getpid(), worker, s)
			}
		}
	}()
	run(t, l)
	if err != nil {
		t.Errorf("the wait ended with %v", err)
	}
}

// Calls that come to an end make no more workers, many though they are.
func TestBesideOfManyQuickOnes(t *testing.T) {
	l := newLoop(t)
	l.Room = func(int) bool {
		t.Error("room was looked for")
		return false
	}
	const calls = 50 * workers
	left := calls
	for range calls {
		l.Beside(func() { time.Sleep(hangs / 25) }, func() {
			if left--; left == 0 {
				l.Stop()
			}
		})
	}
	run(t, l)
}

// threadsVariable makes the test binary the process whose threads are counted.
const threadsVariable = "REFLEXD_LOOP_THREADS"

func TestMain(m *testing.M) {
	if os.Getenv(threadsVariable) != "" {
		os.Exit(countThreads())
	}
	os.Exit(m.Run())
}

// After Reserve no thread is made any more: what blocks finds one.
func TestReservedThreadsAreEnough(t *testing.T) {
	c := exec.Command("/proc/self/exe")
	c.Env = append(os.Environ(), threadsVariable+"=1")
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func countThreads() int {
	runtime.LockOSThread()
	Reserve()
	// On a busy machine threads are still on their way to rest when Reserve
	// returns, and for what blocks meanwhile there is one more.
	before := 0
	for looks := 0; looks < 10; looks++ {
		all, busy := threads()
		if busy > 1 || all != before { // ours is
			looks = 0
		}
		before = all
	}
	l, err := New()
	if err != nil {
		panic(err)
	}
	left := 2000
	ms := unix.NsecToTimespec(int64(time.Millisecond))
	nap := func() {
		_ = unix.Nanosleep(&ms, nil)
		_ = make([]byte, 100_000)
	}
	for range left {
		l.Beside(nap, func() {
			if left--; left == 0 {
				l.Stop()
			}
		})
	}
	if err := l.Run(func() {}); err != nil {
		panic(err)
	}
	if after, _ := threads(); after > before {
		println(before, "threads became", after)
		return 1
	}
	return 0
}

// threads returns how many threads there are, and how many of them do not rest.
func threads() (all, busy int) {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		panic(err)
	}
	for _, task := range tasks {
		stat, err := os.ReadFile("/proc/self/task/" + task.Name() + "/stat")
		if _, after, _ := bytes.Cut(stat, []byte(") ")); err == nil && !bytes.HasPrefix(after, []byte("S")) {
			busy++
		}
	}
	return len(tasks), busy
}
