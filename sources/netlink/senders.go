// SPDX-License-Identifier: MIT

// Whom a socket believes. Anyone may send to any port, and on usersock to any
// group.

package netlink

// senders says whose messages a socket takes: those of one port, which is the
// kernel's unless told, of one user's processes, or all.
type senders struct {
	port   uint32
	byUser bool
	user   uint32
	anyone bool
}

// sender is where a datagram came from, by the kernel's word.
type sender struct {
	port, group uint32
	known       bool // the following are
	pid         int32
	uid         uint32
}

func (s *senders) believe(who *sender) bool {
	switch {
	case s.anyone:
		return true
	case s.byUser:
		return who.known && who.uid == s.user
	}
	return who.port == s.port
}
