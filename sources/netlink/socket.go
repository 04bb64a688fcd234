// SPDX-License-Identifier: MIT

// socket: one declared socket, from being waited for to being closed.

package netlink

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/sources"
	"reflexd/sources/nl"
)

// pauses are those between tries to open a socket whose protocol was not
// there yet when a module was announced. Its init function may sleep.
var pauses = [...]time.Duration{20 * time.Millisecond, 100 * time.Millisecond, 500 * time.Millisecond, 2 * time.Second, 10 * time.Second}

// retryAfter is the pause where something else is wrong, such as a port that
// is taken: nothing announces when that ends.
const retryAfter = 10 * time.Second

// pause is how the socket's Opener waits.
func pause(err error, failures int) (time.Duration, bool) {
	switch {
	case sources.Passing(err) || errors.Is(err, unix.EIO):
		return sources.EndlessPause(err, failures)
	case !errors.Is(err, unix.EPROTONOSUPPORT):
		return retryAfter, true
	case failures > len(pauses):
		return 0, false
	}
	return pauses[failures-1], true
}

// socket is one socket. The opener opens it; what else may block is done one
// step at a time in the background, and meanwhile it is busy.
type socket struct {
	source *Source
	decl   *Socket
	opener sources.Opener[opened]

	nl.Socket // its FD is -1 while it is not open
	watch     sources.Watch
	family    *family // nil while it is not there
	err       error   // why not, or why the socket cannot be read
	look      bool    // for the family, which appeared or disappeared
	busy      bool    // looking, or closing
	shut      bool    // by a rule
	dropped   bool    // no plan asks for it any more
	broken    bool    // it could not be read, and is to be opened again

	counts
	pace    sources.Pace
	readAt  time.Duration
	lossy   bool          // the buffer overflowed, and was not empty since
	told    bool          // that was reported
	assumed int           // of lost: messages that the kernel may still count
	batches int           // since it overflowed
	more    sources.Timer // calls readOn, or nil
	vain    int           // reports of that one after the other

	sends
}

// counts are the datagrams and messages since the start.
type counts struct {
	received, foreign, malformed, lost uint64
}

// opened is an open socket, and its family or why that is not there.
type opened struct {
	socket nl.Socket
	family *family
	absent error
}

func newSocket(s *Source, decl *Socket) *socket {
	k := &socket{source: s, decl: decl, Socket: nl.Socket{FD: -1}}
	want, proc := decl.settings, s.host.Proc // whoever takes the socket over asks for the same
	k.opener = sources.Opener[opened]{
		Loop:    s.host.Loop,
		Open:    func() (opened, error) { return want.open(proc) },
		Use:     k.use,
		Discard: func(o opened) { o.socket.Close() },
		Pause:   pause,
		Report:  func(err error) { k.log().Warn(waits, "error", err) },
		Ended:   k.tried,
	}
	return k
}

func (k *socket) wanted() bool { return !k.shut && !k.dropped && !k.broken }

// visit opens the socket if it is wanted and not open. Until it is closed, it
// is open for the opener.
func (k *socket) visit() {
	if k.wanted() {
		k.opener.Visit()
	}
}

// use takes an open socket.
func (k *socket) use(o opened) error {
	k.Socket, k.family = o.socket, o.family
	k.lossy, k.told, k.assumed = false, false, 0
	k.found(o.absent)
	return nil
}

// tried is called after each try to open the socket.
func (k *socket) tried() {
	if err := k.opener.Err(); err != nil && !k.opener.Opening() {
		k.failSends(err)
	}
	k.advance()
}

// advance takes the next step of an open socket towards what is wanted.
func (k *socket) advance() {
	switch {
	case k.busy || k.FD < 0:
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

// beside runs work in the background and then done.
func (k *socket) beside(work, done func()) {
	k.busy = true
	k.source.host.Loop.Beside(work, func() {
		k.busy = false
		done()
		k.advance()
	})
}

// open opens a socket, be its family there or not.
func (s *settings) open(proc string) (opened, error) {
	o, err := nl.Open(nl.Config{Protocol: s.protocol, Port: s.port, Buffer: s.buffer, Credentials: s.credentials})
	switch {
	case errors.Is(err, unix.EPROTONOSUPPORT):
		return opened{}, fmt.Errorf("open socket of %s: %w: is its module loaded?", protocolName(s.protocol), unix.EPROTONOSUPPORT)
	case errors.Is(err, unix.EADDRINUSE):
		return opened{}, fmt.Errorf("%w%s", err, holderOf(proc, s.protocol, s.port))
	case err != nil:
		return opened{}, err
	}
	f, err := s.equip(&o)
	if err != nil && !errors.Is(err, errNoFamily) {
		o.Close()
		return opened{}, err
	}
	return opened{o, f, err}, nil
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

// waits is the log's message for a socket that cannot be used.
const waits = "netlink socket waits"

func (k *socket) log() *slog.Logger { return k.source.host.Log.With("socket", k.decl.Name) }

// problem returns why the socket cannot be used: it is not open, or its family
// is not there.
func (k *socket) problem() error { return cmp.Or(k.opener.Err(), k.err) }

// logError logs a change of what is wrong with an open socket, and keeps it for
// status.
func (k *socket) logError(err error) {
	before := k.problem()
	k.err = err
	switch {
	case err != nil && (before == nil || before.Error() != err.Error()):
		k.log().Warn(waits, "error", err)
	case err == nil && before != nil:
		k.log().Info("netlink socket is open", "port", k.Port)
	case err == nil:
		k.log().Debug("netlink socket is open", "port", k.Port)
	}
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
	k.stopReading()
	k.advance()
}

// stopReading ends the reading, and fails what is yet to be sent.
func (k *socket) stopReading() {
	if k.FD < 0 {
		k.opener.Stop()
	}
	if k.watch != nil {
		k.watch.Close()
		k.watch = nil
	}
	k.failSends(errClosed)
}

// close closes the descriptor in the background. After that another socket may
// have the port, or this one again.
func (k *socket) close() {
	s := k.Socket
	k.FD, k.family = -1, nil
	k.beside(s.Close, func() {
		cause, broken := k.err, k.broken
		k.err, k.broken = nil, false
		if broken && k.wanted() {
			k.opener.Lost(cause)
		} else {
			k.opener.Stop()
			k.visit()
		}
		for _, other := range k.source.sockets {
			// It waits, or a try is under way that may fail.
			if other != k && other.decl.port == k.Port {
				other.visit()
			}
		}
	})
}

// fail has a socket that cannot be read closed, and opened again after a while.
func (k *socket) fail(err error) {
	k.broken = true
	k.stopReading()
	k.logError(fmt.Errorf("receive: %w", err))
	k.lose(0, "cannot read the socket; it is opened again")
	k.advance()
}

// status returns the state of the socket.
func (k *socket) status() sources.State {
	st := sources.State{Name: k.decl.Name, OK: k.FD >= 0 && k.problem() == nil && !k.shut}
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
	if err := k.problem(); err != nil && !k.shut {
		st.Error = err.Error()
	}
	return st
}
