// SPDX-License-Identifier: MIT

// Listing: comparing the devices that there are with those that we know, at
// start and after uevents were lost.

package mount

import (
	"maps"
	"slices"
	"time"
)

// listing is what there is to know when the devices are listed: what uevents
// say meanwhile counts, and not what the list has of the same devices.
type listing struct {
	since   uint64          // the number of the last uevent before
	known   []string        // the devices before
	removed map[string]bool // since then
}

// lossGrace is how long after a loss of uevents to look at what there is:
// losses come in storms.
const lossGrace = 500 * time.Millisecond

// relist lists the devices again, a while from now.
func (s *Source) relist() {
	if s.relisting == nil {
		s.relisting = s.host.Loop.After(lossGrace, func() {
			s.relisting = nil
			s.list(false)
		})
	}
}

// list compares what there is with what we know; with all, it looks at each
// device again.
func (s *Source) list(all bool) {
	if s.listing != nil {
		s.again = true
		return
	}
	l := &listing{since: s.uevents, removed: map[string]bool{}}
	l.known = slices.Sorted(maps.Keys(s.devices))
	s.listing = l
	var found []identity
	var err error
	s.host.Loop.Beside(func() { found, err = s.machine.list() }, func() {
		if s.listing != l {
			return // abandoned
		}
		s.listing = nil
		if err != nil {
			s.host.Log.Error("cannot list block devices", "error", err)
		} else {
			s.compare(l, found, all)
		}
		if s.again {
			s.again = false
			s.list(all)
		}
	})
}

func (s *Source) compare(l *listing, found []identity, all bool) {
	there := map[string]bool{}
	for _, id := range found {
		there[id.name] = true
		d := s.devices[id.name]
		switch {
		case l.removed[id.name], d != nil && d.seen > l.since && !d.same(id):
		case all, d == nil, !d.same(id):
			s.appear(id, false, 0)
		}
	}
	for _, name := range l.known {
		if d := s.devices[name]; d != nil && !there[name] && d.seen <= l.since {
			s.remove(d)
		}
	}
}
