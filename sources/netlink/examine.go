// SPDX-License-Identifier: MIT

// What the verb doctor says of netlink sockets. Each is opened with a port of
// the kernel's choice, joins its groups, and is closed again; what has the port
// that it is to have is read from /proc.

package netlink

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"reflexd/sources"
)

// Examine implements sources.Examiner.
func (p *Plan) Examine(x *sources.Report) {
	for _, s := range p.sockets() {
		s.examine(x)
	}
}

func (s *Socket) examine(x *sources.Report) {
	subject := "netlink " + s.Name
	if x.HeldAs("netlink", s.Name) {
		x.Good(&s.At, subject, "held by the running agent")
		return
	}
	trial := s.settings
	trial.port = 0
	o, err := trial.open(x.Path("/proc"))
	if err == nil {
		o.socket.Close()
		err = o.absent
	}
	if holder := holderOf(x.Path("/proc"), s.protocol, s.port); err == nil && s.port != 0 && holder != "" {
		err = fmt.Errorf("bind port %d: %w%s", s.port, unix.EADDRINUSE, holder)
	}
	advice := ""
	if errors.Is(err, unix.EPERM) {
		advice = "run the agent as root"
	}
	if err == nil && o.socket.Buffer < s.buffer {
		x.Note(&s.At, subject, fmt.Sprintf("its receive buffer has %d of %d KiB", o.socket.Buffer>>10, s.buffer>>10), "raise net.core.rmem_max")
		return
	}
	x.Check(&s.At, subject, s.describe(), err, advice)
}

// describe says what the socket is for.
func (s *Socket) describe() string {
	text := protocolName(s.protocol)
	if s.family != "" {
		text = "family " + s.family
	}
	if len(s.groups) > 0 {
		return text + ", its groups can be joined"
	}
	return text + " exists"
}
