// SPDX-License-Identifier: MIT

//go:build lab && amd64

package fault

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A phase is a part of an agent's life, and the places of the calls that it makes first then.
type phase struct {
	sites []string
	short map[string]bool // whose calls can do less than they were asked to
	again map[string]bool // whose calls can say that there is nothing yet
}

// learn has an agent live undisturbed, and returns its phases: the start, its work, the end.
func learn(t *testing.T) (phases [3]phase) {
	t.Helper()
	a := newHost(t).launch(t, nil)
	if !a.started(patience) {
		t.Fatal(a.log(0))
	}
	for i := range phases {
		switch i {
		case 1:
			for range 3 {
				if err := a.recover(0); err != nil {
					t.Fatal("undisturbed: ", err)
				}
			}
			// The variables are saved a while after they change; a folder is flushed last.
			saved := func([]string) bool {
				return slices.ContainsFunc(a.seen, func(site string) bool {
					return strings.HasPrefix(site, "fsync") && strings.Contains(site, ".flushFolder")
				})
			}
			if !a.await(0, patience, saved) {
				t.Fatal("it saves no variable:\n", a.log(0))
			}
		case 2:
			if err := a.ask("emit", "keep", 1<<20); err != nil {
				t.Fatal(err)
			}
			a.take()
			if err := a.stop(); err != nil {
				t.Fatal(err, a.log(0))
			}
		}
		phases[i] = a.take()
	}
	return phases
}

// take returns what was done since the last time.
func (a *agent) take() phase {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := phase{sites: slices.Clone(a.seen), short: map[string]bool{}, again: map[string]bool{}}
	for _, s := range p.sites {
		p.short[s], p.again[s] = a.counts["short\n"+s] > 0, a.counts["again\n"+s] > 0
	}
	a.seen = nil
	clear(a.counts)
	return p
}

// faults returns how the calls of a phase may fail: once and, if lasting, again and again as well. Unless all are to be
// tried, each fails in one or two of the ways in which it may, all of which occur among the calls.
func (p *phase) faults(lasting bool) []*fault {
	var all []*fault
	for i, site := range p.sites {
		name, _, _ := strings.Cut(site, "\n")
		k := &Kinds[slices.IndexFunc(Kinds, func(k Kind) bool { return k.Name == name })]
		lasts := false
		for j, e := range k.Errors {
			if !everyFault && e != unix.EINTR && j != i%len(k.Errors) || e == unix.EAGAIN && !p.again[site] {
				continue
			}
			all = append(all, &fault{site: site, Verdict: Verdict{Errno: e}})
			if lasting && !passes(e) && !lasts {
				lasts = true // one error is enough for that: how it is called makes no difference
				all = append(all, &fault{site: site, Verdict: Verdict{Errno: e}, lasting: true})
			}
		}
		if p.short[site] {
			all = append(all, &fault{site: site, Verdict: Verdict{Short: true}})
		}
	}
	if only := os.Getenv("FAULT"); only != "" {
		all = slices.DeleteFunc(all, func(f *fault) bool { return !strings.Contains(f.String(), only) })
	}
	return all
}

// passes says of an error that the kernel does not report it again and again.
func passes(e unix.Errno) bool {
	return e == unix.EINTR || e == unix.EAGAIN || e == unix.ENOBUFS
}

func (a *agent) arm(f *fault) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fault = f
}

func (a *agent) struck(f *fault) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return f.struck
}

// suffer has a call of a round fail, and returns what the agent makes of it that it must not. It waits for a call that
// is made later, as those are that save variables, if late is set.
func (a *agent) suffer(f *fault, late bool) error {
	// A walk through sysfs takes 4,000 calls, a uevent that somebody else causes a few.
	const rounds, mostCalls, callsOfUevent = 3, 20_000, 20
	a.mu.Lock()
	calls, from := a.calls, len(a.lines)
	a.mu.Unlock()
	uevents := ueventsSoFar(a.t)
	a.arm(f)
	var hurt []*round
	for range rounds {
		hurt = append(hurt, a.begin())
		a.settle(hurt[len(hurt)-1])
		if a.struck(f) {
			break
		}
	}
	if late {
		const saves = 3 * time.Second
		a.await(from, saves, func([]string) bool { return f.struck })
	}
	a.arm(nil)
	if !a.struck(f) {
		return errNoStrike
	}
	a.mu.Lock()
	calls = a.calls - calls
	a.mu.Unlock()
	if uevents = ueventsSoFar(a.t) - uevents; calls > mostCalls+callsOfUevent*uevents {
		return fmt.Errorf("it spins: %d calls, %d uevents\n%s", calls, uevents, a.log(from))
	}
	if err := a.recover(from); err != nil {
		return err
	}
	// What was done later has been handled by now, so what is missing is lost; a program may take longer.
	for _, r := range hurt {
		said := func(lines []string) bool { return a.lacks(r) == nil || unusual(lines) != "" }
		if r.answer == "" && !a.await(from, patience, said) {
			return fmt.Errorf("silence: it does not handle %v:\n%s", a.missing(r), a.log(from))
		}
	}
	return nil
}

