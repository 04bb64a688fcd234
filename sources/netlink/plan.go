// SPDX-License-Identifier: MIT

// Plan: the sockets that a configuration declares.

package netlink

import (
	"cmp"
	"slices"

	"golang.org/x/sys/unix"

	"reflexd/config"
	"reflexd/sources"
)

// Plan is what a configuration asks of netlink. The zero value is empty.
type Plan struct {
	declared map[string]*Socket
}

// Socket is one declared socket.
type Socket struct {
	Name string
	At   config.Pos
	settings
	origin   string // the Source of its events
	from     senders
	decode   []string // of decodings
	longest  int      // bytes of the longest datagram accepted
	groupsAt config.Pos
	whole    bool // it was read without complaint
}

// settings are what a socket is opened with. Sockets that agree in them are
// the same one to a reload.
type settings struct {
	protocol int    // -1 until it is known
	family   string // of generic netlink; "" for none
	groups   []group
	port     uint32 // 0: the kernel chooses
	buffer   int    // bytes of the receive buffer that is asked for
	// credentials asks for the sender's with each message.
	credentials bool
}

// group is a multicast group: by number or, of a family, by name.
type group struct {
	number uint32
	name   string
}

func (s *settings) same(other *settings) bool {
	return s.protocol == other.protocol && s.family == other.family && slices.Equal(s.groups, other.groups) &&
		s.port == other.port && s.buffer == other.buffer && s.credentials == other.credentials
}

// generic reports whether messages have a genlmsghdr.
func (s *settings) generic() bool { return s.protocol == unix.NETLINK_GENERIC }

// Family returns the family of generic netlink that the socket is for, or "".
func (s *Socket) Family() string { return s.family }

func (s *Socket) decodes(how string) bool {
	for _, d := range s.decode {
		if d == how {
			return true
		}
	}
	return false
}

// Socket returns the declared socket of that name, or nil.
func (p *Plan) Socket(name string) *Socket { return p.declared[name] }

// Names are the names of all declared sockets, in the order of the files.
func (p *Plan) Names() []string {
	var names []string
	for _, s := range p.sockets() {
		names = append(names, s.Name)
	}
	return names
}

// Switchable implements sources.SwitchPlan.
func (p *Plan) Switchable() []string { return p.Names() }

// sockets returns the declared sockets, by place.
func (p *Plan) sockets() []*Socket {
	var all []*Socket
	for _, s := range p.declared {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b *Socket) int {
		return cmp.Or(cmp.Compare(a.At.File, b.At.File), cmp.Compare(a.At.Line, b.At.Line),
			cmp.Compare(a.At.Col, b.At.Col), cmp.Compare(a.Name, b.Name))
	})
	return all
}

// Subscribes implements sources.SubscriberPlan: a protocol that is not there yet
// comes with a module, which a uevent announces. A loss may have been one of
// those.
func (p *Plan) Subscribes() []string {
	for _, s := range p.declared {
		if !s.generic() {
			return []string{"uevent", "loss"}
		}
	}
	return nil
}

// Extras implements sources.Plan.
func (p *Plan) Extras() sources.Extras { return sources.Extras{Subscriber: p, Switch: p, Examiner: p} }

// Resolve implements sources.Plan.
func (p *Plan) Resolve(ps *config.Problems) {
	type address struct {
		protocol int
		port     uint32
	}
	taken := map[address]*Socket{}
	for _, s := range p.sockets() {
		s.check(ps)
		at := address{s.protocol, s.port}
		if first := taken[at]; first != nil && s.port != 0 {
			ps.Errorf(s.At, "port %d of %s is already that of socket %s, at %s", s.port, protocolName(s.protocol), first.Name, first.At)
		}
		taken[at] = s
	}
}

// check complains of what can never work.
func (s *Socket) check(ps *config.Problems) {
	if sources.IsPattern(s.Name) {
		ps.Errorf(s.At, "socket %q: a name with *, ? or [ looks like a pattern", s.Name)
	}
	switch {
	case s.protocol < 0 && !s.whole: // complained of while reading
	case s.protocol < 0:
		ps.Errorf(s.At, "socket %s: a protocol is missing, or a family of generic netlink", s.Name)
	case s.family != "" && !s.generic():
		ps.Errorf(s.At, "socket %s: families belong to the protocol generic, not to %s", s.Name, protocolName(s.protocol))
	}
	for _, g := range s.groups {
		if why := s.refuses(g); why != "" {
			ps.Errorf(s.groupsAt, "socket %s: %s", s.Name, why)
		}
	}
}

// refuses says why g cannot be a group of s.
func (s *Socket) refuses(g group) string {
	most := fixedGroups(s.protocol)
	switch {
	case g.name != "" && s.family == "":
		return "group " + g.name + ": only the groups of a family of generic netlink have names"
	case g.name == "" && s.family != "":
		return "write the groups of a family by name: their numbers change whenever its module is loaded"
	case most > 0 && g.number > most:
		return protocolName(s.protocol) + " has the groups 1 to " + decimal(most) + ", and no group " + decimal(g.number)
	}
	return ""
}
