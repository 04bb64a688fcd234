// SPDX-License-Identifier: MIT

package uevent

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"reflexd/sources"
)

// Simulated returns the event of a device with the properties, of which ACTION
// and SUBSYSTEM must be some, as the kernel announces it, for tests of rules.
func Simulated(properties map[string]string) (*sources.Event, error) {
	if properties["ACTION"] == "" || properties["SUBSYSTEM"] == "" {
		return nil, errors.New("a uevent has an ACTION and a SUBSYSTEM")
	}
	path := properties["DEVPATH"]
	if path == "" {
		path = "/devices/simulated"
	}
	text := properties["ACTION"] + "@" + path + "\x00DEVPATH=" + path + "\x00"
	for _, key := range slices.Sorted(maps.Keys(properties)) {
		if key != "DEVPATH" {
			text += key + "=" + strings.TrimPrefix(properties[key], "\x00") + "\x00"
		}
	}
	var m message
	if err := m.parse(text, "/dev"); err != nil {
		return nil, err
	}
	return &sources.Event{
		Topic: sources.Topic{Kind: "uevent", Name: m.subsystem, State: m.action}, Source: "uevent", Fields: m.fields,
	}, nil
}
