// SPDX-License-Identifier: MIT

//go:build lab && (amd64 || arm64)

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
func (h *host) learn(t *testing.T) (phases [3]phase) {
	t.Helper()
	a := h.launch(t, nil)
	if !a.started(patience) {
		t.Fatal(a.log(0))
	}
	var young phase
	for i := range phases {
		switch i {
		case 1:
			if h.sound != nil { // as it is before calls fail at work
				if err := errors.Join(a.recover(0), a.isSound(0)); err != nil {
					t.Fatal("undisturbed: ", err)
				}
				young = a.take()
			}
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
			if h.saves && !a.await(0, patience, saved) {
				t.Fatal("it saves no variable:\n", a.log(0))
			}
		case 2:
			if h.saves {
				if err := a.ask("emit", "keep", 1<<20); err != nil {
					t.Fatal(err)
				}
			}
			a.take()
			if err := a.stop(); err != nil {
				t.Fatal(err, a.log(0))
			}
		}
		phases[i] = a.take()
	}
	phases[0].add(&young, &phases[1])
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

// add adds the places of young that are not among those of work: there calls are made only once.
func (p *phase) add(young, work *phase) {
	for _, s := range young.sites {
		if !slices.Contains(p.sites, s) && !slices.Contains(work.sites, s) {
			p.sites = append(p.sites, s)
			p.short[s], p.again[s] = young.short[s], young.again[s]
		}
	}
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
		a.settle(a.lull, hurt[len(hurt)-1])
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
	return a.isSound(from)
}

var errNoStrike = errors.New("the call was not made")

// isSound returns what is wrong with an agent that handles everything again.
func (a *agent) isSound(from int) error {
	if a.sound == nil {
		return nil
	}
	if err := a.sound(a, from); err != nil {
		return fmt.Errorf("%w:\n%s", err, a.log(from))
	}
	return nil
}

// recover waits until the agent does again what it should.
func (a *agent) recover(from int) error {
	var rounds []*round
	// On a starved machine a drive may take longer to come, and an answer.
	lull := a.lull
	defer func() { a.answers = clientPatience }()
	for end := time.Now().Add(patience); time.Now().Before(end); lull, a.answers = 2*lull, 2*a.answers {
		rounds = append(rounds, a.begin())
		if a.settle(lull, rounds...) {
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
	t.Run("Learn", func(t *testing.T) { phases = newHost(t).learn(t) })
	t.Run("AtStart", func(t *testing.T) {
		inParallel(t, phases[0].faults(false), starting)
	})
	t.Run("AtWork", func(t *testing.T) {
		inParallel(t, phases[1].faults(true), working)
	})
	t.Run("AtTheEnd", func(t *testing.T) {
		inParallel(t, phases[2].faults(false), ending)
	})
}

// Calls fail while an agent starts, works and ends.
func starting(t *testing.T, h *host) attempt {
	return func(f *fault) error { return h.startWith(t, f) }
}
func working(t *testing.T, h *host) attempt { return (&worker{host: h, t: t}).suffer }
func ending(t *testing.T, h *host) attempt  { return func(f *fault) error { return h.stopWith(t, f) } }

// worker has an agent that suffers fault after fault.
type worker struct {
	*host
	t     *testing.T
	a     *agent
	names []string // of its calls that are trapped; nil for all
}

func (w *worker) suffer(f *fault) error {
	if w.a != nil && !w.traps(f) {
		w.a.kill()
		w.a = nil
	}
	used := w.a != nil
	if !used {
		w.begin(f)
	}
	err := w.a.suffer(f, !used && w.saves)
	if err == errNoStrike && used { // it makes some calls only when it is young
		w.a.kill()
		w.begin(f)
		err = w.a.suffer(f, w.saves)
	}
	if err != nil && err != errNoStrike {
		w.a.kill()
		w.a = nil
	}
	return err
}

// traps reports whether the agent's calls of the fault's kind are trapped.
func (w *worker) traps(f *fault) bool {
	return w.names == nil || slices.Contains(w.names, f.kind())
}

func (w *worker) begin(f *fault) {
	w.names = w.trapped(f)
	if w.a = w.launch(w.t, nil, w.names...); !w.a.started(patience) {
		w.t.Fatal(w.a.log(0))
	}
	if w.sound == nil {
		return
	}
	if err := errors.Join(w.a.recover(0), w.a.isSound(0)); err != nil {
		w.t.Fatal("undisturbed: ", err)
	}
}

// attempt has one call fail, and returns what is wrong then.
type attempt func(*fault) error

// inParallel tries all faults, with several agents at the same time, and reports what is wrong with them.
func inParallel(t *testing.T, all []*fault, with func(*testing.T, *host) attempt) {
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
				struck.Add(each(t, queue, with(t, newHost(t))))
			})
		})
	}
	workers.Wait()
	t.Logf("%d of %d calls failed", struck.Load(), len(all))
	if int(struck.Load()) < len(all)/2 && !t.Failed() {
		t.Error("that are too few: do these tests see the calls?")
	}
}

// each tries the faults in the queue, and returns how many there were.
func each(t *testing.T, queue <-chan *fault, try attempt) (struck int32) {
	for f := range queue {
		begin := time.Now()
		switch err := try(f); {
		case err == errNoStrike:
			t.Logf("%v: %v", f, err)
		case err != nil:
			t.Errorf("%v: %v", f, err)
		default:
			struck++
		}
		if d := time.Since(begin); d > 2*time.Second {
			t.Logf("%v took %v", f, d)
		}
	}
	return struck
}

// startWith starts an agent one of whose calls fails. It must say why it ends, or work sooner or later.
func (h *host) startWith(t *testing.T, f *fault) error {
	a := h.launch(t, f, h.trapped(f)...)
	defer a.kill()
	if !a.begun(patience) {
		switch err := a.wait(); {
		case err == errHangs:
			return fmt.Errorf("it neither starts nor ends:\n%s", a.log(0))
		case err == nil:
			return fmt.Errorf("it ends as if all were well:\n%s", a.log(0))
		case strings.Contains(a.log(0), "goroutine "):
			return fmt.Errorf("it crashes:\n%s", a.log(0))
		case f.Errno != 0 && !strings.Contains(a.log(0), f.Errno.Error()):
			return fmt.Errorf("it does not say why it ends: %v\n%s", err, a.log(0))
		}
		return nil
	}
	if err := a.recover(0); err != nil {
		return err
	}
	if err := a.isSound(0); err != nil || a.struck(f) {
		return err
	}
	return errNoStrike
}

// stopWith has a call fail when the agent ends: it ends all the same, and keeps its variables or says that it cannot.
func (h *host) stopWith(t *testing.T, f *fault) error {
	a := h.launch(t, nil, h.trapped(f)...)
	defer a.kill()
	if !a.started(patience) {
		t.Fatal(a.log(0))
	}
	if err := a.recover(0); err != nil {
		t.Fatal(err)
	}
	const last = 1 << 20 // a value that was not saved yet
	if h.saves {
		if err := a.ask("emit", "keep", last); err != nil {
			return err
		}
	}
	a.arm(f)
	if err := a.stop(); err != nil {
		return fmt.Errorf("%w:\n%s", err, a.log(0))
	}
	if h.saves {
		text, err := os.ReadFile(a.path("state"))
		if kept := fmt.Sprintf("\"kept\" \"%d\"\n", last); !strings.Contains(string(text), kept) && unusual(a.since(0)) == "" {
			return fmt.Errorf("silence: the state is %q, %v:\n%s", text, err, a.log(0))
		}
	}
	if !a.struck(f) {
		return errNoStrike
	}
	return nil
}
