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

// node is one device node. It is known by its address: a new device at the
// same path is a new node.
type node struct {
	path   string
	opener sources.Opener[*opened]
	// id is what device it is, open or not; nil while that is unknown.
	id     *identity
	names  []string // by which the configuration knows it, once id is known
	device *device  // nil unless open
}

func (s *source) newNode(path string) *node {
	n := &node{path: path}
	n.opener = sources.Opener[*opened]{
		Loop: s.host.Loop,
		Open: func() (*opened, error) {
			o, err := s.kernel.look(path)
			return o, explainOpen(path, err)
		},
		Use:      func(o *opened) error { return s.meet(n, o) },
		Discard:  func(o *opened) { _ = s.kernel.close(o.fd) },
		Pause:    pause,
		Report:   func(err error) { s.report(n, err) },
		Patience: sources.NodePatience,
		Ended:    s.notice,
	}
	return n
}

// opened is a device that was opened, and what it says.
type opened struct {
	fd     int
	id     identity
	levels levels
}

// look opens the device at path and asks for all there is to know.
func (k *kernel) look(path string) (*opened, error) {
	fd, err := k.open(path)
	if err != nil {
		return nil, err
	}
	o := &opened{fd: fd}
	o.id, err = k.identify(fd)
	if err == nil {
		err = k.levels(fd, &o.id.has, &o.levels)
	}
	if err != nil {
		_ = k.close(fd)
		return nil, err
	}
	return o, nil
}

// pause is for nodes that udev, or whoever it is, may open to us yet.
func pause(err error, failures int) (time.Duration, bool) {
	if errors.Is(err, errNoInput) {
		return 0, false
	}
	return sources.NodePause(err, failures)
}

// report logs why a node could not be opened.
func (s *source) report(n *node, err error) {
	if errors.Is(err, errNoInput) {
		s.host.Log.Debug("not an input device", "path", n.path)
		return
	}
	s.host.Log.Warn("cannot use input device", "error", err)
}

// explainOpen says what helps when a device cannot be opened; nil for no error.
func explainOpen(path string, err error) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("open %s: %w", path, err)
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
		return fmt.Errorf("%w: run the agent as root or in the group of the device, mostly input", err)
	}
	return err
}

// discard closes a descriptor that nobody wants, in the background.
func (s *source) discard(fd int) {
	if fd >= 0 {
		s.host.Loop.Beside(func() { _ = s.kernel.close(fd) }, sources.Nothing)
	}
}

// meet takes a node that was opened into use, or closes it if no rule wants
// it.
func (s *source) meet(n *node, o *opened) error {
	n.id = &o.id
	duty := s.asked(n)
	if !s.worth(n, &duty) {
		n.opener.Stop()
		s.discard(o.fd)
		return nil
	}
	d := &device{
		host: &s.host, kernel: &s.kernel, path: n.path, id: n.id, fd: o.fd, levels: o.levels, buf: s.buf[:],
		gone: func(err error) { s.lost(n, err) }, scans: scans{byLirc: s.receiving},
	}
	if err := d.start(); err != nil {
		return explainOpen(n.path, err)
	}
	n.device = d
	s.logAbout(n, n.names, "input device opened")
	d.idleWatches = s.idleWatchesOf(n.names)
	d.adopt(&duty)
	return nil
}

// lost is called when an open device failed. It may have been unplugged, in
// which case its node goes too, or another program may have revoked it.
func (s *source) lost(n *node, err error) {
	s.logAbout(n, n.device.names, "input device lost", "error", err)
	n.device, n.id = nil, nil
	n.opener.Lost(fmt.Errorf("read %s: %w", n.path, err))
	s.notice()
}

// adapt opens, closes or adapts a node whose device is known as the plan now
// asks.
func (s *source) adapt(n *node) {
	duty := s.asked(n)
	switch keep := s.worth(n, &duty); {
	case keep && n.device != nil:
		n.device.idleWatches = s.idleWatchesOf(n.names)
		n.device.adopt(&duty)
	case keep:
		n.opener.Visit()
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
	n.opener.Stop()
}

// asked returns what the plan asks of a node whose device is known, and notes
// its names. Of our own virtual devices it asks nothing.
func (s *source) asked(n *node) duties {
	n.names = nil
	if n.id.phys == ownPhys() {
		return duties{}
	}
	names := s.plan.namesOf(n.path, n.id)
	n.names = names
	return duties{
		names: names, wanted: s.plan.wanted(names), asked: s.plan.asked(names), grab: s.plan.grabOf(names),
		texts: s.plan.typing(names), scans: s.plan.scansOf(names), everything: s.plan.Everything,
		pass: s.plan.passes(names) && !s.plan.Everything && s.simulated == nil, takes: unionOf(s.plan.takes, names),
		debounce: s.plan.debounceOf(names),
	}
}

// worth reports whether a device is to be kept open. Our own virtual ones are
// not, nor are they ever grabbed: they are opened to be asked what they are.
func (s *source) worth(n *node, duty *duties) bool {
	if n.id.phys == ownPhys() {
		return false
	}
	return s.plan.Everything || duty.grab != GrabOff || duty.wanted.meets(&n.id.has) || len(duty.texts) > 0 || s.simulated != nil && len(duty.scans) > 0 || s.plan.watches(n.names)
}

// logAbout logs about a device: loudly if it is a declared one.
func (s *source) logAbout(n *node, names []string, message string, more ...any) {
	args := append([]any{"device", n.path, "name", n.id.name}, more...)
	if len(names) > 0 {
		s.host.Log.Info(message, append(args, "inputs", names)...)
		return
	}
	s.host.Log.Debug(message, args...)
}
