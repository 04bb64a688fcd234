// SPDX-License-Identifier: MIT

// socket: one declared socket, from being waited for to being closed.

package netlink

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/sources"
	"reflexd/sources/nl"
)

// pauses are those between tries to open a socket whose protocol was not
// there yet when a module was announced. Its init function may sleep.
var pauses = [...]time.Duration{20 * time.Millisecond, 100 * time.Millisecond, 500 * time.Millisecond, 2 * time.Second, 10 * time.Second}

// retryAfter is the pause where something else is wrong, such as a port that
// is taken: nobody tells when that ends.
const retryAfter = 10 * time.Second

// socket is one socket. What it wants is advanced towards one step at a time,
// those that may block beside the loop: meanwhile it is busy.
type socket struct {
	source *Source
	decl   *Socket

	nl.Socket // its FD is -1 while it is not open
	watch     sources.Watch
	family    *family // nil while it is not there
	look      bool    // for the family, which came or went
	busy      bool
	shut      bool // by a rule
	dropped   bool // no plan asks for it any more
	broken    bool // it could not be read, and is to be opened anew

	err     error // why it is not open, or its family not there
	resting bool  // until retry, or until a module comes
	retry   sources.Timer
	pauses  []time.Duration

	counts
	lossy   bool   // the buffer overflowed
	drops   uint32 // the kernel's count when a loss was last told
	batches int    // since it overflowed

	sends
}

// counts are the datagrams and messages since the start.
type counts struct {
	received, foreign, malformed, lost uint64
}

func newSocket(s *Source) *socket {
	return &socket{source: s, Socket: nl.Socket{FD: -1}}
}

func (k *socket) wanted() bool { return !k.shut && !k.dropped && !k.broken }

// advance takes the next step towards what is wanted.
func (k *socket) advance() {
	switch {
	case k.busy:
	case k.FD < 0:
		if k.wanted() && !k.resting {
			k.open()
		}
	case !k.wanted():
		if k.current == nil {
			k.close()
		}
	case k.watch == nil:
		k.listen()
	case k.look:
		k.lookForFamily()
	}
}

// beside runs work beside the loop and then done.
func (k *socket) beside(work, done func()) {
	k.busy = true
	k.source.host.Loop.Beside(work, func() {
		k.busy = false
		done()
		k.advance()
	})
}

// open opens the socket as its settings say.
func (k *socket) open() {
	want, proc := k.decl.settings, k.source.host.Proc
	var (
		s   nl.Socket
		f   *family
		err error
	)
	k.beside(func() { s, f, err = want.open(proc) }, func() {
		k.Socket, k.family, k.drops, k.lossy = s, f, 0, false
		switch {
		case !k.wanted():
		case s.FD < 0:
			k.wait(err)
			k.failSends(err)
		default:
			k.found(err)
		}
	})
}

// open opens a socket. With errNoFamily it is open all the same.
func (s *settings) open(proc string) (nl.Socket, *family, error) {
	o, err := nl.Open(nl.Config{Protocol: s.protocol, Port: s.port, Buffer: s.buffer, Credentials: s.credentials})
	switch {
	case errors.Is(err, unix.EPROTONOSUPPORT):
		return o, nil, fmt.Errorf("open socket of %s: %w: is its module loaded?", protocolName(s.protocol), unix.EPROTONOSUPPORT)
	case errors.Is(err, unix.EADDRINUSE):
		return o, nil, fmt.Errorf("%w%s", err, holderOf(proc, s.protocol, s.port))
	case err != nil:
		return o, nil, err
	}
	f, err := s.equip(&o)
	if err != nil && !errors.Is(err, errNoFamily) {
		o.Close()
		o.FD = -1
		return o, nil, err
	}
	return o, f, err
}

