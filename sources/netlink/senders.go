// SPDX-License-Identifier: MIT

// Whom a socket believes. Anyone may send to any port, and on usersock to any
// group.

package netlink

import "reflexd/sources/nl"

// senders says whose messages a socket takes: those of one port, which is the
// kernel's unless configured, of one user's processes, or all.
type senders struct {
	port   uint32
	byUser bool
	user   uint32
	anyone bool
}

func (s *senders) believe(from nl.Sender) bool {
	switch {
	case s.anyone:
		return true
	case s.byUser:
		return from.Known && from.UID == s.user
	}
	return from.Port == s.port
}
