// SPDX-License-Identifier: MIT

package signal

import (
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/agent/loop"
	"reflexd/sources"
)

// The process is told of its own signals and of faults that somebody sends, however they are
// sent, while threads come and go; a real fault is still one, and what is given back
// does what it does in every Go program.
func TestOwn(t *testing.T) {
	h := startHelper(t, "own", "/proc/self/exe")
	kill := func(t *testing.T, n int) {
		if err := unix.Kill(h.pid, unix.Signal(n)); err != nil {
			t.Fatal(err)
		}
	}
	ways := map[string]func(*testing.T, int){
		"kill":     kill,
		"sigqueue": func(t *testing.T, n int) { queue(t, h.pid, n, 7) },
		"thread":   func(t *testing.T, n int) { queueThread(t, h.pid, n, 7) },
		"tgkill": func(t *testing.T, n int) {
			if err := unix.Tgkill(h.pid, h.pid, unix.Signal(n)); err != nil {
				t.Fatal(err)
			}
		},
	}
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", h.pid))
	if err != nil || len(tasks) < 2 {
		t.Fatal(tasks, err)
	}
	ways["another thread"] = func(t *testing.T, n int) {
		tid, _ := strconv.Atoi(tasks[1].Name()) // the runtime's monitor, which stays
		if err := unix.Tgkill(h.pid, tid, unix.Signal(n)); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(t *testing.T, want string) {
		t.Helper()
		if h.lines.Scan(); !strings.Contains(h.lines.Text(), want) {
			t.Fatalf("got %q, want %q", h.lines.Text(), want)
		}
	}
	expect(t, "told hangup") // which was held until now
	for name, send := range ways {
		t.Run(name, func(t *testing.T) {
			for _, n := range faults {
				send(t, n)
				expect(t, "signal="+Name(n))
			}
			for _, n := range []unix.Signal{unix.SIGHUP, unix.SIGQUIT, unix.SIGABRT, unix.SIGINT} {
				send(t, int(n))
				if n == unix.SIGINT {
					expect(t, "recovered runtime error: invalid memory address or nil pointer dereference")
				}
				expect(t, fmt.Sprint("told ", n))
			}
		})
	}
	kill(t, int(unix.SIGTERM))
	expect(t, "told terminated")
	expect(t, "given back")
	for range 100 {
		kill(t, int(unix.SIGHUP)) // it is still held
	}
	kill(t, int(unix.SIGTERM))
	if err := h.cmd.Wait(); err == nil || err.Error() != "signal: terminated" {
		t.Error(err)
	}
}

// openForGood opens a source on a thread that ends with the test.
func openForGood(t *testing.T, l sources.Loop) (s *Source) {
	t.Helper()
	opened := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: its mask is not fit for others
		var err error
		s, err = Open(sources.Host{Loop: l, Log: slog.New(slog.DiscardHandler)})
		opened <- err
		<-t.Context().Done()
	}()
	if err := <-opened; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// Whoever opened the source, or another one later, signals are sent on to the thread that blocks
// them. Another one would be sent them for ever.
func TestOwnOnAnotherThread(t *testing.T) {
	l, err := loop.New()
	if err != nil {
		t.Fatal(err)
	}
	s := openForGood(t, l)
	told, begun, ended := make(chan unix.Signal, 1), make(chan error), make(chan error)
	go func() {
		runtime.LockOSThread()
		stop, err := s.Own(func(n unix.Signal) { told <- n })
		if begun <- err; err == nil {
			err = l.Run(func() {})
			stop()
			ended <- err
		}
	}()
	if err := <-begun; err != nil {
		t.Fatal(err)
	}
	other, err := loop.New()
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	stop, err := openForGood(t, other).Own(func(n unix.Signal) { t.Error("another source is told of", n) })
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	if got := dereferenced(nil); !strings.Contains(got, "nil pointer") {
		t.Error("a fault became ", got)
	}
	for range 20 {
		if err := unix.Kill(os.Getpid(), unix.SIGHUP); err != nil {
			t.Fatal(err)
		}
		select {
		case <-told:
		case <-time.After(10 * time.Second):
			t.Fatal("not told of SIGHUP")
		}
	}
	l.Stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// dereferenced returns the panic of reading what p points to.
func dereferenced(p *int) (panicked string) {
	defer func() { panicked = fmt.Sprint(recover()) }()
	return fmt.Sprint(*p)
}
