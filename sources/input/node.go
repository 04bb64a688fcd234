// SPDX-License-Identifier: MIT

// node: one /dev/input/event*, and how it is opened.

package input

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/sources"
)

// A node that cannot be opened is tried again after firstRetry and then ever
// later, for about ten seconds: until udev, or whoever it is, has given us the
// permission. From then on only a change of its attributes helps.
const (
	firstRetry = 50 * time.Millisecond
	retries    = 8
	// tellAfter failures there is a warning.
	tellAfter = 6
	// A device that was open for this long before it failed is tried again
	// with as much patience as a new one.
	settled = 10 * time.Second
)

// node is one device node. It is known by its address: a new device at the
// same path is a new node.
type node struct {
	path    string
	opening bool
	again   bool // asked for again while opening
	tries   int  // that failed
	told    bool
	retry   sources.Timer
	err     error // what keeps it from being known
	// id is what device it is, open or not; nil while that is unknown.
	id     *identity
	names  []string      // by which the configuration knows it, once id is known
	since  time.Duration // when it was opened
	device *device       // nil unless open
}

func (n *node) stopRetry() {
	if n.retry != nil {
		n.retry.Stop()
		n.retry = nil
	}
}

// opened is what work beside the loop finds out about a node.
type opened struct {
	fd     int // -1 without
	id     identity
	levels levels
	err    error
}

// look opens the device at path and asks for all there is to know.
func (k *kernel) look(path string) opened {
	var o opened
	if o.fd, o.err = k.open(path); o.err != nil {
		o.fd = -1
		return o
	}
	o.id, o.err = k.identify(o.fd)
	if o.err == nil {
		o.err = k.levels(o.fd, &o.id.has, &o.levels)
	}
	if o.err != nil {
		_ = k.close(o.fd)
		o.fd = -1
	}
	return o
}

// examine opens a node beside the loop, to see what it is and to keep it open
// if somebody wants to hear it.
func (s *source) examine(n *node) {
	n.stopRetry()
	if n.opening {
		n.again = true
		return
	}
	n.opening, n.again = true, false
	var o opened
	s.host.Loop.Beside(func() { o = s.kernel.look(n.path) }, func() {
		n.opening = false
		switch {
		case s.nodes[n.path] != n:
			s.discard(o.fd)
		case o.err == nil:
			s.meet(n, &o)
		case n.again:
			s.examine(n)
		default:
			s.failed(n, o.err)
		}
		s.notice()
	})
}

// discard closes a descriptor that nobody wants, beside the loop.
func (s *source) discard(fd int) {
	if fd >= 0 {
		s.host.Loop.Beside(func() { _ = s.kernel.close(fd) }, func() {})
	}
}

// failed notes why a node could not be opened, and plans the next try.
func (s *source) failed(n *node, err error) {
	if errors.Is(err, errNoInput) {
		n.err = err
		s.host.Log.Debug("not an input device", "path", n.path)
		return
	}
	n.tries++
	n.err = explainOpen(n.path, err)
	if n.tries >= tellAfter && !n.told {
		n.told = true
		s.host.Log.Warn("cannot use input device", "error", n.err)
	}
	s.retryLater(n)
}

// explainOpen says what helps when a device cannot be opened.
func explainOpen(path string, err error) error {
	err = fmt.Errorf("open %s: %w", path, err)
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
		return fmt.Errorf("%w: run the agent as root or in the group of the device, mostly input", err)
	}
	return err
}

func (s *source) retryLater(n *node) {
	if n.tries > retries {
		return
	}
	n.retry = s.host.Loop.After(firstRetry<<max(0, n.tries-1), func() { s.examine(n) })
}

// meet takes a node that was opened into use, or closes it if nobody wants to
// hear it.
func (s *source) meet(n *node, o *opened) {
	n.id, n.err = &o.id, nil
	names, wanted, mode := s.asked(n)
	if !s.worth(n, &wanted, mode) {
		s.discard(o.fd)
		return
	}
	d := &device{
		host: &s.host, kernel: &s.kernel, path: n.path, id: n.id, fd: o.fd, levels: o.levels, buf: s.buf[:],
		gone: func(err error) { s.lost(n, err) },
	}
	if err := d.start(); err != nil {
		s.discard(o.fd)
		s.failed(n, err)
		return
	}
	n.device, n.since = d, s.host.Loop.Now()
	s.logAbout(n, names, "input device opened")
	d.vigils = s.vigilsOf(names)
	d.adopt(names, wanted, mode)
}

// lost is told that an open device failed. It may have been unplugged, in
// which case its node goes too, or another program may have revoked it.
func (s *source) lost(n *node, err error) {
	s.logAbout(n, n.device.names, "input device lost", "error", err)
	if s.host.Loop.Now()-n.since > settled {
		n.tries = 0
	}
	n.tries++
	n.device, n.id, n.err = nil, nil, fmt.Errorf("read %s: %w", n.path, err)
	s.retryLater(n)
	s.notice()
}

// settle opens, closes or adapts a node whose device is known as the plan now
// asks.
func (s *source) settle(n *node) {
	names, wanted, mode := s.asked(n)
	switch keep := s.worth(n, &wanted, mode); {
	case keep && n.device != nil:
		n.device.vigils = s.vigilsOf(names)
		n.device.adopt(names, wanted, mode)
	case keep:
		s.examine(n)
	default:
		s.shut(n)
	}
}

// shut closes a node's device, if it is open.
func (s *source) shut(n *node) {
	if n.device == nil {
		return
	}
	s.logAbout(n, n.device.names, "input device closed")
	n.device.close()
	n.device = nil
}

// asked returns what the plan asks of a node whose device is known, and notes
// its names. Of our own virtual devices it asks nothing.
func (s *source) asked(n *node) (names []string, wanted codes, mode Grab) {
	n.names = nil
	if n.id.phys == ownPhys() {
		return nil, codes{}, GrabOff
	}
	names = s.plan.namesOf(n.path, n.id)
	n.names = names
	return names, s.plan.wanted(names), s.plan.grabOf(names)
}

// worth reports whether a device is to be kept open. Our own virtual ones are
// not, nor are they ever grabbed: they are opened to be asked what they are.
func (s *source) worth(n *node, wanted *codes, mode Grab) bool {
	if n.id.phys == ownPhys() {
		return false
	}
	return s.plan.Everything || mode != GrabOff || wanted.meets(&n.id.has) || s.plan.watches(n.names)
}

// logAbout tells of a device: loudly if it is a declared one.
func (s *source) logAbout(n *node, names []string, message string, more ...any) {
	args := append([]any{"device", n.path, "name", n.id.name}, more...)
	if len(names) > 0 {
		s.host.Log.Info(message, append(args, "inputs", names)...)
		return
	}
	s.host.Log.Debug(message, args...)
}
