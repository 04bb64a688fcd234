// SPDX-License-Identifier: MIT

// WatchSpec: what `monitor` and `learn` listen to, where no file says what the agent is
// to do.

package agent

import (
	"reflexd/sources"
	"reflexd/sources/gpio"
)

// WatchSpec says which events are to be shown. Signals always are.
type WatchSpec struct {
	Inputs, Uevents, Links bool
	// Sensors has all sensors that the machine has be read every second.
	Sensors bool
	// Lines are requested as inputs with the Bias, "" for as they are. No
	// other line is touched.
	Lines []string
	Bias  string
}

// Sensors returns what the sensors of a WatchSpec are declared as, by their names.
func (c *Configuration) Sensors() map[string]string { return c.sensors }

// Loop is the agent's loop, for who observes it: see Options.Observe.
func (a *Agent) Loop() sources.Loop { return a.loop }

// Watch returns a configuration without rules, under which the agent only
// listens.
func Watch(w WatchSpec) (*Configuration, error) {
	c := newConfiguration()
	c.priority = normalPriority
	c.input.Everything = w.Inputs
	c.uevent.Everything = w.Uevents
	c.link.Everything = w.Links
	if w.Sensors {
		c.sensors = c.sensor.AskAll("/sys")
	}
	lines := c.gpio
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
