// SPDX-License-Identifier: MIT

// The sockets: one that listens, and one for as long as it takes to ask which
// links there are.

package link

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/sources/nl"
)

// receiveBuffer is what we ask the kernel for. Virtual machines and containers
// make links by the hundred at a time.
const receiveBuffer = 2 << 20

// patience is how long the kernel may take for a page of a dump. It waits for
// whoever changes the network.
const patience = 10 * time.Second

// tries is how often a dump is begun again because the network changed in
// between.
const tries = 8

// opened is an open socket, and what there was once it was open.
type opened struct {
	socket nl.Socket
	there  table
}

// open opens a socket, unless one is kept, and asks which links there are.
func (s *Source) open() (o opened, err error) {
	if kept := s.kept.Swap(nil); kept != nil {
		o.socket = *kept
	} else if o.socket, err = openSocket(); err != nil {
		return opened{}, err
	}
	if o.there, err = snapshot(); err != nil {
		o.socket.Close()
		return opened{}, err
	}
	return o, nil
}

// openSocket returns a non-blocking socket that is announced what happens to
// links and addresses.
func openSocket() (nl.Socket, error) {
	s, err := nl.Open(nl.Config{Protocol: unix.NETLINK_ROUTE, Buffer: receiveBuffer})
	if err != nil {
		return s, fmt.Errorf("rtnetlink socket: %w", err)
	}
	if err := s.Join(unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR); err != nil {
		s.Close()
		return nl.Socket{FD: -1}, fmt.Errorf("rtnetlink socket: %w", err)
	}
	return s, nil
}

// snapshot asks which links and addresses there are. It blocks while others
// change the network.
func snapshot() (table, error) {
	s, err := nl.Open(nl.Config{Protocol: unix.NETLINK_ROUTE, Timeout: patience})
	if err != nil {
		return table{}, fmt.Errorf("rtnetlink socket: %w", err)
	}
	defer s.Close()
	for range tries {
		t := newTable()
		err = dump(&s, unix.RTM_GETLINK, &t)
		if err == nil {
			err = dump(&s, unix.RTM_GETADDR, &t)
		}
		if !errors.Is(err, nl.ErrChanged) {
			return t, err
		}
	}
	return table{}, err
}

// dump asks for all that there is of a kind and fills it into t.
func dump(s *nl.Socket, kind uint16, t *table) error {
	all := make([]byte, linkSize) // which is no shorter than an ifaddrmsg
	for m, err := range s.Ask(nl.Message{Type: kind, Flags: unix.NLM_F_REQUEST | unix.NLM_F_DUMP, Body: all}) {
		if err == nil {
			_, err = t.take(nil, &m)
		}
		if err != nil {
			return fmt.Errorf("request links: %w", err)
		}
	}
	return nil
}
