// SPDX-License-Identifier: MIT

// The action key: keys that reflexd presses itself.

package action

import (
	"strings"

	"reflexd/config"
	"reflexd/sources"
	"reflexd/sources/input"
)

// Keys are the virtual devices. The input source has them.
type Keys interface {
	// Strike presses or releases keys of the virtual device of that name.
	// done is called once, perhaps before Strike returns.
	Strike(device string, s input.Stroke, done func(error))
}

// defaultDevice is the name of the virtual device where the configuration has
// none.
const defaultDevice = "reflexd"

var keyKind = Kind{
	Key:   "key",
	Also:  "keys press send_key type",
	Doc:   "press keys of a virtual keyboard",
	Plain: true,
	New: func() (config.Value, func(*Check) Action) {
		a := &key{device: defaultDevice, is: input.Tap}
		keys := config.OneOrMore(&a.keys, func(k *uint16) config.Value { return config.Parsed(k, "key name", input.KeyCode) })
		long := config.Object(
			config.Field{Name: "keys", Doc: "their names, such as KEY_C; pressed in this order and released in reverse", Required: true, Value: keys},
			config.Field{Name: "is", Doc: "what to do with them; a key that is pressed and not released stays down until reflexd reloads or stops", Default: input.Tap,
				Value: config.OneOf(&a.is, input.Tap, input.Press, input.Release)},
			config.Field{Name: "device", Doc: "the name of the virtual device", Default: defaultDevice,
				Value: config.Parsed(&a.device, "a name", input.ParseDeviceName)})
		return config.Either(keys, long), a.check
	},
}

type key struct {
	device string
	keys   []uint16
	is     string
}

func (a *key) check(c *Check) Action {
	if c.Uses.Keys == nil {
		c.Uses.Keys = map[string][]uint16{}
	}
	c.Uses.Keys[a.device] = append(c.Uses.Keys[a.device], a.keys...)
	return a
}

// Describe implements Action.
func (a *key) Describe(*sources.Event) string {
	var names []string
	for _, k := range a.keys {
		names = append(names, input.KeyName(k))
	}
	return a.is + " " + strings.Join(names, " ")
}

// Start implements Action.
func (a *key) Start(r *Run) (Pending, error) {
	return r.await(func(done func(error)) {
		r.Env.Keys.Strike(a.device, input.Stroke{Keys: a.keys, Is: a.is}, done)
	})
}
