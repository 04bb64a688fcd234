// SPDX-License-Identifier: MIT

// Announcing devices that are there because somebody asks for it.

package uevent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"reflexd/config"
	"reflexd/sources"
)

// requestedField is 1 in an event that somebody asked for, which all triggers
// match, not only those with coldplug.
const requestedField = "REQUESTED"

// Selection chooses among the devices that there are.
type Selection struct {
	Subsystem string  `json:"subsystem,omitempty"` // a glob; "" for any
	Match     []Match `json:"match,omitempty"`     // all must hold
}

// Match asks for a field that matches a pattern.
type Match struct {
	Field   string `json:"field"`
	Pattern string `json:"pattern"` // a glob
}

// ParseMatch reads KEY=GLOB.
func ParseMatch(s string) (Match, error) {
	field, pattern, ok := strings.Cut(s, "=")
	switch {
	case !ok || !sources.ValidField(field):
		return Match{}, fmt.Errorf("expected KEY=GLOB, such as DEVTYPE=partition, found %q", s)
	case isID(field) && !slices.Contains(idFields, field):
		return Match{}, fmt.Errorf("no device has a field %s%s", field, config.Suggest(field, idFields))
	}
	return Match{field, pattern}, nil
}

// accepts reports whether d is among those that sel chooses.
func (sel *Selection) accepts(d *device) bool {
	e := sources.Event{Fields: d.known()}
	for _, m := range sel.Match {
		v, ok := e.Lookup(m.Field)
		if !ok || !sources.Glob(m.Pattern, v.String()) {
			return false
		}
	}
	return sel.Subsystem == "" || sources.Glob(sel.Subsystem, d.subsystem)
}

// ids returns of which subsystems it must be known what the devices are.
func (sel *Selection) ids() scope {
	return scope{all: slices.ContainsFunc(sel.Match, func(m Match) bool { return isID(m.Field) })}
}

// chosen returns what w found of sel, parents before their children.
func (w *walk) chosen(sel *Selection) []*device {
	all := slices.DeleteFunc(w.found, func(d *device) bool { return !sel.accepts(d) })
	slices.SortFunc(all, byPath)
	return all
}

// Find returns the DEVPATHs of the devices that sel chooses, parents before
// their children. It may block.
func Find(sys, dev string, sel Selection) ([]string, error) {
	w := &walk{sys: filepath.Clean(sys), dev: dev, scope: scope{all: true}, ids: sel.ids()}
	w.run()
	return paths(w.chosen(&sel)), w.err
}

func paths(devices []*device) []string {
	var all []string
	for _, d := range devices {
		all = append(all, d.path)
	}
	return all
}

// Announce has the kernel announce the devices with an action, which everyone
// match uevents. It returns how many it did announce; those
// that are gone by now are no failure.
func Announce(sys string, devpaths []string, action string) (count int, err error) {
	for _, path := range devpaths {
		err := os.WriteFile(filepath.Join(sys, path, "uevent"), []byte(action), 0)
		switch {
		case err == nil:
			count++
		case !errors.Is(err, os.ErrNotExist):
			return count, fmt.Errorf("make the kernel send the uevent of %s: %w", path, err)
		}
	}
	return count, nil
}

// Trigger announces the devices that sel chooses as if action had just
// happened to them, with COLDPLUG=1 and REQUESTED=1, and calls done with their
// DEVPATHs when they are found; the events follow.
func (s *Source) Trigger(sel Selection, action string, done func(devpaths []string, err error)) {
	w := &walk{sys: filepath.Clean(s.host.Sys), dev: s.host.Dev, scope: scope{all: true}, ids: sel.ids()}
	if !w.ids.all {
		w.ids = s.plan.ids
	}
	var chosen []*device
	s.host.Loop.Beside(func() {
		w.run()
		chosen = w.chosen(&sel)
	}, func() {
		done(paths(chosen), w.err)
		for _, d := range chosen {
			s.requested = append(s.requested, item{d, action, requestedField})
		}
		s.whenDrained(s.emitRequested)
	})
}

// emitRequested delivers what was asked for, unless another delivery is under
// way, after whose end it is called again.
func (s *Source) emitRequested() {
	if s.delivery == nil && len(s.requested) > 0 {
		s.queue, s.requested = s.requested, nil
		s.deliver()
	}
}
