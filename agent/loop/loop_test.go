// SPDX-License-Identifier: MIT

package loop

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/sources"
)

func newLoop(t testing.TB) *Loop {
	t.Helper()
	l, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// run runs l until something stops it, and fails if nothing does.
func run(t testing.TB, l *Loop) {
	t.Helper()
	late := time.AfterFunc(10*time.Second, func() {
		t.Error("nothing stopped the loop")
		l.Stop()
	})
	defer late.Stop()
	if err := l.Run(func() {}); err != nil {
		t.Fatal(err)
	}
}

func pipe(t testing.TB) (read, write int) {
	t.Helper()
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(p[0]); unix.Close(p[1]) })
	return p[0], p[1]
}

func listen(t testing.TB, l *Loop, fd int, ready func(uint32)) sources.Watch {
	t.Helper()
	w, err := l.Watch(fd, unix.EPOLLIN, ready)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestTimersFireInOrderAndNotEarly(t *testing.T) {
	l := newLoop(t)
	begin := l.Now()
	var order []int
	for _, ms := range []int{30, 10, 20, 0} {
		due := time.Duration(ms) * time.Millisecond
		l.After(due, func() {
			order = append(order, ms)
			if now := l.Now() - begin; now < due {
				t.Errorf("the timer of %v fired after %v", due, now)
			}
			if ms == 30 {
				l.Stop()
			}
		})
	}
	stopped := l.After(15*time.Millisecond, func() { t.Error("a stopped timer fired") })
	if !stopped.Stop() || stopped.Stop() {
		t.Error("Stop did not say that there was a call to stop, once")
	}
	run(t, l)
	if want := []int{0, 10, 20, 30}; !slices.Equal(order, want) {
		t.Errorf("order %v, want %v", order, want)
	}
}

func TestTimerStoppedByAnotherThatIsDueToo(t *testing.T) {
	l := newLoop(t)
	var second sources.Timer
	l.After(0, func() { second.Stop() })
	second = l.After(0, func() { t.Error("fired though stopped") })
	l.After(5*time.Millisecond, l.Stop)
	run(t, l)
}

// A descriptor number that is closed and given out again within one wake-up
// must not bring the old owner's event to the new one, nor the other way.
func TestReusedDescriptorReachesNoWrongOwner(t *testing.T) {
	l := newLoop(t)
	r1, w1 := pipe(t)
	r2, w2 := pipe(t)
	for _, w := range []int{w1, w2} {
		unix.Write(w, []byte{1})
	}
	var watches [2]sources.Watch
	quietR, _ := pipe(t)
	first := func(other int, number int) func(uint32) {
		return func(uint32) {
			// Whichever is served first closes the other, whose event is in the
			// same batch, and gives its number and slot to a quiet pipe.
			watches[other].Close()
			if err := unix.Dup3(quietR, number, unix.O_CLOEXEC); err != nil {
				t.Error(err)
			}
			listen(t, l, number, func(uint32) { t.Error("the new owner got the old owner's event") })
			watches[1-other].Close()
			l.After(5*time.Millisecond, l.Stop)
		}
	}
	watches[0] = listen(t, l, r1, first(1, r2))
	watches[1] = listen(t, l, r2, first(0, r1))
	run(t, l)
}

func TestStormOnOneDescriptorDoesNotStarveOthers(t *testing.T) {
	l := newLoop(t)
	stormR, stormW := pipe(t)
	unix.Write(stormW, []byte{1}) // never read: ready for ever
	served := 0
	listen(t, l, stormR, func(uint32) { served++ })
	quietR, quietW := pipe(t)
	unix.Write(quietW, []byte{1})
	posted, timed := false, false
	l.Post(func() { posted = true })
	l.After(0, func() { timed = true })
	listen(t, l, quietR, func(uint32) {
		if served > 2 {
			t.Errorf("the storm was served %d times before the quiet one", served)
		}
		l.After(time.Millisecond, func() {
			if !posted || !timed {
				t.Error("a posted call or a timer was starved")
			}
			l.Stop()
		})
		var b [1]byte
		unix.Read(quietR, b[:])
	})
	run(t, l)
}

func TestTimerOfNoTimeAndPostsLetDescriptorsHaveTheirTurn(t *testing.T) {
	l := newLoop(t)
	r, w := pipe(t)
	var again func()
	again = func() { l.After(0, again) }
	again()
	var repost func()
	repost = func() { l.Post(repost) }
	repost()
	listen(t, l, r, func(uint32) { l.Stop() })
	unix.Write(w, []byte{1})
	run(t, l)
}

func TestPostAndBesideFromManyThreads(t *testing.T) {
	l := newLoop(t)
	const each, threads = 500, 8
	got := 0
	count := func() {
		if got++; got == (each+1)*threads {
			l.Stop()
		}
	}
	var senders sync.WaitGroup
	for range threads {
		l.Beside(func() {}, count)
		senders.Go(func() {
			for range each {
				l.Post(count)
			}
		})
	}
	run(t, l)
	senders.Wait()
	if l.Pending() != 0 {
		t.Errorf("%d calls of Beside are still pending", l.Pending())
	}
}

func TestWatchClosedInItsOwnCall(t *testing.T) {
	l := newLoop(t)
	r, w := pipe(t)
	unix.Write(w, []byte{1})
	calls := 0
	var self sources.Watch
	self = listen(t, l, r, func(uint32) {
		calls++
		self.Close()
		self.Close()
		if self.Events(unix.EPOLLIN) == nil {
			t.Error("a closed watch could be changed")
		}
		l.After(5*time.Millisecond, l.Stop)
	})
	run(t, l)
	if calls != 1 {
		t.Errorf("called %d times, want once", calls)
	}
}

func TestWatchOfABadDescriptor(t *testing.T) {
	l := newLoop(t)
	if _, err := l.Watch(1<<20, unix.EPOLLIN, func(uint32) {}); err == nil {
		t.Fatal("no error")
	}
	// The slot must be free again.
	r, w := pipe(t)
	listen(t, l, r, func(uint32) { l.Stop() })
	unix.Write(w, []byte{1})
	run(t, l)
}

func TestNowIsTheKernelsMonotonicClock(t *testing.T) {
	l := newLoop(t)
	var before, after unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &before)
	now := l.Now()
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &after)
	const rounding = time.Millisecond
	if int64(now) < before.Nano()-int64(rounding) || int64(now) > after.Nano()+int64(rounding) {
		t.Errorf("Now %d is not between %d and %d", now, before.Nano(), after.Nano())
	}
}

// BenchmarkWake is a descriptor becoming ready and being read, alone and
// among many.
func BenchmarkWake(b *testing.B) {
	for _, others := range []int{0, 512} {
		b.Run(fmt.Sprintf("beside=%d", others), func(b *testing.B) {
			l := newLoop(b)
			for range others {
				r, _ := pipe(b)
				listen(b, l, r, func(uint32) {})
			}
			r, w := pipe(b)
			var buf [1]byte
			left := b.N
			listen(b, l, r, func(uint32) {
				unix.Read(r, buf[:])
				if left--; left <= 0 {
					l.Stop()
					return
				}
				unix.Write(w, buf[:])
			})
			b.ReportAllocs()
			b.ResetTimer()
			unix.Write(w, buf[:])
			l.Run(func() {})
		})
	}
}
