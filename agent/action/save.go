// SPDX-License-Identifier: MIT

// The action save: writes what is kept before the power is gone.

package action

import (
	"reflexd/config"
	"reflexd/sources"
)

var saveKind = Kind{
	Key:   "save",
	Also:  "flush sync",
	Doc:   "`kept`: write the variables and counters with `keep` to `state_file` at once, as when the power fails; the next action begins when the disk has them",
	Plain: true,
	New: func() (config.Value, func(*Check) Action) {
		a := &save{}
		return config.At(&a.at, config.OneOf(&a.what, "kept")), a.check
	},
}

type save struct {
	at   config.Pos
	what string
}

func (a *save) check(c *Check) Action {
	if c.Vars.StateFile() == "" {
		c.Problems.Errorf(a.at, "nothing is kept: no variable and no counter has `keep: true`")
	}
	return a
}

// Describe implements Action.
func (a *save) Describe(*sources.Event) string { return "save " + a.what }

// Start implements Action.
func (a *save) Start(r *Run) (Pending, error) { return r.await(r.Env.Vars.Save) }
