// SPDX-License-Identifier: MIT

package signal

import (
	"log/slog"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"reflexd/agent/loop"
	"reflexd/config"
	"reflexd/sources"
)

// stillLoop is a loop of which only the clock is asked.
type stillLoop struct{ sources.Loop }

func (stillLoop) Woke() time.Duration { return 1 }

// testSource returns a source without a descriptor.
func testSource(emit func(*sources.Event)) *Source {
	host := sources.Host{Loop: stillLoop{}, Emit: emit, Log: slog.New(slog.DiscardHandler)}
	return &Source{host: host, plan: &Plan{}}
}

func TestNoAllocations(t *testing.T) {
	s := testSource(func(*sources.Event) {})
	batch := append(bytes(&unix.SignalfdSiginfo{Signo: 36, Code: -1, Int: 5}), bytes(&unix.SignalfdSiginfo{Signo: 40, Code: 1})...)
	if n := testing.AllocsPerRun(1000, func() { s.take(batch) }); n != 0 {
		t.Errorf("%v allocations for two signals", n)
	}
}

// A driver's SIGIO, and a signal to the thread of the loop, which need not be
// the main thread.
func TestOnLoop(t *testing.T) {
	done := make(chan []string)
	go func() {
		// The thread is locked for good and ends with this goroutine: its
		// mask is not fit for others.
		runtime.LockOSThread()
		done <- receiveOnLoop(t)
	}()
	got := <-done
	want := []string{"SIGIO POLL_IN", "SIGRTMIN+6 tkill"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func receiveOnLoop(t *testing.T) (got []string) {
	l, err := loop.New()
	if err != nil {
		t.Error(err)
		return nil
	}
	defer l.Close()
	var fds [2]int
	emit := func(e *sources.Event) {
		code, _ := e.Lookup("CODE")
		got = append(got, e.Topic.Name+" "+code.String())
		if fd, ok := e.Lookup("FD"); ok && fd != sources.Int(int64(fds[0])) {
			t.Errorf("FD is %v, want %d", fd, fds[0])
		}
		if len(got) == 2 {
			l.Stop()
		}
	}
	s, err := Open(sources.Host{Loop: l, Emit: emit, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Error(err)
		return nil
	}
	defer s.Close()
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		t.Error(err)
		return nil
	}
	defer unix.Close(fds[0])
	defer unix.Close(fds[1])
	raise(t, fds)
	time.AfterFunc(10*time.Second, l.Stop)
	if err := l.Run(func() {}); err != nil {
		t.Error(err)
	}
	return got
}

// raise has the pipe send SIGIO to this thread, and sends it another signal.
func raise(t *testing.T, fds [2]int) {
	owner := struct{ kind, tid int32 }{0, int32(unix.Gettid())} // F_OWNER_TID
	for _, err := range []error{
		setOwner(fds[0], &owner),
		fcntl(fds[0], unix.F_SETSIG, int(unix.SIGIO)),
		fcntl(fds[0], unix.F_SETFL, unix.O_ASYNC|unix.O_NONBLOCK),
		unix.Tgkill(os.Getpid(), unix.Gettid(), rtMin+6),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	if _, err := unix.Write(fds[1], []byte("x")); err != nil {
		t.Error(err)
	}
}

func TestTrigger(t *testing.T) {
	for text, want := range map[string][]string{
		"signal: usr1":                   {"SIGUSR1"},
		"signal: 36":                     {"SIGRTMIN+2"},
		"signal: [SIGUSR2, rtmax, 12]":   {"SIGUSR2", "SIGRTMIN+30"},
		"signal: [SIGPWR, 'SIGRTMAX-1']": {"SIGPWR", "SIGRTMIN+29"},
	} {
		p := &Plan{}
		var ps config.Problems
		trigger := compile(p, text, &ps)
		if ps.Failed() {
			t.Errorf("%s: %v", text, &ps)
		}
		var got []string
		for _, topic := range trigger.Topics {
			got = append(got, topic.Name)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
}

func TestTriggerComplains(t *testing.T) {
	for text, want := range map[string]string{
		"signal: SIGHUP":          "f:1:9: SIGHUP makes the agent reload: use `agent: reloaded`",
		"signal: [USR1, SIGUSR9]": "f:1:16: unknown signal \"SIGUSR9\"; did you mean \"SIGUSR1\"?",
		"signal: SIGRTMIN":        "f:1:9: SIGRTMIN cannot be used: the Go runtime keeps 32 to 34 for itself; use SIGRTMIN+1 or higher",
		"signal:":                 "f:1:8: expected a signal, found nothing",
	} {
		var ps config.Problems
		compile(&Plan{}, text, &ps)
		if ps.Error() != want {
			t.Errorf("%s: got %q, want %q", text, ps.Error(), want)
		}
	}
}

func compile(p *Plan, text string, ps *config.Problems) *sources.Trigger {
	fields, compile := p.Triggers()[0].New()
	n, _ := config.Parse("f", []byte(text), ps)
	config.Object(fields...).Read(n, ps)
	t := &sources.Trigger{}
	compile(t, ps)
	return t
}

func TestStatus(t *testing.T) {
	p := &Plan{}
	var ps config.Problems
	compile(p, "signal: [SIGRTMIN+2, SIGUSR1]", &ps)
	s := testSource(nil)
	s.Apply(p)
	want := []sources.State{{Name: "SIGUSR1", Detail: "signal 10", OK: true}, {Name: "SIGRTMIN+2", Detail: "signal 36", OK: true}}
	if diff := cmp.Diff(want, s.Status()); diff != "" {
		t.Error(diff)
	}
}
