// SPDX-License-Identifier: MIT

// WatchSpec: what `monitor` and `learn` listen to, where no file says what the agent is
// to do.

package agent

import (
	"reflexd/sources"
	"reflexd/sources/gpio"
	"reflexd/sources/input"
	"reflexd/sources/link"
	"reflexd/sources/uevent"
)

// WatchSpec says which events are to be shown. Signals always are.
type WatchSpec struct {
	Inputs, Uevents, Links bool
	// Lines are requested as inputs with the Bias, "" for as they are. No
	// other line is touched.
	Lines []string
	Bias  string
}

// Loop is the agent's loop, for who observes it: see Options.Observe.
func (a *Agent) Loop() sources.Loop { return a.loop }

// Watch returns a configuration without rules, under which the agent only
// listens.
func Watch(w WatchSpec) (*Configuration, error) {
	c := newConfiguration()
	c.plan("input").(*input.Plan).Everything = w.Inputs
	c.plan("uevent").(*uevent.Plan).Everything = w.Uevents
	c.plan("link").(*link.Plan).Everything = w.Links
	lines := c.plan("gpio").(*gpio.Plan)
	for _, spec := range w.Lines {
		l := gpio.NewLine(gpio.Input, spec, spec)
		if w.Bias != "" {
			l.Bias = w.Bias
		}
		if err := lines.Add(l); err != nil {
			return nil, err
		}
	}
	return c, nil
}
