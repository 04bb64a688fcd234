// SPDX-License-Identifier: MIT

// The section `netlink` of the configuration.

package netlink

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"reflexd/config"
)

// The ways of `decode`.
const (
	asText  = "text"
	asHex   = "hex"
	asAttrs = "attrs"
)

// Defaults and limits of sizes, in bytes.
const (
	defaultBuffer  = 1 << 20
	defaultLongest = 64 << 10
	leastLongest   = 1 << 10
	mostLongest    = 1 << 20
	mostBuffer     = 256 << 20
)

// highestGroup is far above what any protocol has.
const highestGroup = 1 << 16

// Sections implements sources.Plan.
func (p *Plan) Sections() []config.Field {
	return []config.Field{{
		Name:  "netlink",
		Doc:   "netlink sockets, by the names that rules use",
		Value: config.MapOf(&p.declared, func(s *Socket) *config.Pos { return &s.At }, socketValue),
	}}
}

// socketValue returns the Value that reads one socket into s.
func socketValue(name string, s *Socket) config.Value {
	*s = Socket{Name: name, origin: "netlink:" + name, At: s.At, longest: defaultLongest, settings: settings{protocol: -1, buffer: defaultBuffer}}
	object := config.Whole(&s.whole, config.Object(s.fields()...))
	return config.Wrap(object, func(n config.Node, ps *config.Problems) {
		object.Read(n, ps)
		if s.family != "" && s.protocol < 0 {
			s.protocol = unix.NETLINK_GENERIC
		}
		if s.decode == nil {
			s.decode = []string{asText}
		}
		s.credentials = s.from.byUser || s.from.anyone
	})
}

func (s *Socket) fields() []config.Field {
	return []config.Field{
		{Name: "protocol", Doc: "the protocol's number, as in the driver, or its name: route, usersock, generic, kobject-uevent, …",
			Value: config.Parsed(&s.protocol, "protocol", parseProtocol)},
		{Name: "family", Doc: "instead of a protocol: a family of generic netlink, by name",
			Value: config.Word(&s.family, "the name of a family")},
		{Name: "groups", Doc: "multicast groups to join: numbers (no masks); for a family, names",
			Value: config.At(&s.groupsAt, config.OneOrMore(&s.groups, func(g *group) config.Value { return config.Parsed(g, "group", parseGroup) }))},
		{Name: "port", Doc: "the socket's own address: a number, which need not be a PID, or `auto`: the kernel chooses", Default: "auto",
			Value: config.Parsed(&s.port, "auto or a number", parsePort)},
		{Name: "from", Doc: "accepted senders: `kernel`, the socket with this port, `any`, or {uid: N}", Default: "kernel",
			Value: config.Either(config.Parsed(&s.from, "kernel, any or a port", parseFrom), config.Object(
				config.Field{Name: "uid", Doc: "the processes of this user, by number", Required: true,
					Value: config.Parsed(&s.from, "a user's number", parseUser)}))},
		{Name: "decode", Doc: "the fields with the payload: TEXT, DATA (hex), ATTR_n for each attribute; one or a list", Default: asText,
			Value: config.OneOrMore(&s.decode, func(w *string) config.Value { return config.OneOf(w, asText, asHex, asAttrs) })},
		{Name: "buffer", Doc: "the receive buffer; more than net.core.rmem_max needs CAP_NET_ADMIN", Default: "1M",
			Value: sizeValue(&s.buffer, 1<<10, mostBuffer)},
		{Name: "message", Doc: "the longest datagram accepted", Default: "64K",
			Value: sizeValue(&s.longest, leastLongest, mostLongest)},
	}
}

func parseGroup(s string) (group, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	switch {
	case err == nil && n >= 1 && n <= highestGroup:
		return group{number: uint32(n)}, nil
	case err == nil:
		return group{}, fmt.Errorf("groups are numbered 1 to %d, found %s", highestGroup, s)
	case s == "":
		return group{}, fmt.Errorf("expected a group, found empty quotes")
	case '0' <= s[0] && s[0] <= '9':
		return group{}, fmt.Errorf("a group is a plain decimal number and not a mask: the mask 0x4 is group 3; found %s", s)
	}
	return group{name: s}, nil
}

func parsePort(s string) (uint32, error) {
	if s == "auto" {
		return 0, nil
	}
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("expected auto or a number from 1 to %d, found %q", uint32(math.MaxUint32), s)
	}
	return uint32(n), nil
}

func parseFrom(s string) (senders, error) {
	switch s {
	case "kernel":
		return senders{}, nil
	case "any":
		return senders{anyone: true}, nil
	}
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return senders{}, fmt.Errorf("expected kernel, any, a port or {uid: N}, found %q%s", s, config.Suggest(s, []string{"kernel", "any"}))
	}
	return senders{port: uint32(n)}, nil
}

func parseUser(s string) (senders, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return senders{}, fmt.Errorf("expected the number of a user, found %q", s)
	}
	return senders{byUser: true, user: uint32(n)}, nil
}

// sizeValue returns a Value for bytes, written with K or M.
func sizeValue(p *int, least, most int) config.Value {
	return config.Parsed(p, "size such as 64K or 1M", func(s string) (int, error) {
		unit := 1
		switch {
		case strings.HasSuffix(s, "K"):
			unit = 1 << 10
		case strings.HasSuffix(s, "M"):
			unit = 1 << 20
		}
		n, err := strconv.Atoi(strings.TrimRight(s, "KM"))
		if err != nil || n < 0 || n > most/unit || n*unit < least {
			return 0, fmt.Errorf("expected a size from %dK to %dM such as 64K or 1M, found %q", least>>10, most>>20, s)
		}
		return n * unit, nil
	})
}

func decimal(n uint32) string { return strconv.FormatUint(uint64(n), 10) }
