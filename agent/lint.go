// SPDX-License-Identifier: MIT

// Lint: what is no mistake in any one rule, but can hardly be meant.

package agent

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
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
	if len(c.Rules) == 0 && !c.mount.Automounts() {
		ps.Warnf(config.Pos{File: c.Files[0]}, "no rules: reflexd will react to nothing")
	}
	lint.Circles(c.Rules, ps)
	lint.Events(c.Rules, ps)
	lint.Waits(c.Rules, c.whens(), c.gpio.State, ps)
	for i, r := range c.Rules {
		for j := range r.Triggers {
			t := &r.Triggers[j]
			if logind {
				c.lintKeys(t, ps)
			}
			c.lintChord(t, ps)
		}
		for _, later := range c.Rules[i+1:] {
			lintOrder(r, later, ps)
		}
	}
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

// lintChord warns of a chord that takes its time while other rules wait for
// its members.
func (c *Configuration) lintChord(t *sources.Trigger, ps *config.Problems) {
	for _, w := range t.Wants {
		g := w.Group
		if g == nil || g.InOrder || g.Heard {
			continue
		}
		window := cmp.Or(g.Within, c.timing(w.Kind, w.Name).ChordWindow)
		if window <= longWait {
			continue
		}
		for _, r := range c.Rules {
			if name := matchesOneOf(r, g); name != "" {
				ps.Warnf(t.Pos, "a press of %s is delayed by %v, in case it becomes the chord, and rule %q waits for it: use a shorter within, or members: heard",
					name, window, r.Name)
				return
			}
		}
	}
}

// matchesOneOf returns a member of g that r matches on its own, or "".
func matchesOneOf(r *rule.Rule, g *sources.Group) string {
	for i := range r.Triggers {
		for _, w := range r.Triggers[i].Wants {
			if w.Group == nil && w.Kind == g.Kind && slices.Contains(g.Members, w.Name) {
				return w.Name
			}
		}
	}
	return ""
}

// lintOrder warns of two rules that fire upon the very same event, of which
// the later undoes what the first did to a line.
func lintOrder(first, later *rule.Rule, ps *config.Problems) {
	if first.Disabled || later.Disabled || len(first.If)+len(later.If) > 0 || !shareEvent(first, later) {
		return
	}
	sets := later.Do.Sets()
	for line, to := range first.Do.Sets() {
		if undone := sets[line]; undone != "" && undone != to {
			ps.Warnf(later.Pos, "rule %q fires on the same event as rule %q and sets line %s to %s, which that one sets to %s", later.Name, first.Name, line, undone, to)
		}
	}
}

// shareEvent reports whether some event fires both, whatever its fields.
func shareEvent(a, b *rule.Rule) bool {
	plain := func(t *sources.Trigger) bool { return t.Match == nil && len(t.Where) == 0 }
	for i := range a.Triggers {
		for j := range b.Triggers {
			one, other := &a.Triggers[i], &b.Triggers[j]
			if plain(one) && plain(other) && one.Lasting == other.Lasting && slices.ContainsFunc(one.Topics, func(t sources.Topic) bool { return slices.Contains(other.Topics, t) }) {
				return true
			}
		}
	}
	return false
}
