// SPDX-License-Identifier: MIT

// rig is the source under test in a real loop, beside the real sources of
// signals and uevents, on a thread of its own.

package file

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/agent/loop"
	"reflexd/config"
	"reflexd/sources"
	"reflexd/sources/signal"
	"reflexd/sources/uevent"
)

// wait bounds what must come; it measures nothing.
const wait = 20 * time.Second

type rig struct {
	t       *testing.T
	dir     string
	loop    *loop.Loop
	hold    bool     // the next work in the background, which goes to
	held    []func() // on the loop's thread, like hold
	source  *Source
	signals sources.Source
	uevents sources.Source // nil unless asked for: the machine's are not ours to count
	hearing bool           // signals reach the source

	mu     sync.Mutex
	more   *sync.Cond
	heard  []*sources.Event // events of files, and losses
	taken  int              // of these, by expect
	log    strings.Builder
	queued []*sources.Event // on the loop's thread
}

// newRig starts a loop with a source that has nothing to do yet.
func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), hearing: true}
	r.more = sync.NewCond(&r.mu)
	l, err := loop.New()
	if err != nil {
		t.Fatal(err)
	}
	r.loop = l
	ended, begun := make(chan error, 1), make(chan error, 1)
	go func() {
		// The thread ends with this goroutine: its mask is not fit for others.
		runtime.LockOSThread()
		begun <- r.open()
		ended <- l.Run(r.turn)
	}()
	if err := <-begun; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.do(func() {
			r.source.Close()
			r.signals.Close()
			if r.uevents != nil {
				r.uevents.Close()
			}
		})
		l.Stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		l.Close()
	})
	return r
}

func (r *rig) open() (err error) {
	log := slog.New(slog.NewTextHandler(r, &slog.HandlerOptions{Level: slog.LevelDebug}))
	host := sources.Host{Loop: holdingLoop{r.loop, r}, Log: log, Emit: func(e *sources.Event) { r.queued = append(r.queued, e.Clone()) },
		Dev: "/dev", Sys: "/sys", Proc: "/proc"}
	r.source = Open(host)
	r.signals, err = signal.Open(host)
	return err
}

// hearUevents has the source receive the machine's uevents.
func (r *rig) hearUevents() {
	r.do(func() {
		r.uevents = uevent.Open(r.source.host)
		r.uevents.Apply(&uevent.Plan{Subscribed: true})
	})
}

// holdingLoop is the loop, but that work beside it may be held up.
type holdingLoop struct {
	*loop.Loop
	rig *rig
}

func (l holdingLoop) Beside(work, done func()) {
	if l.rig.hold {
		l.rig.hold = false
		l.rig.mu.Lock()
		l.rig.held = append(l.rig.held, func() { l.Loop.Beside(work, done) })
		l.rig.more.Broadcast()
		l.rig.mu.Unlock()
		return
	}
	l.Loop.Beside(work, done)
}

// turn shows the source what it subscribes to, and keeps what it emits.
func (r *rig) turn() {
	for len(r.queued) > 0 {
		batch := r.queued
		r.queued = nil
		for _, e := range batch {
			switch e.Topic.Kind {
			case "signal", "uevent":
				if r.hearing || e.Topic.Kind == "uevent" {
					r.source.Notify(e)
				}
			default:
				r.mu.Lock()
				r.heard = append(r.heard, e)
				r.more.Broadcast()
				r.mu.Unlock()
			}
		}
	}
}

// Write takes the log.
func (r *rig) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log.Write(b)
	r.more.Broadcast()
	return len(b), nil
}

// do runs f on the loop's thread.
func (r *rig) do(f func()) {
	r.t.Helper()
	done := make(chan struct{})
	r.loop.Post(func() { f(); close(done) })
	select {
	case <-done:
	case <-time.After(wait):
		r.t.Fatal("the loop hangs")
	}
}

