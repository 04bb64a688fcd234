// SPDX-License-Identifier: MIT

// Reload and stop: what happens to the agent itself.

package agent

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/client"
	"reflexd/config"
)

// Within stopGrace programs may end by themselves when the agent stops, and
// rules on `agent: stopping` may run; then what is left is killed. At
// stopLatest the agent ends, whatever hangs in the kernel.
const (
	stopGrace  = 700 * time.Millisecond
	stopLatest = 850 * time.Millisecond
)

// obey does what a signal to the agent itself asks for.
func (a *Agent) obey(s unix.Signal) {
	if s == unix.SIGHUP && len(a.config.Files) > 0 { // what Watch returns ends with its terminal
		a.reload("SIGHUP", false, func(error) {})
		return
	}
	a.stop(s.String())
}

// Stop makes Run return after an orderly stop. Any thread may call it.
func (a *Agent) Stop() { a.loop.Post(func() { a.stop("requested") }) }

// ReloadRequest is what the verb reload asks.
type ReloadRequest struct {
	// Force accepts a configuration without rules in place of one with rules.
	Force bool `json:"force,omitempty"`
}

// reloadRequest is a request for a reload, and who waits for its end.
type reloadRequest struct {
	why   string
	force bool
	done  func(error)
}

// reload reads the configuration again and swaps it in if nothing is wrong
// with it. done is called with what was, when the sources have started. What
// is asked for while a reload is under way is done after it, and in one go:
// the file may have been read before it was changed.
func (a *Agent) reload(why string, force bool, done func(error)) {
	if a.stopping {
		done(errStopping)
		return
	}
	a.demands = append(a.demands, reloadRequest{why, force, done})
	if a.reloading == nil {
		a.reread()
	}
}

// reread serves the requests: it reads the configuration in the background.
func (a *Agent) reread() {
	a.reloading, a.demands = a.demands, nil
	a.notify(fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", a.loop.Now().Microseconds()))
	var (
		fresh *Configuration
		ps    *config.Problems
		err   error
	)
	paths, pidFile, rules := a.config.Paths, a.pidFile, len(a.config.Rules)
	if slices.ContainsFunc(a.reloading, func(r reloadRequest) bool { return r.force }) {
		rules = 0
	}
	a.loop.Beside(func() {
		unsettled := config.Settle(paths, func() { fresh, ps, err = Load(paths) })
		err = cmp.Or(err, unsettled)
		if err == nil && a.opts.RefuseWriters {
			fresh.RefuseWriters(ps)
		}
		if err == nil && ps.Failed() {
			err = ps
		}
		if err == nil && rules > 0 && len(fresh.Rules) == 0 {
			err = fmt.Errorf("%w: it has no rules, and the running one has %d: `reflexd reload --force` accepts that", client.ErrConfiguration, rules)
		}
		if err == nil {
			pidFile, err = a.prepare(fresh, pidFile)
		}
	}, func() {
		a.pidFile = pidFile
		if err == nil {
			err = a.swap(fresh, ps)
		}
		if err != nil {
			a.reloaded(err)
			return
		}
		a.awaitStart(func() { a.reloaded(nil) })
	})
}

// reloaded reports to everybody how a reload ended.
func (a *Agent) reloaded(err error) {
	if len(a.reloading) == 0 { // all were rejected
		return
	}
	why := a.reloading[0].why
	if err != nil {
		a.logReloadFailure(why, err)
	} else {
		a.log.Info("reloaded", "why", why, "rules", len(a.config.Rules))
	}
	a.notify("READY=1")
	a.tidy()
	for _, d := range a.reloading {
		d.done(err)
	}
	a.reloading = nil
	if len(a.demands) > 0 {
		a.reread()
	}
}

// rejectReloads answers those who wait for a reload: the agent is stopping.
func (a *Agent) rejectReloads() {
	all := append(a.reloading, a.demands...)
	a.reloading, a.demands = nil, nil
	a.startup.cancel()
	for _, d := range all {
		d.done(errStopping)
	}
}

// logReloadFailure logs a reload that failed, a line for each of the first
// complaints.
func (a *Agent) logReloadFailure(why string, err error) {
	const most = 50
	ps, ok := err.(*config.Problems)
	if !ok {
		a.log.Error("not reloaded; the previous configuration stays", "why", why, "error", err)
		return
	}
	all := ps.All()
	a.log.Error("not reloaded; the previous configuration stays", "why", why, "complaints", len(all))
	for _, p := range all[:min(most, len(all))] {
		a.log.Error("configuration", "error", p.Message, "at", p.Pos.String())
	}
}

// errStopping is why nothing is reloaded any more.
var errStopping = errors.New("the agent is stopping")

func (a *Agent) swap(fresh *Configuration, warnings *config.Problems) error {
	if a.stopping {
		return errStopping
	}
	for _, w := range warnings.All() {
		a.log.Warn("configuration", "warning", w.Message, "at", w.Pos.String())
	}
	a.apply(fresh)
	a.reloads++
	a.emit(a.lifeEvent("reloaded"))
	return nil
}

// stop ends programs and runs, lets rules on `agent: stopping` act, and then
// stops the loop: at once if nothing runs, at stopLatest otherwise.
func (a *Agent) stop(why string) {
	if a.stopping {
		return
	}
	a.log.Info("stopping", "why", why)
	a.notify("STOPPING=1")
	a.rejectReloads()
	a.runner.Stop()
	a.spawn.StopAll()
	a.turn()
	a.show(a.lifeEvent("stopping"))
	a.turn() // for what those rules caused
	a.stopping = true
	a.loop.After(stopGrace, a.spawn.KillAll)
	a.loop.After(stopLatest, a.loop.Stop)
	a.leaveWhenAlone()
}

// leaveWhenAlone stops the loop as soon as no rule and no program runs, no
// output plays any more, and serial lines have sent what rules sent.
func (a *Agent) leaveWhenAlone() {
	if a.runner.Running() == 0 && a.spawn.Left() == 0 && a.outputs.Rest() && (a.files == nil || a.files.Rest()) {
		a.loop.Stop()
		return
	}
	const soon = 10 * time.Millisecond
	a.loop.After(soon, a.leaveWhenAlone)
}
