// SPDX-License-Identifier: MIT

//go:build amd64

package fault

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A phase is a part of an agent's life, and the places of the calls that it makes first then.
type phase struct {
	sites []string
	short map[string]bool // whose calls can do less than they were asked to
}

// learn has an agent live undisturbed, and returns its phases: the start, its work, the end. What follows the start
// after it was logged is part of neither.
func learn(t *testing.T) (phases [3]phase) {
	t.Helper()
	a := launch(t, nil)
	if !a.started(patience) {
		t.Fatal(a.log(0))
	}
	for i := range phases {
		switch i {
		case 1:
			for range 3 {
				a.take()
				if err := a.recover(0); err != nil {
					t.Fatal("undisturbed: ", err)
				}
			}
		case 2:
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
	p := phase{sites: slices.Clone(a.seen), short: map[string]bool{}}
	for _, s := range p.sites {
		p.short[s] = a.counts["short\n"+s] > 0
	}
	a.seen = nil
	clear(a.counts)
	return p
}

// faults returns how the calls of a phase may fail: once and, with thorough, again and again as well. Without, each
// fails in one or two of the ways in which it may, all of which occur among the calls: each costs an agent.
func (p *phase) faults(thorough bool) []*fault {
	var all []*fault
	for i, site := range p.sites {
		name, _, _ := strings.Cut(site, "\n")
		k := &Kinds[slices.IndexFunc(Kinds, func(k Kind) bool { return k.Name == name })]
		lasts := false
		for j, e := range k.Errors {
			if !thorough && e != unix.EINTR && j != i%len(k.Errors) && os.Getenv("FAULT") == "" {
				continue
			}
			all = append(all, &fault{site: site, Verdict: Verdict{Errno: e}})
			if thorough && !passes(e) && !lasts {
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

// suffer has a call of a round fail, and returns what the agent makes of it that it must not.
func (a *agent) suffer(f *fault) error {
	const rounds, mostCalls, mostWork = 3, 20_000, 3 * time.Second // a walk through sysfs takes 4,000 calls
	a.mu.Lock()
	calls, from := a.calls, len(a.lines)
	a.mu.Unlock()
	work := a.cpu()
	a.arm(f)
	var hurt []*round
	for range rounds {
		hurt = append(hurt, a.begin())
		a.settle(hurt[len(hurt)-1])
		if a.struck(f) {
			break
		}
	}
	a.arm(nil)
	if !a.struck(f) {
		return errNoStrike
	}
	a.mu.Lock()
	calls = a.calls - calls
	a.mu.Unlock()
	if work = a.cpu() - work; calls > mostCalls || work > mostWork {
		return fmt.Errorf("it spins: %d calls, %v of work\n%s", calls, work, a.log(from))
	}
	if err := a.recover(from); err != nil {
		return err
	}
	// What was done later has been handled by now, so what is missing is lost.
	for _, r := range hurt {
		if missing := a.missing(r); len(missing) > 0 && r.answer == "" && unusual(a.since(from)) == "" {
			return fmt.Errorf("silence: it does not handle %v:\n%s", missing, a.log(from))
		}
	}
	return nil
}

var errNoStrike = errors.New("the call was not made")

// recover waits until the agent does again what it should.
func (a *agent) recover(from int) error {
	var missing []string
	for end := time.Now().Add(patience); time.Now().Before(end); {
		r := a.begin()
		a.settle(r)
		if missing = a.missing(r); missing == nil {
			return nil
		}
		if a.isDead() {
			return fmt.Errorf("it has ended:\n%s", a.log(from))
		}
	}
	return fmt.Errorf("it does not recover, and does not handle %v:\n%s", missing, a.log(from))
}

func TestCallsFail(t *testing.T) {
	phases := learn(t)
	t.Run("AtStart", func(t *testing.T) {
		each(t, phases[0].faults(false), func(f *fault) error { return startWith(t, f) })
	})
	t.Run("AtWork", func(t *testing.T) {
		var a *agent
		each(t, phases[1].faults(true), func(f *fault) error {
			if a == nil {
				if a = launch(t, nil); !a.started(patience) {
					t.Fatal(a.log(0))
				}
				if err := a.recover(0); err != nil {
					t.Fatal(err)
				}
			}
			err := a.suffer(f)
			if err != nil && err != errNoStrike {
				a.kill()
				a = nil
			}
			return err
		})
	})
	t.Run("AtTheEnd", func(t *testing.T) {
		each(t, phases[2].faults(false), func(f *fault) error { return stopWith(t, f) })
	})
}

// each tries all faults, and reports what is wrong with them.
func each(t *testing.T, all []*fault, try func(*fault) error) {
	struck := 0
	for _, f := range all {
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
	t.Logf("%d of %d calls failed", struck, len(all))
}

// startWith starts an agent one of whose calls fails. It must say why it ends, or work sooner or later.
func startWith(t *testing.T, f *fault) error {
	a := launch(t, f)
	defer a.kill()
	if !a.started(patience) {
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
func stopWith(t *testing.T, f *fault) error {
	a := launch(t, nil)
	defer a.kill()
	if !a.started(patience) {
		t.Fatal(a.log(0))
	}
	if err := a.recover(0); err != nil {
		t.Fatal(err)
	}
	a.arm(f)
	const last = 1 << 20 // a value that was not saved yet
	if err := a.ask("emit", "keep", last); err != nil {
		return err
	}
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
