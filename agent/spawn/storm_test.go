// SPDX-License-Identifier: MIT

// Storm: signals sent to the process, all blocked in all its threads, while it
// starts programs all the time. None may be lost, and no program may start
// with one blocked.

package spawn

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"reflexd/agent/loop"
)

// stormVariable makes the test binary the process in the storm.
const stormVariable = "REFLEXD_SPAWN_STORM"

const (
	stormSignals = 5000
	stormSignal  = 40
)

// stormSet is what the agent blocks.
func stormSet() (set unix.Sigset_t) {
	const realTime = 1<<64 - 1<<(35-1) // 35 to 64
	bits := uint64(realTime | 1<<(unix.SIGUSR1-1) | 1<<(unix.SIGUSR2-1) | 1<<(unix.SIGALRM-1) |
		1<<(unix.SIGWINCH-1) | 1<<(unix.SIGIO-1) | 1<<(unix.SIGPWR-1))
	*(*uint64)(unsafe.Pointer(&set)) = bits // little-endian words, as all of ours are
	return set
}

func TestStorm(t *testing.T) {
	cmd := exec.Command("/proc/self/exe", "-test.run=^$")
	cmd.Env = append(os.Environ(), stormVariable+"=1")
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread goes with its mask
		set := stormSet()
		if err := unix.PthreadSigmask(unix.SIG_BLOCK, &set, nil); err != nil {
			done <- err
			return
		}
		done <- cmd.Run()
	}()
	if err := <-done; err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
	t.Log(out.String())
}

func stormMain() int {
	if err := storm(); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// stormWatch counts what comes in.
type stormWatch struct {
	loop     *loop.Loop
	fd       int
	seen     [stormSignals]bool
	got      int
	starts   int
	dirty    []string
	failures []error
}

func storm() error {
	l, err := loop.New()
	if err != nil {
		return err
	}
	s, err := New(l, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		return err
	}
	set := stormSet()
	w := &stormWatch{loop: l}
	if w.fd, err = unix.Signalfd(-1, &set, unix.SFD_NONBLOCK|unix.SFD_CLOEXEC); err != nil {
		return err
	}
	if _, err := l.Watch(w.fd, unix.EPOLLIN, w.read); err != nil {
		return err
	}
	l.Post(func() {
		for range 8 {
			w.startNext(s)
		}
	})
	go sendStorm()
	if err := l.Run(func() {}); err != nil {
		return err
	}
	fmt.Printf("%d of %d signals, %d programs\n", w.got, stormSignals, w.starts)
	if w.got != stormSignals {
		return errors.New("signals were lost")
	}
	if len(w.dirty) > 0 {
		return fmt.Errorf("%d dirty words from programs, the first %q", len(w.dirty), w.dirty[0])
	}
	return errors.Join(w.failures...)
}

// sendStorm sends numbered signals to the process, and then the last word.
func sendStorm() {
	var info struct {
		signo, errno, code int32
		_                  [0]uintptr
		pid                int32
		uid                uint32
		value              uintptr
		_                  [104]byte
	}
	info.code = -1 // SI_QUEUE
	info.pid = int32(unix.Getpid())
	send := func(signal, value uintptr) {
		info.value = value
		for {
			_, _, e := unix.Syscall(unix.SYS_RT_SIGQUEUEINFO, uintptr(info.pid), signal, uintptr(unsafe.Pointer(&info)))
			if e != unix.EAGAIN { // the queue is full
				break
			}
			runtime.Gosched()
		}
	}
	for i := range uintptr(stormSignals) {
		send(stormSignal, i)
		if i%16 == 0 {
			unix.Nanosleep(&unix.Timespec{Nsec: 1e6}, nil)
		}
	}
	send(stormSignal+1, 0) // higher numbers are delivered later
}

func (w *stormWatch) read(uint32) {
	var records [32]unix.SignalfdSiginfo
	buffer := unsafe.Slice((*byte)(unsafe.Pointer(&records)), unsafe.Sizeof(records))
	n, _ := unix.Read(w.fd, buffer)
	for _, r := range records[:max(0, n)/int(unsafe.Sizeof(records[0]))] {
		switch {
		case r.Signo == stormSignal+1:
			w.loop.Stop()
		case r.Signo == stormSignal && !w.seen[r.Int]:
			w.seen[r.Int] = true
			w.got++
		}
	}
}

// startNext starts a program that prints its mask, and another one at its end.
func (w *stormWatch) startNext(s *Starter) {
	w.starts++
	spec := Spec{Argv: []string{"sed", "-n", "/^Sig[BIC]/p", "/proc/self/status"}}
	spec.Output = func(line []byte) {
		if !strings.HasSuffix(string(line), "\t0000000000000000") {
			w.dirty = append(w.dirty, string(line))
		}
	}
	s.Start(spec, func(r Result) {
		if err := r.Failure(); err != nil {
			w.failures = append(w.failures, err)
		}
		w.startNext(s)
	})
}
