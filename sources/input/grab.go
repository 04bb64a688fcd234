// SPDX-License-Identifier: MIT

// Grabbing: keeping a device's events from everyone else.

package input

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/config"
	"reflexd/sources"
)

// Grab says whether a device's events are kept from everyone else.
type Grab uint8

// The ways to grab. GrabAuto waits until no key is down, so that nobody else
// is left with a key whose release it never receives; GrabOn does not wait.
const (
	GrabOff Grab = iota
	GrabAuto
	GrabOn
)

// grabValue returns the Value for the field grab.
func grabValue(p *Grab) config.Value {
	return config.Wrap(config.OneOf(new(string), "auto", "on", "off"), func(n config.Node, ps *config.Problems) {
		if n.Kind == config.Scalar && n.Text == "auto" {
			*p = GrabAuto
			return
		}
		on, err := config.ParseBool(n.Text)
		switch {
		case n.Kind != config.Scalar:
			ps.Errorf(n.Pos, "expected auto, on or off, found %s", n.Found())
		case err != nil:
			ps.Errorf(n.Pos, "expected auto, on or off, found %q", n.Text)
		case on:
			*p = GrabOn
		default:
			*p = GrabOff
		}
	})
}

// grab is how far a device's grab has come.
type grab struct {
	mode      Grab // what is asked for
	held      bool
	releasing bool // giving back is under way, in the background
	waiting   bool // for keys to be released
	err       error
	retry     sources.Timer // nil unless it is to be tried again
	failures  int           // one after the other
	since     time.Duration // when it was last held
}

// needsKeys reports whether all keys must be received.
func (g *grab) needsKeys() bool { return g.mode == GrabAuto && !g.held && g.err == nil }

// String returns the state of the grab for Status, if there is any.
func (g *grab) String() string {
	switch {
	case g.held:
		return ", grabbed"
	case g.waiting:
		return ", to be grabbed when all keys are released"
	}
	return ""
}

// adjustGrab does what can be done now about the grab that is asked for.
func (d *device) adjustGrab() {
	g := &d.grab
	wants := g.mode != GrabOff && (g.held || d.canPass())
	switch {
	case d.closed || g.releasing || g.err != nil:
		return
	case g.held == wants:
		g.waiting = false
	case g.held:
		d.ungrab()
	case g.mode == GrabAuto && d.levels.keys != [keyBytes]byte{}:
		g.waiting = true
	default:
		d.takeGrab()
	}
	d.applyMasks()
}

func (d *device) takeGrab() {
	d.grab.waiting = false
	err := d.kernel.grab(d.fd, true)
	switch {
	case errors.Is(err, unix.EBUSY):
		d.cannotGrab(errors.New("cannot grab it: another program has grabbed it, and gets all its events"))
	case err != nil:
		d.cannotGrab(fmt.Errorf("cannot grab it (EVIOCGRAB): %w", err))
	default:
		d.grab.held, d.grab.since = true, d.host.Loop.Now()
		d.host.Log.Info("input device grabbed", "device", d.path, "name", d.id.name)
	}
}

// cannotGrab logs why, once, and plans to try again.
func (d *device) cannotGrab(err error) {
	if d.failGrab(err) == 1 {
		d.host.Log.Warn("cannot grab input device", "device", d.path, "name", d.id.name, "error", err)
	}
}

// failGrab counts a failure and has the grab tried again in a while. The count begins again after a grab that lasted.
func (d *device) failGrab(err error) (failures int) {
	const lasting = 10 * time.Second
	g := &d.grab
	if g.since > 0 && d.host.Loop.Now()-g.since > lasting {
		g.failures = 0
	}
	g.err, g.since = err, 0
	g.failures++
	sources.StopTimer(&g.retry)
	pause, _ := sources.EndlessPause(err, g.failures)
	g.retry = d.host.Loop.After(pause, d.grabAgain)
	return g.failures
}

func (d *device) grabAgain() {
	d.grab.retry = nil
	switch {
	case d.closed || d.grab.held || d.grab.mode == GrabOff:
	case !d.canPass():
		d.pass.make()
	default:
		d.grab.err = nil
		d.adjustGrab()
	}
}

// ungrab gives the device back in the background; the descriptor is not closed
// before that is done.
func (d *device) ungrab() {
	d.pass.releaseAll()
	d.grab.held, d.grab.releasing = false, true
	fd := d.fd
	var err error
	d.host.Loop.Beside(func() { err = d.kernel.grab(fd, false) }, func() {
		d.grab.releasing = false
		if d.closed {
			d.closeDescriptor()
			return
		}
		if err != nil {
			d.host.Log.Warn("cannot release input device", "device", d.path, "error", err)
		}
		d.adjustGrab()
	})
}
