// SPDX-License-Identifier: MIT

// The sockets on which devices are announced, and how they are kept open:
// netlink(7), protocol NETLINK_KOBJECT_UEVENT.

package uevent

import (
	"fmt"

	"golang.org/x/sys/unix"

	"reflexd/sources"
	"reflexd/sources/nl"
)

// The groups.
const (
	kernelGroup = 1
	udevGroup   = 2
)

// defaultBuffer is the size of the receive buffer that we ask for, in bytes.
// The kernel takes twice as much for its bookkeeping, and uses what is waiting
// only; a message takes about 1 KiB of it.
const defaultBuffer = 16 << 20

// maxMessage is larger than any message: the kernel makes the keys in a buffer
// of 2 KiB (UEVENT_BUFFER_SIZE), after a path of at most 4.
const maxMessage = 16 << 10

// openSocket returns a non-blocking socket that is a member of a group. The
// kernel is known by its port, udevd by its credentials.
func openSocket(buffer int, group uint32) (*nl.Socket, error) {
	s, err := nl.Open(nl.Config{Protocol: unix.NETLINK_KOBJECT_UEVENT, Buffer: buffer, Credentials: group == udevGroup})
	if err != nil {
		return nil, fmt.Errorf("uevent socket: %w", err)
	}
	if err := s.Join(group); err != nil {
		s.Close()
		return nil, fmt.Errorf("uevent socket: %w", err)
	}
	return &s, nil
}

// byUdevd reports whether the kernel vouches for a datagram's being sent to
// udevd's group by root.
func byUdevd(from nl.Sender) bool { return from.Group == udevGroup && from.Known && from.UID == 0 }

// channel is one socket of a group, watched while it is open.
type channel struct {
	opener sources.Opener[*nl.Socket]
	host   *sources.Host
	failed string     // the log's message while it is not open
	socket *nl.Socket // nil while it is not open
	watch  sources.Watch
}

// prepare sets what is the same for both groups. All run on the loop's thread;
// opened is called when the socket is watched.
func (c *channel) prepare(open func() (*nl.Socket, error), ready func(uint32), opened func()) {
	c.opener = sources.Opener[*nl.Socket]{
		Loop:   c.host.Loop,
		Open:   open,
		OnLoop: true,
		Use: func(socket *nl.Socket) (err error) {
			if c.watch, err = c.host.Loop.Watch(socket.FD, unix.EPOLLIN, ready); err == nil {
				c.socket = socket
				opened()
			}
			return err
		},
		Discard: (*nl.Socket).Close,
		Pause:   sources.EndlessPause,
		Report:  c.report,
	}
}

func (c *channel) report(err error) {
	c.host.Log.Error(c.failed, "error", err)
}

// lost gives an open socket up for a while.
func (c *channel) lost(err error) {
	c.report(err)
	c.release()
	c.opener.Lost(err)
}

func (c *channel) close() {
	c.release()
	c.opener.Stop()
}

func (c *channel) release() {
	if c.socket != nil {
		c.watch.Close()
		c.socket.Close()
		c.socket = nil
	}
}
