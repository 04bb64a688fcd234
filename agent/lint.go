// SPDX-License-Identifier: MIT

// Lint: what is no mistake in any one rule, but can hardly be meant.

package agent

import (
	"cmp"
	"os"
	"path/filepath"
	"time"

	"reflexd/agent/lint"
	"reflexd/agent/rule"
	"reflexd/config"
	"reflexd/sources"
	"reflexd/sources/input"
)

// logindRuns reports whether systemd-logind, which acts on some keys by itself,
// runs here. root is where / is: "" but for tests.
func logindRuns(root string) bool {
	_, err := os.Stat(filepath.Join(root, "/run/systemd/seats"))
	return err == nil
}

// logindKeys are the keys that logind acts on, with the setting that keeps it
// from doing so: logind.conf(5).
var logindKeys = map[string]string{
	"KEY_POWER":   "HandlePowerKey",
	"KEY_POWER2":  "HandlePowerKey",
	"KEY_SLEEP":   "HandleSuspendKey",
	"KEY_SUSPEND": "HandleHibernateKey",
	"KEY_RESTART": "HandleRebootKey",
}

// lint warns of what the rules will hardly do as they are meant.
func (c *Configuration) lint(logind bool, ps *config.Problems) {
	if len(c.Rules) == 0 && !c.mount.Automounts() && !c.bridge.Exposes() {
		ps.Warnf(config.Pos{File: c.Files[0]}, "no rules: reflexd will react to nothing")
	}
	lint.Circles(c.Rules, ps)
	lint.Events(c.Rules, ps)
	lint.Waits(c.Rules, c.whens(), c.gpio.State, ps)
	alone := matchedAlone(c.Rules)
	for _, r := range c.Rules {
		for j := range r.Triggers {
			t := &r.Triggers[j]
			if logind {
				c.lintKeys(t, ps)
			}
			c.lintChord(t, alone, ps)
		}
	}
	lint.Order(c.Rules, ps)
}

// whens returns the triggers of each rule as they are written.
func (c *Configuration) whens() [][]config.Node {
	var all [][]config.Node
	for _, s := range c.specs {
		whens, _ := s.Words()
		all = append(all, whens)
	}
	return all
}

// lintKeys warns of keys that logind acts on as well, unless their device is
// grabbed.
func (c *Configuration) lintKeys(t *sources.Trigger, ps *config.Problems) {
	inputs := c.input.Inputs
	for _, w := range t.Wants {
		setting := logindKeys[w.Name]
		if in := inputs[w.From]; w.Kind != "key" || setting == "" || in != nil && in.Grab != input.GrabOff {
			continue
		}
		ps.WarnOfMachinef(t.Pos, "systemd-logind, which runs here, acts on %s too: set %s=ignore in logind.conf, or declare the input with grab: auto", w.Name, setting)
		return
	}
}

// longWait is how long a press may be held back for a chord without anyone's
// being surprised.
const longWait = 500 * time.Millisecond

// button is a line or key, as rules match it.
type button struct{ kind, name string }

// matchedAlone returns, for each line and key, the first rule that matches it on
// its own.
func matchedAlone(rules []*rule.Rule) map[button]*rule.Rule {
	first := map[button]*rule.Rule{}
	for _, r := range rules {
		for i := range r.Triggers {
			for _, w := range r.Triggers[i].Wants {
				if b := (button{w.Kind, w.Name}); w.Group == nil && first[b] == nil {
					first[b] = r
				}
			}
		}
	}
	return first
}

// lintChord warns of a chord that takes its time while other rules wait for
// its members.
func (c *Configuration) lintChord(t *sources.Trigger, alone map[button]*rule.Rule, ps *config.Problems) {
	for _, w := range t.Wants {
		g := w.Group
		if g == nil || g.InOrder || g.Heard {
			continue
		}
		window := cmp.Or(g.Within, c.timing(w.Kind, w.Name).ChordWindow)
		if window <= longWait {
			continue
		}
		for _, member := range g.Members {
			if r := alone[button{g.Kind, member}]; r != nil {
				ps.Warnf(t.Pos, "a press of %s is delayed by %v, in case it becomes the chord, and rule %q waits for it: use a shorter within, or members: heard",
					member, window, r.Name)
				return
			}
		}
	}
}