// await waits until cond, which is called with the lock held, is true.
func (r *rig) await(what string, cond func() bool) {
	r.t.Helper()
	late := false
	timer := time.AfterFunc(wait, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		late = true
		r.more.Broadcast()
	})
	defer timer.Stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	for !cond() {
		if late {
			r.t.Fatalf("%s did not come; there is:\n%s\n%s", what, strings.Join(describe(r.heard[r.taken:]), "\n"), r.log.String())
		}
		r.more.Wait()
	}
}

// describe writes events as the tests compare them: "readable a TEXT=x".
func describe(events []*sources.Event) []string {
	var all []string
	for _, e := range events {
		s := e.Topic.State + " " + e.Topic.Name
		for _, name := range []string{"TEXT", "TRUNCATED", "EVENT", "NAME", "SYNTHETIC"} {
			if v, ok := e.Lookup(name); ok {
				s += " " + name + "=" + v.String()
			}
		}
		all = append(all, s)
	}
	return all
}

// expect waits for exactly these events, after those of the last expect.
func (r *rig) expect(want ...string) {
	r.t.Helper()
	r.await(fmt.Sprintf("%q", want), func() bool { return len(r.heard)-r.taken >= len(want) })
	r.mu.Lock()
	defer r.mu.Unlock()
	got := describe(r.heard[r.taken : r.taken+len(want)])
	if !slices.Equal(got, want) {
		r.t.Fatalf("got %q, want %q\n%s", got, want, r.log.String())
	}
	r.taken += len(want)
}

// logged waits for a word in the log.
func (r *rig) logged(word string) {
	r.t.Helper()
	r.await(fmt.Sprintf("log %q", word), func() bool { return strings.Contains(r.log.String(), word) })
}

// compile reads files and triggers; DIR stands for the test's folder.
func compile(dir, yaml string) (*Plan, *config.Problems) {
	p, ps := &Plan{}, &config.Problems{}
	var compilers []func()
	trigger := func(*struct{}) config.Value {
		fields, compile := p.Triggers()[0].New()
		compilers = append(compilers, func() { compile(&sources.Trigger{}, ps) })
		return config.Object(fields...)
	}
	var none []struct{}
	n, _ := config.Parse("f", []byte(strings.ReplaceAll(yaml, "DIR", dir)), ps)
	config.Object(append(p.Sections(), config.Field{Name: "rules", Value: config.ListOf(&none, trigger)})...).Read(n, ps)
	p.Resolve(ps)
	for _, c := range compilers {
		c()
	}
	return p, ps
}

// apply makes the source do what yaml asks, and returns when each file is
// either open or given up for now.
func (r *rig) apply(yaml string) {
	r.t.Helper()
	p, ps := compile(r.dir, yaml)
	if ps.Failed() {
		r.t.Fatal(ps)
	}
	r.do(func() { r.source.Apply(p) })
	r.settled()
}

// settled waits until nothing is being opened, or done in the background.
func (r *rig) settled() {
	r.t.Helper()
	for deadline := time.Now().Add(wait); ; runtime.Gosched() {
		busy := false
		r.do(func() { busy = !r.source.Started() || r.loop.Pending() > 0 })
		if !busy {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatal("it is busy without end")
		}
	}
}

func (r *rig) status(name string) (st sources.State) {
	r.t.Helper()
	r.do(func() {
		for _, s := range r.source.Status() {
			if s.Name == name {
				st = s
			}
		}
	})
	return st
}

func (r *rig) path(name string) string { return filepath.Join(r.dir, name) }

func (r *rig) fifo(name string) {
	r.t.Helper()
	if err := unix.Mkfifo(r.path(name), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// writer opens a file for writing, as whoever is at its other end.
func (r *rig) writer(name string) *os.File {
	r.t.Helper()
	f, err := os.OpenFile(r.path(name), os.O_WRONLY, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { f.Close() })
	return f
}

func (r *rig) write(f *os.File, text string) {
	r.t.Helper()
	if _, err := f.WriteString(text); err != nil {
		r.t.Fatal(err)
	}
}

// wakeups counts those of the loop.
func (r *rig) wakeups() (n uint64) {
	r.do(func() { n = r.loop.Wakeups() })
	return n
}
