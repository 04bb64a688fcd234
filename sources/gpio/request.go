// SPDX-License-Identifier: MIT

// Requests: the lines that one descriptor of the kernel stands for, from being
// opened to being lost, and their edges on the way to who knows what they mean.

package gpio

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/warthog618/go-gpiocdev/uapi"
	"golang.org/x/sys/unix"

	"reflexd/sources"
)

// request is a line, or the two of an encoder, which the kernel has in one
// request so that it keeps the order of their edges. It is open or waited for.
type request struct {
	source *Source
	user   user
	name   string
	specs  []string
	settings

	fd    int // -1 while waited for
	watch sources.Watch
	err   error // why it is waited for, nil before the first try
	held  held  // by somebody else, when it was tried last
	lost  bool  // it was open, and its chip went away

	// Where the lines were found.
	node    string // "gpiochip0"
	label   string
	offsets []int // of each of specs

	// on is the logical level of an output: the one last ordered, or the one
	// to begin with. Once it is settled, a new plan's `initial` is too late.
	on, settled bool
	onExit      string // what it is left as

	readAt  time.Duration // when levels were last read rather than seen to change
	seqnos  [2]uint32     // of the last edges
	stale   bool          // since a loss, until levels have been read afresh
	garbage int           // records that made no sense
}

// levels are the physical levels of the lines of a request.
type levels [2]bool

// user is whom a request is made for, and who knows what its edges mean: a line
// or an encoder.
type user interface {
	// declare has the user go by d, whose settings are those of the request.
	declare(d declared)
	// found is called when the request was opened, with the levels if both
	// edges are watched; missed after a loss, with the levels once all that was
	// left in the queue has been handed over.
	found(levels)
	missed(levels)
	// edge is given an edge of the i-th line.
	edge(t time.Duration, i int, high bool)
	// end ends what lasts, since the chip went away.
	end()
	// status says what the user is, and which levels it knows: "button, off".
	status() (text string, known []string)
}

func newRequest(s *Source, d declared) *request {
	r := &request{source: s, fd: -1, settings: d.settings(), offsets: make([]int, len(d.specs()))}
	r.user = d.user(r)
	r.declare(d)
	return r
}

// declare has r be known by the words of d, whose settings are the same.
func (r *request) declare(d declared) {
	r.name, r.specs = d.common().Name, d.specs()
	r.user.declare(d)
}

// waiting reports whether r is to be opened.
func (r *request) waiting() bool { return r.fd < 0 && !r.idle() }

// open requests the lines on one of the chips of s, and reads their levels.
func (r *request) open(s *survey) error {
	r.held = held{}
	if r.source.levels != nil {
		return r.openSimulated()
	}
	chip, offsets, err := s.locate(r.specs)
	if err != nil {
		return err
	}
	for _, offset := range offsets {
		if other := r.source.holder(chip.Name, offset); other != nil {
			return openAlready(chip, offset, other.name)
		}
	}
	asked := lineRequest(offsets, r.settings, r.on)
	if err := r.source.kernel.request(chip.fd, asked); err != nil {
		if err == unix.EBUSY {
			r.held = held{chip.Path, offsets}
		}
		return fmt.Errorf("request %s:%d: %w", chip.Name, offsets[0], s.explain(chip, offsets[0], err))
	}
	r.fd, r.node, r.label, r.offsets = int(asked.Fd), chip.Name, chip.Label, offsets
	r.seqnos, r.stale, r.settled = [2]uint32{}, false, true
	if err := r.begin(); err != nil {
		r.release()
		return fmt.Errorf("open %s:%d: %w", chip.Name, offsets[0], err)
	}
	return nil
}

// openAlready says that another declaration leads to the same line.
func openAlready(chip *openChip, offset int, name string) error {
	return fmt.Errorf("%s:%d is already open, as line %s", chip.Label, offset, name)
}

// begin watches a request that has just been made and reads its levels.
func (r *request) begin() error {
	if err := unix.SetNonblock(r.fd, true); err != nil {
		return fmt.Errorf("make it non-blocking: %w", err)
	}
	events := uint32(unix.EPOLLIN)
	if r.output {
		events = 0 // only to learn of the chip's end
	}
	watch, err := r.source.host.Loop.Watch(r.fd, events, r.ready)
	if err != nil {
		return err
	}
	r.watch = watch
	var l levels
	if r.stateful() {
		if l, err = r.read(); err != nil {
			return fmt.Errorf("read level: %w", err)
		}
	}
	r.user.found(l)
	return nil
}

// read reads the levels.
func (r *request) read() (levels, error) {
	if r.source.levels != nil {
		return r.source.levels[r.name], nil
	}
	l, err := r.source.kernel.get(r.fd, len(r.offsets))
	if err == nil {
		r.readAt = r.source.host.Loop.Now()
	}
	return l, err
}

