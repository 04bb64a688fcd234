// SPDX-License-Identifier: MIT

// Source: all sockets of a plan, and the swap of one plan for the next.

package netlink

import (
	"fmt"
	"slices"

	"reflexd/config"
	"reflexd/sources"
	"reflexd/sources/nl"
)

// Source serves the sockets of the plan in force. It implements
// sources.Source and sources.Subscriber; all its methods are called on the loop's
// thread.
type Source struct {
	host    sources.Host
	sockets []*socket // in the order of their declaration

	// Scratch, for one datagram at a time.
	receiver nl.Receiver
	event    sources.Event
	fields   fields
	text     []byte               // of the fields
	owned    int                  // how many fields come before the first of these
	names    map[uint16][2]string // see attrNames
}

// Open returns a source that does nothing until a plan is applied.
func Open(h sources.Host) *Source { return &Source{host: h, names: map[uint16][2]string{}} }

// Apply implements sources.Source. A socket that both plans ask for with the
// same settings is handed over, be it under another name or with another
// `from` or `decode`: what waits in it is not lost.
func (s *Source) Apply(plan sources.Plan) {
	old := s.sockets
	s.sockets = nil
	longest := leastLongest
	for _, decl := range plan.(*Plan).sockets() {
		longest = max(longest, decl.longest)
		var k *socket
		if i := slices.IndexFunc(old, func(k *socket) bool { return k.decl.same(&decl.settings) }); i >= 0 {
			k = old[i]
			old = slices.Delete(old, i, i+1)
			k.decl = decl
		} else {
			k = newSocket(s, decl)
		}
		s.sockets = append(s.sockets, k)
	}
	for _, k := range old {
		k.drop()
	}
	s.receiver.Fit(longest)
	s.openWaiting()
}

// openWaiting tries to open the sockets that are waited for.
func (s *Source) openWaiting() {
	for _, k := range s.sockets {
		k.visit()
	}
}

// Notify implements sources.Subscriber. A module may have brought a protocol. The
// kernel announces it before its init function has run, so openWaiting tries
// several times.
func (s *Source) Notify(e *sources.Event) {
	module := e.Topic.Kind == "uevent" && e.Topic.Name == "module" && e.Topic.State == "add"
	if module || e.Topic.Kind == "loss" && e.Topic.Name == "uevent" {
		s.openWaiting()
	}
}

// Status implements sources.Source.
func (s *Source) Status() []sources.State {
	var states []sources.State
	for _, k := range s.sockets {
		states = append(states, k.status())
	}
	return states
}

// Started implements sources.StartWaiter.
func (s *Source) Started() bool {
	return !slices.ContainsFunc(s.sockets, func(k *socket) bool { return k.starting() })
}

// starting reports whether the socket was not tried yet.
func (k *socket) starting() bool {
	return (k.busy || k.opener.Opening()) && k.watch == nil && k.wanted()
}

// Close implements sources.Source.
func (s *Source) Close() {
	for _, k := range s.sockets {
		k.dropped = true
		k.stopReading()
		if k.FD >= 0 && !k.busy && k.current == nil {
			k.Socket.Close() // the loop may have ended: there is nothing beside it
			k.FD = -1
		}
	}
	s.sockets = nil
}

// Has reports whether a socket of that name is declared.
func (s *Source) Has(name string) bool { return s.find(name) != nil }

// Switch closes a socket, which lets go of the module that it pins, or opens
// it again. Closing goes on in the background.
func (s *Source) Switch(name string, open bool) error {
	k := s.find(name)
	if k == nil {
		return s.unknown(name)
	}
	k.shut = !open
	if k.shut {
		k.stopReading()
	}
	k.visit()
	k.advance()
	return nil
}

func (s *Source) find(name string) *socket {
	for _, k := range s.sockets {
		if k.decl.Name == name {
			return k
		}
	}
	return nil
}

func (s *Source) unknown(name string) error {
	known := func() []string {
		var names []string
		for _, k := range s.sockets {
			names = append(names, k.decl.Name)
		}
		return names
	}
	return fmt.Errorf("no netlink socket %q is declared%s", name, config.Unknown(name, known, "netlink: {"+name+": {protocol: …}}"))
}