// equip joins the groups and, where there is one, finds the family.
func (s *settings) equip(o *nl.Socket) (*family, error) {
	if s.family != "" {
		// First, so that a family that comes meanwhile is not missed.
		if err := o.Join(notifyGroup); err != nil {
			return nil, err
		}
		return s.joinFamily(o)
	}
	for _, g := range s.groups {
		if err := o.Join(g.number); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func (s *settings) joinFamily(o *nl.Socket) (*family, error) {
	f, err := findFamily(s.family)
	if err == nil {
		err = f.joinAll(o, s.groups)
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

// found is called when the socket can be used, or with why its family cannot.
func (k *socket) found(err error) {
	k.logError(err)
	if err != nil {
		k.failSends(err)
	}
	k.next()
}

// listen has the loop watch the socket.
func (k *socket) listen() {
	watch, err := k.source.host.Loop.Watch(k.FD, unix.EPOLLIN, k.ready)
	if err != nil {
		k.fail(err)
		return
	}
	k.watch = watch
}

// logError logs a change of what is wrong, and keeps it for status.
func (k *socket) logError(err error) {
	before := k.err
	k.err = err
	log := k.source.host.Log.With("socket", k.decl.Name)
	switch {
	case err != nil && (before == nil || before.Error() != err.Error()):
		log.Warn("netlink socket waits", "error", err)
	case err == nil && before != nil:
		log.Info("netlink socket is open", "port", k.Port)
	case err == nil:
		log.Debug("netlink socket is open", "port", k.Port)
	}
}

// wait has opening tried again: when a module comes if the protocol is not
// there, else after a while.
func (k *socket) wait(err error) {
	k.logError(err)
	k.resting = true
	pause := retryAfter
	if errors.Is(err, unix.EPROTONOSUPPORT) {
		if len(k.pauses) == 0 {
			return
		}
		pause, k.pauses = k.pauses[0], k.pauses[1:]
	}
	k.retry = k.source.host.Loop.After(pause, func() {
		k.rouse()
		k.advance()
	})
}

// rouse ends a rest.
func (k *socket) rouse() {
	k.resting = false
	sources.StopTimer(&k.retry)
}

// lookForFamily finds out what became of the family.
func (k *socket) lookForFamily() {
	k.look = false
	want, s := k.decl.settings, k.Socket
	var (
		f   *family
		err error
	)
	k.beside(func() { f, err = want.joinFamily(&s) }, func() {
		k.family = f
		if k.wanted() {
			k.found(err)
		}
	})
}

// drop ends the socket: no plan asks for it any more.
func (k *socket) drop() {
	k.dropped = true
	k.deafen()
	k.advance()
}

// deafen ends the reading, and fails what is yet to be sent.
func (k *socket) deafen() {
	k.rouse()
	if k.watch != nil {
		k.watch.Close()
		k.watch = nil
	}
	k.failSends(errClosed)
}

// close closes the descriptor beside the loop. After that somebody else may
// have the port.
func (k *socket) close() {
	s, cause := k.Socket, k.err
	k.FD, k.family, k.err = -1, nil, nil
	k.beside(s.Close, func() {
		if k.broken {
			k.broken = false
			k.wait(cause)
		}
		for _, other := range k.source.sockets {
			if other != k && other.resting && other.decl.port == k.Port {
				other.rouse()
				other.advance()
			}
		}
	})
}

// fail has a socket that cannot be read closed, and opened anew after a while.
func (k *socket) fail(err error) {
	k.broken = true
	k.deafen()
	k.logError(fmt.Errorf("receive: %w", err))
	k.lose(0, "cannot read the socket; it is opened again")
	k.advance()
}

// status tells the state of the socket.
func (k *socket) status() sources.State {
	st := sources.State{Name: k.decl.Name, OK: k.FD >= 0 && k.err == nil && !k.shut}
	b := []byte(protocolName(k.decl.protocol))
	if k.decl.family != "" {
		b = append(b, ", family "+k.decl.family...)
	}
	if k.FD >= 0 {
		b = append(b, ", port "+decimal(k.Port)...)
	}
	if len(k.decl.groups) > 0 {
		b = append(b, ", groups"...)
	}
	for _, g := range k.decl.groups {
		b = append(b, ' ')
		if g.name == "" {
			g.name = decimal(g.number)
		}
		b = append(b, g.name...)
	}
	if k.FD >= 0 {
		b = fmt.Appendf(b, ", receive buffer %d KiB", k.Buffer>>10)
	}
	b = fmt.Appendf(b, ", %d received, %d from others, %d malformed, %d lost", k.received, k.foreign, k.malformed, k.lost)
	b = k.appendSendStatus(b)
	if k.shut {
		b = append(b, ", closed by a rule"...)
	}
	st.Detail = string(b)
	if k.err != nil && !k.shut {
		st.Error = k.err.Error()
	}
	return st
}