// ready reads one batch of edges.
func (r *request) ready(events uint32) {
	over := events&(unix.EPOLLHUP|unix.EPOLLERR) != 0
	if events&unix.EPOLLIN == 0 {
		if over {
			r.gone(unix.ENODEV)
		}
		return
	}
	n, err := sources.Read(r.fd, r.source.buffer[:])
	switch {
	case err == unix.EINTR, err == unix.EAGAIN && !over:
		return
	case err != nil:
		r.gone(err)
		return
	case n == 0: // what a line never says, but would say for ever
		r.gone(unix.ENODEV)
		return
	}
	r.take(r.source.buffer[:n])
	if r.stale && !r.pending() {
		r.readAfresh()
	}
}

// take hands the edges in b to the user. Those of two lines are put in the
// order of their stamps: each line has an interrupt thread of its own, and on a
// busy machine one may be overtaken by the other on its way to the queue, after
// the edge got its stamp.
func (r *request) take(b []byte) {
	if len(r.offsets) > 1 {
		sortRecords(b)
	}
	for ; len(b) >= recordSize; b = b[recordSize:] {
		e := decode(b)
		i := r.lineOf(&e)
		if i < 0 {
			r.dropped()
			continue
		}
		r.count(i, e.seqno)
		r.user.edge(e.time, i, e.id == uapi.LineEventRisingEdge)
	}
	if len(b) > 0 {
		r.dropped()
	}
}

// lineOf returns which line of r has the edge, -1 if it is no edge of r.
func (r *request) lineOf(e *record) int {
	if e.id != uapi.LineEventRisingEdge && e.id != uapi.LineEventFallingEdge {
		return -1
	}
	for i, offset := range r.offsets {
		if uint32(offset) == e.offset {
			return i
		}
	}
	return -1
}

// dropped counts a record that made no sense, and logs the first.
func (r *request) dropped() {
	r.garbage++
	if r.garbage == 1 {
		r.source.host.Log.Error("the kernel's record of an edge is invalid; such records are dropped",
			"line", r.name)
	}
}

// count looks for gaps in the numbers of a line's edges. The kernel's queue
// drops the oldest edges when it is full.
func (r *request) count(line int, seqno uint32) {
	gap := seqno - r.seqnos[line] - 1
	r.seqnos[line] = seqno
	if gap == 0 {
		return
	}
	if gap > 1<<31-1 {
		gap = 0 // the numbers went back: nobody knows
	}
	size, hint := queueSize, "a debounce on the line, or less work in the rules that match it"
	if r.debounce > 0 {
		size, hint = debouncedQueueSize, "a longer debounce on the line, or less work in the rules that match it"
	}
	r.source.host.Lost("gpio", r.name, int(gap),
		fmt.Sprintf("the kernel's queue of %d edges overflowed; this avoids it: %s", size, hint))
	r.stale = r.stateful()
}

// pending reports whether there are more edges to be read.
func (r *request) pending() bool {
	fds := []unix.PollFd{{Fd: int32(r.fd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, 0)
	return n > 0 || err != nil
}

// readAfresh reads the levels after a loss.
func (r *request) readAfresh() {
	switch l, err := r.read(); {
	case err == unix.ENODEV:
		r.gone(err)
	case err != nil: // after the next edge it is tried again
		r.source.host.Log.Warn("level was not read after a loss", "line", r.name, "error", err)
	default:
		r.stale = false
		r.user.missed(l)
	}
}

// gone closes a request whose chip went away. It is tried again soon, in case it
// was only the request that broke, and then when the chip comes back; an output
// then begins with the value that was ordered last, for that is what the rules
// believe it to be.
func (r *request) gone(err error) {
	r.release()
	// Not %w: that the chip is away is nothing that a timer should ask about.
	r.wait(fmt.Errorf("waiting for the chip: %s (%s) disappeared (%v)", r.node, r.label, err))
	r.lost = true
	r.user.end()
	r.source.opener.Lost(r.err)
	r.source.opener.VisitAfter(firstRetry)
}

// probe finds out whether the chip is still there: not every kernel (6.1)
// wakes up those who wait on a chip that is removed.
func (r *request) probe() {
	if _, err := r.source.kernel.get(r.fd, len(r.offsets)); err == unix.ENODEV {
		r.gone(err)
	}
}

// wait notes why r is not open, and logs it unless it is known. That a line
// whose chip went away is not found is no news.
func (r *request) wait(err error) {
	_, notFound := err.(absent)
	if r.lost && notFound || r.err != nil && r.err.Error() == err.Error() {
		return
	}
	r.err = err
	level := slog.LevelWarn
	if errors.Is(err, unix.EBUSY) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
		level = slog.LevelError
	}
	r.source.host.Log.Log(context.Background(), level, "line is not open",
		"line", r.name, "spec", r.specs[0], "error", err)
}

// release closes the descriptor.
func (r *request) release() {
	if r.watch != nil {
		r.watch.Close()
		r.watch = nil
	}
	if r.fd >= 0 {
		unix.Close(r.fd)
		r.fd = -1
	}
}

// close leaves an output as its on_exit says, and closes the descriptor.
func (r *request) close() {
	if r.output && r.fd >= 0 {
		if err := r.leave(); err != nil {
			r.source.host.Log.Error("cannot leave line as on_exit says", "line", r.name, "on_exit", r.onExit, "error", err)
		}
	}
	r.release()
}
