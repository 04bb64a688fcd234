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

// A file that cannot be opened, or hangs up as soon as it is, is tried again
// after firstRetry and then ever later, for about ten seconds: until udev, or
// whoever it is, has given us the permission. From then on only something that
// happens to the file helps.
const (
	firstRetry = 50 * time.Millisecond
	retries    = 8
	// tellAfter failures there is a warning.
	tellAfter = 6
	// A file that was open for this long before it failed is tried again with
	// as much patience as a new one.
	settled = 10 * time.Second
)

// errClosed is the state of a file that a rule closed.
var errClosed = errors.New("closed by the action `source`")

// node is one declared file that is opened, that is, of any `watch` but
// changes. All its methods are called on the loop's thread.
type node struct {
	source *Source
	name   string
	settings

	// attempt counts up when the node's descriptor is given up: what work
	// beside the loop then brings back is of no use any more.
	attempt int
	shut    bool // closed by a rule, or dropped
	opening bool
	again   bool   // to be opened again: something happened while opening
	tries   int    // that failed
	said    string // why it is not open, as the log knows it
	mute    bool   // its hanging up was told, and nothing came since
	retry   sources.Timer
	err     error // why it is not open
	since   time.Duration

	fd     int // -1 unless open
	fifo   bool
	target string        // where the path led
	polls  bool          // poll(2) can be trusted
	watch  sources.Watch // nil without
	reader
}

// visit opens a file that is not open, with fresh patience. Many a uevent has
// it visited: the log hears of a failure only if it is another one.
func (n *node) visit() {
	n.tries, n.mute = 0, false
	n.open()
}

// open opens the file beside the loop: a driver's open may take its time, and
// may load a module.
func (n *node) open() {
	stop(&n.retry)
	switch {
	case n.fd >= 0 || n.shut:
		return
	case n.opening:
		n.again = true
		return
	}
	n.opening, n.again = true, false
	attempt, st := n.attempt, n.settings
	var o opened
	n.source.host.Loop.Beside(func() { o = openFile(&st) }, func() {
		n.opening = false
		switch {
		case n.attempt != attempt:
			n.source.discard(o.fd)
			n.open()
		case o.err == nil:
			n.take(&o)
		case n.again:
			n.open()
		default:
			n.failed(o.err, o.hopeless)
		}
	})
}

// take puts a file that was opened into use.
func (n *node) take(o *opened) {
	n.fd, n.fifo, n.target = o.fd, o.mode == unix.S_IFIFO, o.target
	if err := n.arm(); err != nil {
		n.release()
		n.failed(advise(err, n.path, o.mode), true)
		return
	}
	n.source.host.Log.Info("file opened", "file", n.name, "path", n.path, "watch", n.how())
	n.since, n.err, n.said = n.source.host.Loop.Now(), nil, ""
	n.start()
	n.look()
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
	case byEpoll:
		events = n.epollEvents()
	case urgently:
		events = unix.EPOLLPRI
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

// watchFor has the loop watch the file. One that announces itself by signal is
// watched too, for its hanging up. A FIFO that its writers have left stays as
// it is until the next one comes: it is announced when that changes.
func (n *node) watchFor(events uint32) (err error) {
	if n.fifo {
		events |= unix.EPOLLET
	}
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
var errNoPoll = errors.New("it cannot be waited for (it has no poll method)")

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

// failed notes why a file could not be opened, and plans the next try.
func (n *node) failed(err error, hopeless bool) {
	n.tries++
	hopeless = hopeless || errors.Is(err, unix.ENXIO) && isSocket(n.path)
	n.err = explainOpen(n.path, err)
	if why := n.err.Error(); why != n.said && (missing(err) || hopeless || n.tries >= tellAfter) {
		n.said = why
		if missing(err) {
			n.source.host.Log.Info("file is not there yet", "file", n.name, "path", n.path)
		} else {
			n.source.host.Log.Warn("cannot use file", "file", n.name, "error", n.err)
		}
	}
	if !missing(err) && !hopeless {
		n.retryLater()
	}
}

// missing reports whether err says that there is no such file.
func missing(err error) bool { return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) }

// explainOpen says what helps when a file cannot be opened.
func explainOpen(path string, err error) error {
	opening := fmt.Errorf("open %s: %w", path, err)
	switch {
	case errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w: run the agent as root, or in the group of the file", opening)
	case errors.Is(err, unix.ENXIO) && isSocket(path):
		return fmt.Errorf("%w: it is a socket, which is no file to be opened", opening)
	}
	return opening
}

func isSocket(path string) bool {
	var stat unix.Stat_t
	return unix.Stat(path, &stat) == nil && stat.Mode&unix.S_IFMT == unix.S_IFSOCK
}

func (n *node) retryLater() {
	if n.tries <= retries {
		n.retry = n.source.host.Loop.After(firstRetry<<max(0, n.tries-1), n.open)
	}
}

// lost is called when the open file has hung up or failed.
func (n *node) lost(err error) {
	n.tellHungUp()
	n.source.host.Log.Info("file lost", "file", n.name, "path", n.path, "error", err)
	if n.source.host.Loop.Now()-n.since > settled {
		n.tries = 0
	}
	n.tries++
	n.release()
	n.err = fmt.Errorf("read %s: %w", n.path, err)
	n.retryLater()
}

// release lets go of the descriptor. It reports whether the file is closed
// now, and not only when a read of it returns.
func (n *node) release() bool {
	n.attempt++
	if n.fd < 0 {
		return true
	}
	if n.watch != nil {
		n.watch.Close()
		n.watch = nil
	}
	stop(&n.more)
	delete(n.source.byNumber, n.fd)
	fd := n.fd
	n.fd = -1
	if n.reading {
		return false // it closes what it reads from
	}
	unix.Close(fd)
	return true
}

// drop gives the file up for good.
func (n *node) drop() {
	n.shut = true
	stop(&n.retry)
	n.release()
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
	case n.err != nil:
		st.Error = n.err.Error()
	}
	return st
}

// stop stops a timer that need not be there.
func stop(t *sources.Timer) {
	if *t != nil {
		(*t).Stop()
		*t = nil
	}
}