var errNoStrike = errors.New("the call was not made")

// recover waits until the agent does again what it should.
func (a *agent) recover(from int) error {
	var rounds []*round
	for end := time.Now().Add(patience); time.Now().Before(end); {
		rounds = append(rounds, a.begin())
		if a.settle(rounds...) {
			return nil
		}
		if a.isDead() {
			return fmt.Errorf("it has ended:\n%s", a.log(from))
		}
	}
	return fmt.Errorf("it does not recover, and does not handle %v:\n%s", a.missing(rounds[len(rounds)-1]), a.log(from))
}

// everyFault is whether each call fails in each way in which it may.
var everyFault = os.Getenv("REFLEXD_FAULTS") == "all" || os.Getenv("FAULT") != ""

func TestCallsFail(t *testing.T) {
	var phases [3]phase
	t.Run("Learn", func(t *testing.T) { phases = learn(t) })
	t.Run("AtStart", func(t *testing.T) {
		each(t, phases[0].faults(false), func(t *testing.T, h *host) attempt {
			return func(f *fault) error { return h.startWith(t, f) }
		})
	})
	t.Run("AtWork", func(t *testing.T) {
		each(t, phases[1].faults(true), func(t *testing.T, h *host) attempt { return (&worker{host: h, t: t}).suffer })
	})
	t.Run("AtTheEnd", func(t *testing.T) {
		each(t, phases[2].faults(false), func(t *testing.T, h *host) attempt {
			return func(f *fault) error { return h.stopWith(t, f) }
		})
	})
}

// worker has an agent that suffers fault after fault.
type worker struct {
	*host
	t *testing.T
	a *agent
}

func (w *worker) suffer(f *fault) error {
	used := w.a != nil
	if !used {
		w.begin()
	}
	err := w.a.suffer(f, !used)
	if err == errNoStrike && used { // it makes some calls only when it is young
		w.a.kill()
		w.begin()
		err = w.a.suffer(f, true)
	}
	if err != nil && err != errNoStrike {
		w.a.kill()
		w.a = nil
	}
	return err
}

func (w *worker) begin() {
	if w.a = w.launch(w.t, nil); !w.a.started(patience) {
		w.t.Fatal(w.a.log(0))
	}
}

// attempt has one call fail, and returns what is wrong then.
type attempt func(*fault) error

// each tries all faults, with several agents at the same time, and reports what is wrong with them.
func each(t *testing.T, all []*fault, with func(*testing.T, *host) attempt) {
	const agents = 6 // an agent waits more than it computes
	var struck atomic.Int32
	var workers sync.WaitGroup
	queue := make(chan *fault, len(all))
	for _, f := range all {
		queue <- f
	}
	close(queue)
	for i := range agents {
		workers.Go(func() {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				try := with(t, newHost(t))
				for f := range queue {
					begin := time.Now()
					switch err := try(f); {
					case err == errNoStrike:
						t.Logf("%v: %v", f, err)
					case err != nil:
						t.Errorf("%v: %v", f, err)
					default:
						struck.Add(1)
					}
					if d := time.Since(begin); d > 2*time.Second {
						t.Logf("%v took %v", f, d)
					}
				}
			})
		})
	}
	workers.Wait()
	t.Logf("%d of %d calls failed", struck.Load(), len(all))
}

// startWith starts an agent one of whose calls fails. It must say why it ends, or work sooner or later.
func (h *host) startWith(t *testing.T, f *fault) error {
	a := h.launch(t, f)
	defer a.kill()
	if !a.begun(patience) {
		switch err := a.wait(); {
		case err == errHangs:
			return fmt.Errorf("it neither starts nor ends:\n%s", a.log(0))
		case err == nil:
			return fmt.Errorf("it ends as if all were well:\n%s", a.log(0))
		case strings.Contains(a.log(0), "goroutine "):
			return fmt.Errorf("it crashes:\n%s", a.log(0))
		case !strings.Contains(a.log(0), f.Errno.Error()) && a.log(0) == "":
			return fmt.Errorf("it does not say why it ends: %v", err)
		}
		return nil
	}
	return a.recover(0)
}

// stopWith has a call fail when the agent ends: it ends all the same, and keeps its variables or says that it cannot.
func (h *host) stopWith(t *testing.T, f *fault) error {
	a := h.launch(t, nil)
	defer a.kill()
	if !a.started(patience) {
		t.Fatal(a.log(0))
	}
	if err := a.recover(0); err != nil {
		t.Fatal(err)
	}
	const last = 1 << 20 // a value that was not saved yet
	if err := a.ask("emit", "keep", last); err != nil {
		return err
	}
	a.arm(f)
	if err := a.stop(); err != nil {
		return fmt.Errorf("%w:\n%s", err, a.log(0))
	}
	text, err := os.ReadFile(a.path("state"))
	if kept := fmt.Sprintf("\"kept\" \"%d\"\n", last); !strings.Contains(string(text), kept) && unusual(a.since(0)) == "" {
		return fmt.Errorf("silence: the state is %q, %v:\n%s", text, err, a.log(0))
	}
	if !a.struck(f) {
		return errNoStrike
	}
	return nil
}
