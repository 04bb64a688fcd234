// SPDX-License-Identifier: MIT

// node: one file, and how it is opened, lost and opened again.

package file

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/sources"
	"reflexd/sources/signal"
)

// errClosed is the state of a file that a rule closed.
var errClosed = errors.New("closed by the action `source`")

// node is one declared file that is opened, that is, of any `watch` but
// changes. All its methods are called on the loop's thread.
type node struct {
	source *Source
	name   string
	origin string                    // the Source of its events
	fields [mostFields]sources.Field // of its events: FILE, PATH, BAND and CODE, and what was read
	settings

	opener sources.Opener[*opened]
	shut   bool // closed by a rule, or dropped
	mute   bool // its hanging up was emitted, and nothing came since

	fd     int // -1 unless open
	fifo   bool
	target string        // where the path led
	polls  bool          // poll(2) can be trusted
	watch  sources.Watch // nil without
	// watched are the events that it waits for.
	watched  uint32
	outgoing []*message // in their order
	reader
}

func newNode(s *Source, name string, st settings) *node {
	n := &node{source: s, name: name, origin: origin + name, settings: st, fd: -1, reader: reader{reading: -1}}
	n.fields = [mostFields]sources.Field{{Name: "FILE", Value: sources.Text(name)}, {Name: "PATH", Value: sources.Text(st.path)}, {Name: "BAND"}, {Name: "CODE"}}
	n.opener = sources.Opener[*opened]{
		Loop:     s.host.Loop,
		Open:     func() (*opened, error) { return openFile(&st) },
		Use:      n.take,
		Discard:  func(o *opened) { s.letGo(o.fd) },
		Pause:    pause,
		Report:   n.report,
		Patience: sources.NodePatience,
	}
	return n
}

// visit opens a file that is not open and may be, with fresh patience.
func (n *node) visit() {
	if !n.shut {
		n.mute = false
		n.opener.Visit()
	}
}

// take puts a file that was opened into use.
func (n *node) take(o *opened) error {
	n.fd, n.fifo, n.target = o.fd, o.mode == unix.S_IFIFO, o.target
	if err := n.arm(); err != nil {
		o.fd = n.fd // it may have another number by now
		n.disarm()
		return explainOpen(n.path, hopeless{advise(err, n.path, o.mode)})
	}
	n.source.host.Log.Info("file opened", "file", n.name, "path", n.path, "watch", n.how())
	n.start()
	n.look()
	return nil
}

// arm makes the file announce itself.
func (n *node) arm() error {
	n.polls = true
	var events uint32
	switch n.settings.watch {
	case bySignal:
		n.fd = n.source.renumber(n.fd)
		if err := announce(n.fd, n.signal); err != nil {
			return err
		}
		n.source.byNumber[n.fd] = n
		if n.streams() {
			events = unix.EPOLLIN
		}
	case byEpoll:
		events = n.epollEvents()
	case urgently:
		// Some files forget a change when poll(2) has told of it, as mountinfo does; so
		// nobody may ask them but epoll_wait(2), which tells us.
		events = unix.EPOLLPRI | unix.EPOLLET
	}
	return n.watchFor(events)
}

// epollEvents are those of `watch: epoll`. What nobody takes away by reading
// is announced when it comes, and not as long as it is there.
func (n *node) epollEvents() uint32 {
	events := uint32(unix.EPOLLIN)
	if n.urgent {
		events |= unix.EPOLLPRI
	}
	if n.writable {
		events |= unix.EPOLLOUT
	}
	if n.read == readNone || n.urgent || n.writable {
		events |= unix.EPOLLET
	}
	return events
}

// streams reports whether each read takes away what it returns, so that the file
// is readable only as long as there is more.
func (n *node) streams() bool { return !n.fifo && (n.read == readRecord || n.read == readLine) }

// watchFor has the loop watch the file. One that announces itself by signal is
// watched too: for its hanging up and, if it streams, for its data. Most drivers
// wake those who poll as they send the signal, so that one epoll_wait(2) returns
// both, and has asked the driver already whether a read would wait. A FIFO that its
// writers have left stays as it is until the next one comes: it is announced when
// that changes.
func (n *node) watchFor(events uint32) (err error) {
	if n.fifo {
		events |= unix.EPOLLET
	}
	n.watched = events
	n.watch, err = n.source.host.Loop.Watch(n.fd, events, n.ready)
	if errors.Is(err, unix.EPERM) {
		if n.settings.watch != bySignal {
			return errNoPoll
		}
		n.polls = false
		return nil
	}
	return err
}

// errNoPoll is returned for a file whose driver has no poll method.
var errNoPoll = errors.New("it cannot be watched (it has no poll method)")

