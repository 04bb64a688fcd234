// SPDX-License-Identifier: MIT

// reader: what is read of an open file, and when.

package file

import (
	"errors"
	"io"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/sources"
)

// batch is how many reads one turn of the loop does of a file.
const batch = 32

// A file that is announced vainly, or anew as soon as it was looked at, so
// many times in a row is taken to be broken.
const patience = 200

// reader is the part of a node that reads.
type reader struct {
	lines   splitter
	records collector
	more    sources.Timer // the rest of a burst is to be read; nil without
	reading int           // the descriptor that is read in the background; -1 without
	spare   []byte        // for that; nil while it is in use
	rereads bool          // announced while reading
	vain    int           // announcements in a row that brought nothing
	served  time.Duration // the wake-up in which epoll(7) had it read last
	events  uint64        // emitted since start
}

var (
	errHungUp  = errors.New("it hung up")
	errRestive = errors.New("it is always readable, but there is nothing to read")
)

// start makes the reader that of a file that was just opened.
func (n *node) start() {
	n.lines, n.vain, n.served = newSplitter(&n.settings), 0, -1
	n.records = collector{node: n}
}

// ready is called by the loop.
func (n *node) ready(events uint32) {
	band := int16(events)
	switch n.settings.watch {
	case urgently:
		n.readBeside()
		return
	case byEpoll:
		n.emitBand(band)
		if len(n.outgoing) > 0 && band&unix.POLLOUT != 0 {
			n.write()
		}
	}
	if band != unix.POLLOUT || n.writable { // not room for what rules send
		n.vain++ // until something is told
	}
	if n.watched&(unix.EPOLLIN|unix.EPOLLET) == unix.EPOLLIN && n.read != readAll && band&unix.POLLIN != 0 && n.fd >= 0 {
		n.served = n.source.host.Loop.Woke()
		n.readIn(band & (unix.POLLIN | unix.POLLHUP | unix.POLLERR)) // it is announced again if there is more
	} else {
		n.look()
	}
	if n.fd >= 0 && n.vain > patience && !n.fifo {
		n.restive()
	}
}

// restive is called when the file is announced without end and there is nothing to
// read. One that sends signals is still of use: they alone announce it then.
func (n *node) restive() {
	if n.settings.watch != bySignal || n.watched == 0 || n.watch.Events(0) != nil {
		n.lost(errRestive)
		return
	}
	n.watched, n.vain, n.served = 0, 0, -1
	n.source.host.Log.Info("only signals announce the file from now on", "file", n.name, "path", n.path, "why", errRestive)
}

// emitBand emits what is not read: of all that poll says, but readable data
// where these are read.
func (n *node) emitBand(band int16) {
	if band&unix.POLLIN != 0 && n.read == readNone {
		n.emit(readable, band, nil)
	}
	if band&unix.POLLPRI != 0 {
		n.emit(urgent, band, nil)
	}
	if band&unix.POLLOUT != 0 && n.writable {
		n.emit(writable, band, nil)
	}
}

// look reads what is there. What is more than a batch is left for the next
// turn of the loop.
func (n *node) look() {
	switch {
	case n.fd < 0 || n.more != nil:
		return
	case n.settings.watch == urgently:
		return // it is announced
	case n.read == readNone || n.read == readAll:
		if n.hasEnded() {
			n.ended()
		} else if n.read == readAll {
			n.readBeside()
		}
		return
	case !n.polls:
		n.readBeside()
		return
	}
	for range batch {
		if !n.readOnce() {
			return
		}
	}
	n.more = n.source.host.Loop.After(0, func() {
		n.more = nil
		n.look()
	})
}

// hasEnded reports whether the file has hung up, where poll(2) reports it.
func (n *node) hasEnded() bool {
	return n.polls && poll(n.fd, 0) != 0
}

// ended is called when poll(2) says that the file has hung up. A FIFO does so
// when its last writer leaves, and is none the worse for it.
func (n *node) ended() {
	if n.fifo {
		n.emitHungUp()
	} else {
		n.lost(errHungUp)
	}
}

// emitHungUp emits a last line that had no end, and the hanging up, once
// until something comes again.
func (n *node) emitHungUp() {
	if line := n.lines.rest(); n.read == readLine && len(line) > 0 && n.serial == (serial{}) {
		n.emit(readable, unix.POLLHUP, &text{line, false})
		n.mute = false
	}
	if n.collects() {
		n.records.flush()
	}
	if !n.mute {
		n.mute = true
		n.emit(hungUp, unix.POLLHUP, nil)
	}
}

