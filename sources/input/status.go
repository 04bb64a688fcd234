// SPDX-License-Identifier: MIT

// The state of the declared devices.

package input

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"reflexd/sources"
)

// Status implements sources.Source.
func (s *source) Status() []sources.State {
	var states []sources.State
	if s.plan.Everything || s.plan.wants[""] != nil {
		states = append(states, s.state("any input", func(n *node) bool { return n.device != nil }))
	}
	for _, name := range slices.Sorted(maps.Keys(s.plan.Inputs)) {
		in := s.plan.Inputs[name]
		states = append(states, s.state(name, func(n *node) bool { return in.matches(n.path, n.id) }))
	}
	for _, name := range slices.Sorted(maps.Keys(s.virtuals)) {
		states = append(states, s.virtuals[name].state())
	}
	return states
}

// state is that of the devices that are meant by one name.
func (s *source) state(name string, meant func(*node) bool) sources.State {
	var details, errs []string
	for _, path := range s.paths() {
		n := s.nodes[path]
		if n.id == nil || !meant(n) {
			continue
		}
		details = append(details, n.describe())
		if n.device != nil && n.device.grab.err != nil {
			errs = append(errs, n.path+": "+n.device.grab.err.Error())
		}
	}
	for _, path := range slices.Sorted(maps.Keys(s.receivers)) {
		if r := s.receivers[path]; r.fd >= 0 && slices.Contains(r.names, name) {
			details = append(details, strings.TrimSpace(r.path+" "+r.model))
		}
	}
	if len(details) == 0 {
		return sources.State{Name: name, Error: s.missing()}
	}
	return sources.State{Name: name, Detail: strings.Join(details, "; "), OK: len(errs) == 0, Error: strings.Join(errs, "; ")}
}

// describe returns the node's path, its device's name and what is done with it.
func (n *node) describe() string {
	text := strings.TrimSpace(n.path + " " + n.id.name)
	switch {
	case n.device != nil:
		return text + n.device.grab.String() + n.device.pass.String()
	case n.opener.Opening():
		return text + ", being opened"
	case n.id.phys == ownPhys():
		return text + ", closed: it is reflexd's own"
	}
	return text + ", closed: no rule uses its events"
}

// missing says why a device is not there: it may be one of those that cannot
// be opened.
func (s *source) missing() string {
	for _, path := range s.paths() {
		if err := s.nodes[path].opener.Err(); err != nil && !errors.Is(err, errNoInput) {
			return "no such device yet; " + err.Error()
		}
	}
	for _, path := range slices.Sorted(maps.Keys(s.receivers)) {
		if err := s.receivers[path].opener.Err(); err != nil {
			return "no such device yet; " + err.Error()
		}
	}
	return "no such device yet"
}
