// SPDX-License-Identifier: MIT

// The answer to the verb trigger: devices that are there, told again.

package agent

import (
	"encoding/json"
	"fmt"
	"slices"

	"reflexd/sources/uevent"
)

// TriggerRequest is what the verb trigger asks.
type TriggerRequest struct {
	uevent.Selection
	Action string `json:"action"`
}

// Triggered is the answer.
type Triggered struct {
	Devices int `json:"devices"` // how many the rules are told of
}

// TriggerActions are the actions that a device which is there can be told
// with.
var TriggerActions = []string{"add", "change"}

func (a *Agent) trigger(arguments json.RawMessage, reply func(any, error)) {
	var r TriggerRequest
	if err := json.Unmarshal(arguments, &r); err != nil {
		reply(nil, fmt.Errorf("arguments of trigger: %w", err))
		return
	}
	if !slices.Contains(TriggerActions, r.Action) {
		reply(nil, fmt.Errorf("trigger: no action %q", r.Action))
		return
	}
	a.uevent.Tell(r.Selection, r.Action, func(devpaths []string, err error) {
		a.log.Info("devices are told again on request", "count", len(devpaths), "action", r.Action)
		reply(Triggered{len(devpaths)}, err)
	})
}
