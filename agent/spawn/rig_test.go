// SPDX-License-Identifier: MIT

// Rig: a real loop with a Starter, for the tests.

package spawn

import (
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"reflexd/agent/loop"
)

func TestMain(m *testing.M) {
	if os.Getenv(stormVariable) != "" {
		os.Exit(stormMain())
	}
	os.Exit(m.Run())
}

// patience is how long the tests wait for what should come at once.
const patience = time.Minute

// rig runs a loop on a thread of its own.
type rig struct {
	t    testing.TB
	loop *loop.Loop
	*Starter
}

func newRig(t testing.TB) *rig {
	l, err := loop.New()
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(l, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- l.Run(func() {}) }()
	r := &rig{t, l, s}
	t.Cleanup(func() {
		r.do(s.Close)
		l.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		l.Close()
	})
	return r
}

// do runs f on the loop's thread.
func (r *rig) do(f func()) {
	done := make(chan struct{})
	r.loop.Post(func() { f(); close(done) })
	<-done
}

// start starts a program and returns where its result will come.
func (r *rig) start(spec Spec) (*Child, chan Result) {
	result := make(chan Result, 2)
	var c *Child
	r.do(func() { c = r.Start(spec, func(res Result) { result <- res }) })
	return c, result
}

func (r *rig) await(result chan Result) Result {
	r.t.Helper()
	select {
	case res := <-result:
		return res
	case <-time.After(patience):
		r.t.Fatal("program did not end")
	}
	panic("unreachable")
}

// run runs a program and returns its output, a newline after each line.
func (r *rig) run(spec Spec) (string, Result) {
	r.t.Helper()
	var out strings.Builder
	spec.Output = collect(&out)
	_, result := r.start(spec)
	res := r.await(result)
	var text string
	r.do(func() { text = out.String() })
	return text, res
}

func collect(to *strings.Builder) func([]byte) {
	return func(line []byte) {
		to.Write(line)
		to.WriteByte('\n')
	}
}

// until waits until condition holds on the loop's thread.
func (r *rig) until(what string, condition func() bool) {
	r.t.Helper()
	holds := make(chan struct{})
	var look func()
	look = func() {
		if condition() {
			close(holds)
			return
		}
		r.loop.After(2*time.Millisecond, look)
	}
	r.loop.Post(look)
	select {
	case <-holds:
	case <-time.After(patience):
		r.t.Fatalf("in vain waited until %s", what)
	}
}

func (r *rig) untilNothingIsLeft() {
	r.t.Helper()
	r.until("nothing is left", func() bool { return r.Left() == 0 })
}

func sh(script string) []string { return []string{"sh", "-c", script} }
