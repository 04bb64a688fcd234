// SPDX-License-Identifier: MIT

// The section `gestures`: by which spans of time gestures are told apart.

package agent

import (
	"reflexd/config"
	"reflexd/sources"
	"reflexd/sources/input"
)

// gestures is the section.
type gestures struct {
	sources.Timing
	keys map[string]*keyTiming
}

// keyTiming is what one key has of its own.
type keyTiming struct {
	at config.Pos
	sources.Timing
}

func (g *gestures) section() config.Field {
	at := func(k *keyTiming) *config.Pos { return &k.at }
	key := func(name string, k *keyTiming) config.Value {
		fields := config.Object(k.ButtonFields()...)
		return config.Wrap(fields, func(n config.Node, ps *config.Problems) {
			if name != "" { // none is written for the reference page
				checkKey(name, k.at, ps)
			}
			fields.Read(n, ps)
		})
	}
	fields := append(g.ButtonFields(),
		config.Field{Name: "chord_window", Doc: "maximum time between the first and the last press of a chord",
			Default: sources.DefaultTiming.ChordWindow.String(), Value: config.Duration(&g.ChordWindow)},
		config.Field{Name: "keys", Doc: "keys with their own times; those of lines are in `lines`",
			Value: config.MapOf(&g.keys, at, key)})
	return config.Field{Name: "gestures", Doc: "times that distinguish gestures", Value: config.Object(fields...)}
}

func checkKey(name string, at config.Pos, ps *config.Problems) {
	key, err := input.ParseKey(name)
	if err != nil {
		ps.Errorf(at, "%v", err)
	} else if canonical := key.String(); canonical != name {
		ps.Errorf(at, "%s is called %s here", name, canonical)
	}
}

// timing returns the times of one button: its own, else those of the section,
// else the defaults.
func (c *Configuration) timing(kind, name string) sources.Timing {
	var own sources.Timing
	switch kind {
	case "line":
		own = c.gpio.Timing(name)
	case "key":
		if k := c.gesture.keys[name]; k != nil {
			own = k.Timing
		}
	}
	return own.Or(c.gesture.Timing).Or(sources.DefaultTiming)
}
