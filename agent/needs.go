// SPDX-License-Identifier: MIT

// Needs: what a configuration uses of the system, for those who confine it.

package agent

import (
	"slices"

	"reflexd/agent/action"
	"reflexd/agent/vars"
	"reflexd/config"
	"reflexd/sources"
)

// DefaultState is the file of kept variables if the configuration names none.
const DefaultState = vars.DefaultFile

// Needs is what a configuration uses of the system.
type Needs struct {
	Sources []string // whose triggers, conditions or sections it has
	Actions []string // the kinds of its actions
	// Programs are the rules that run programs, CommandLines what these are started with.
	Programs, CommandLines []string
	Files                  []string // that are watched
	Writes                 []string // paths of the action write, as they are written
	LEDs                   bool     // of the LED class
	Mounts                 bool
	State                  string // the state file, if a variable is kept
	PidFile                string
	Metrics                string // the file of metrics
	Priority               bool   // high, where that is allowed
}

// Needs returns what c uses.
func (c *Configuration) Needs() Needs {
	n := Needs{Files: c.file.Paths(), LEDs: len(c.uses.LEDs) > 0, Mounts: c.mount.Wanted(), State: c.vars.StateFile(),
		PidFile: c.PidFile, Metrics: c.metrics.file, Priority: c.priority != normalPriority}
	n.addSources(c)
	for _, r := range c.Rules {
		for _, list := range []action.List{r.Do, r.OnFailure} {
			n.Writes = append(n.Writes, list.Writes()...)
			n.CommandLines = append(n.CommandLines, list.CommandLines()...)
			for _, step := range list {
				n.Actions = append(n.Actions, step.Kind)
			}
			if len(list.CommandLines()) > 0 {
				n.Programs = append(n.Programs, r.Name)
			}
		}
	}
	for _, list := range []*[]string{&n.Sources, &n.Actions, &n.Writes} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	n.Programs = slices.Compact(n.Programs)
	return n
}

func (n *Needs) addSources(c *Configuration) {
	used := map[string]bool{}
	for _, s := range c.specs {
		whens, ifs := s.Words()
		for _, node := range append(whens, ifs...) {
			addKeys(node, used)
		}
	}
	for i, p := range c.plans {
		uses := slices.ContainsFunc(p.Triggers(), func(k sources.TriggerKind) bool { return used[k.Key] })
		if asked := p.Extras().Conditional; asked != nil {
			uses = uses || slices.ContainsFunc(asked.Conditions(), func(k sources.ConditionKind) bool { return used[k.Key] })
		}
		if named, ok := p.(interface{ Names() []string }); ok {
			uses = uses || len(named.Names()) > 0
		}
		if uses {
			n.Sources = append(n.Sources, kinds[i].Name)
		}
	}
}

// addKeys notes the keys of a trigger or a condition, and of those inside.
func addKeys(n config.Node, keys map[string]bool) {
	for _, item := range n.Items {
		addKeys(item, keys)
	}
	for _, e := range n.Entries {
		keys[e.Key] = true
		if e.Key == "any" || e.Key == "not" {
			addKeys(e.Value, keys)
		}
	}
}