// advise says what to do about a file that cannot do what was asked for.
func advise(err error, path string, mode uint32) error {
	switch {
	case !errors.Is(err, errNoSignal) && !errors.Is(err, errNoPoll):
		return err
	case mode == unix.S_IFREG && isVirtual(path):
		return fmt.Errorf("%w: use `watch: priority`", err)
	case mode == unix.S_IFREG:
		return fmt.Errorf("%w: use `watch: changes` for an ordinary file", err)
	case errors.Is(err, errNoSignal):
		return fmt.Errorf("%w: use `watch: epoll`", err)
	}
	return err
}

// hopeless is why a file cannot be opened before something is done about it.
type hopeless struct{ error }

func (h hopeless) Unwrap() error { return h.error }

// pause is for files that udev, or whoever it is, may open to us yet.
func pause(err error, failures int) (time.Duration, bool) {
	if errors.As(err, &hopeless{}) && !sources.Passing(err) {
		return 0, false
	}
	return sources.NodePause(err, failures)
}

// report logs why a file could not be opened.
func (n *node) report(err error) {
	if missing(err) {
		n.source.host.Log.Info("file does not exist yet", "file", n.name, "path", n.path)
	} else {
		n.source.host.Log.Warn("cannot use file", "file", n.name, "error", err)
	}
}

// missing reports whether err says that there is no such file.
func missing(err error) bool { return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) }

// explainOpen says what helps when a file cannot be opened.
func explainOpen(path string, err error) error {
	opening := fmt.Errorf("open %s: %w", path, err)
	switch {
	case missing(err):
		return hopeless{opening}
	case errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w: run the agent as root, or in the group of the file", opening)
	case errors.Is(err, unix.ENXIO) && isSocket(path):
		return hopeless{fmt.Errorf("%w: it is a socket, which cannot be opened as a file", opening)}
	}
	return opening
}

func isSocket(path string) bool {
	var stat unix.Stat_t
	return unix.Stat(path, &stat) == nil && stat.Mode&unix.S_IFMT == unix.S_IFSOCK
}

// lost is called when the open file has hung up or failed.
func (n *node) lost(err error) {
	n.emitHungUp()
	n.source.host.Log.Info("file lost", "file", n.name, "path", n.path, "error", err)
	n.release()
	n.opener.Lost(fmt.Errorf("read %s: %w", n.path, err))
}

// release lets go of the descriptor. It reports whether the file is closed
// now, and not only when a read of it returns.
func (n *node) release() bool {
	fd := n.fd
	if fd < 0 {
		return true
	}
	n.disarm()
	if n.reading == fd {
		return false // it is closed when it was read
	}
	return n.source.letGo(fd)
}

// letGo closes a file. It reports whether the file is closed now: the kernel waits up to
// half a minute until a terminal has sent what was written to it, and so another thread
// closes that (closing_wait in setserial(8)).
func (s *Source) letGo(fd int) bool {
	closing := func() { unix.Close(fd) }
	if !sent(fd) {
		s.host.Loop.Beside(closing, sources.Nothing)
		return false
	}
	closing()
	return true
}

// sent reports whether a terminal has sent all that was written to it, as far as its driver can
// tell, or fd is none: some know how much they have left, some whether the adapter has any left.
func sent(fd int) bool {
	left, _ := unix.IoctlGetInt(fd, unix.TIOCOUTQ)
	state, err := unix.IoctlGetInt(fd, unix.TIOCSERGETLSR)
	return left <= 0 && (err != nil || state&serialEmpty != 0)
}

// serialEmpty is TIOCSER_TEMT of linux/serial.h.
const serialEmpty = 1

// disarm forgets the descriptor, and has nobody look at it any more.
func (n *node) disarm() {
	if n.watch != nil {
		n.watch.Close()
		n.watch = nil
	}
	sources.StopTimer(&n.more)
	n.dropAll()
	n.records.stop()
	delete(n.source.byNumber, n.fd)
	n.fd = -1
}

// close closes the file until it is visited. It returns as release does.
func (n *node) close() bool {
	n.shut = true
	n.opener.Stop()
	return n.release()
}

// how describes the way of watching: "sigio SIGRTMIN+28".
func (n *node) how() string {
	if n.settings.watch == bySignal {
		return bySignal + " " + signal.Name(n.signal)
	}
	return n.settings.watch
}

func (n *node) state() sources.State {
	st := sources.State{Name: n.name, Detail: n.path + ", " + n.how(), OK: n.fd >= 0}
	switch {
	case st.OK:
		st.Detail += fmt.Sprintf(", %d events", n.events)
	case n.shut:
		st.Error = errClosed.Error()
	case n.opener.Err() != nil:
		st.Error = n.opener.Err().Error()
	}
	return st
}