// readOnce reads if poll(2) says that there is something, so that a driver
// which heeds no O_NONBLOCK does not hold up the loop. It reports whether it
// did.
func (n *node) readOnce() bool {
	band := poll(n.fd, unix.POLLIN)
	if band&unix.POLLIN == 0 {
		if band != 0 {
			n.ended()
		}
		return false
	}
	return n.readIn(band)
}

// readIn is readOnce where poll(2) or epoll(7) has said so.
func (n *node) readIn(band int16) bool {
	b := n.source.scratch(n.max)
	k, err := read(n.fd, b, -1)
	switch {
	case err == unix.EAGAIN:
		return false
	case err != nil:
		n.lost(err)
		return false
	case k == 0:
		n.lost(io.EOF)
		return false
	}
	n.took(band, b[:k], false)
	return n.fd >= 0
}

// took emits what was read. cut is set if there was more than max bytes.
func (n *node) took(band int16, b []byte, cut bool) {
	n.mute, n.vain = false, 0
	switch {
	case n.read == readLine:
		n.lines.split(b, func(line []byte, cut bool) {
			n.emit(readable, band, &text{line, cut})
		})
	case n.collects():
		n.records.take(b)
	default:
		n.emit(n.stateRead(), band, &text{b, cut})
	}
}

// stateRead is the state that something that was read shows.
func (n *node) stateRead() string {
	if n.settings.watch == urgently {
		return changed
	}
	return readable
}

// readBeside reads in the background: attributes, whose drivers may talk to the
// hardware, and files that have no poll method, whose drivers may wait.
func (n *node) readBeside() {
	if n.reading >= 0 {
		n.rereads = true
		return
	}
	n.reading, n.rereads = n.fd, false
	fd, whole := n.fd, n.whole()
	b := n.spare
	if n.spare = nil; b == nil {
		b = make([]byte, n.max+1) // a byte more shows whether there is more
	}
	var k int
	var err error
	n.source.host.Loop.Beside(func() {
		if whole {
			k, err = readWhole(fd, b)
		} else {
			k, err = read(fd, b[:len(b)-1], -1)
		}
	}, func() {
		n.reading = -1
		if n.fd != fd { // as long as it is open, its number is given to no other
			n.source.host.Loop.Beside(func() { unix.Close(fd) }, sources.Nothing)
			n.resume()
			return
		}
		n.tookBeside(b, k, err)
		if n.reading < 0 {
			n.spare = b
		}
	})
}

// resume looks at a file that was opened again before a read of the old
// descriptor returned.
func (n *node) resume() {
	if n.fd >= 0 && n.rereads {
		n.readBeside()
	} else {
		n.look()
	}
}

// tookBeside goes on with what readBeside has read.
func (n *node) tookBeside(b []byte, k int, err error) {
	if err != nil && err != unix.EAGAIN {
		n.lost(err)
		return
	}
	cut := k > n.max
	switch {
	case n.settings.watch == urgently && n.read == readNone:
		n.emit(changed, unix.POLLPRI, nil)
	case n.settings.watch == urgently:
		n.took(unix.POLLPRI, b[:min(k, n.max)], cut)
	case k > 0:
		n.took(unix.POLLIN, b[:min(k, n.max)], cut)
	}
	if n.rereads || !n.whole() && k > 0 {
		n.readBeside()
	}
}

// whole reports whether the file is read from its beginning each time.
func (n *node) whole() bool { return n.settings.watch == urgently || n.read == readAll }

// text is what was read.
type text struct {
	b   []byte
	cut bool
}

// emit sends an event. t is nil if nothing was read.
func (n *node) emit(state string, band int16, t *text) {
	n.events++
	n.vain = 0
	s := n.source
	s.fields = n.fields[:4] // there is room for the others
	s.fields[2].Value = sources.Int(int64(uint16(band)))
	s.fields[3].Value = sources.Text(codeOf(state))
	if t != nil {
		s.addText(t)
	}
	if s.afresh {
		s.fields = append(s.fields, sources.Field{Name: "SYNTHETIC", Value: sources.Int(1)})
	}
	s.emit(n.origin, state)
}

// codeOf returns the code that a signal has that stands for the state.
func codeOf(state string) string {
	switch state {
	case writable:
		return "POLL_OUT"
	case urgent, changed:
		return "POLL_PRI"
	case hungUp:
		return "POLL_HUP"
	}
	return "POLL_IN"
}
