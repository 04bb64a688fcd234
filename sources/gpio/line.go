// SPDX-License-Identifier: MIT

// One line: its request from being opened to being lost, and its edges on
// their way from the descriptor to events.

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

// line is a declared line, open or waited for.
type line struct {
	source *Source
	decl   Line
	settings

	fd    int // of the request; -1 while waited for
	watch sources.Watch
	cause error // why it is waited for, nil before the first try
	lost  bool  // it was open, and its chip went away

	// Where the line was found.
	node   string // "gpiochip0"
	label  string
	offset int

	// on is the logical level of an output: the one last ordered, or the one
	// to begin with. Once it is settled, a new plan's `initial` is too late.
	on, settled bool

	// high is the last physical level that was told of an input with both
	// edges, readAt when it was last read rather than seen to change.
	high   bool
	readAt time.Duration
	shown  bool   // it is active as far as the rules have heard: see Hear
	seqno  uint32 // of the last edge
	// stale is set after a loss until the level has been read afresh.
	stale   bool
	garbage int // records that made no sense

	knob *knob // of an encoder

	event  sources.Event
	names  [1]string
	fields [6]sources.Field
}

// The places of fields that change from event to event. Those that not every
// event has come last.
const (
	levelField = 3 + iota
	edgeField
	syntheticField
)

func newLine(s *Source, decl *Line) *line {
	l := &line{source: s, fd: -1, settings: decl.settings(), on: decl.Initial}
	if decl.Kind == Knob {
		l.knob = &knob{}
	}
	l.rename(decl)
	return l
}

// rename gives l the name and the on_exit of decl, whose settings are the same.
func (l *line) rename(decl *Line) {
	l.decl = *decl
	l.names[0] = decl.Name
	l.event = sources.Event{Source: "gpio:" + decl.Name, Names: l.names[:]}
	l.describe()
}

// describe fills in the fields that are the same in all events.
func (l *line) describe() {
	l.fields = [...]sources.Field{
		{Name: "LINE", Value: sources.Text(l.decl.Name)},
		{Name: "CHIP", Value: sources.Text(l.label)},
		{Name: "OFFSET", Value: sources.Int(int64(l.offset))},
		levelField:     {Name: "LEVEL"},
		edgeField:      {Name: "EDGE"},
		syntheticField: {Name: "SYNTHETIC", Value: sources.Int(1)},
	}
}

// stateful reports whether the level is known at all times: with one edge
// only, it is not.
func (l *line) stateful() bool { return l.edges == bothEdges }

// pressed reports whether an open input with both edges is active.
func (l *line) pressed() bool {
	return l.fd >= 0 && l.stateful() && l.knob == nil && l.high != l.activeLow()
}

// open requests the line on one of the chips of s, and tells of its level.
func (l *line) open(s *survey) error {
	chip, offset, err := l.locate(s)
	if err != nil {
		return err
	}
	r := lineRequest(offset, l.settings, l.on)
	if l.knob != nil {
		l.knob.addLineB(r)
	}
	if err := l.source.kernel.request(chip.fd, r); err != nil {
		return fmt.Errorf("request %s:%d: %w", chip.Name, offset, l.source.explain(chip, offset, err))
	}
	l.fd, l.node, l.label, l.offset = int(r.Fd), chip.Name, chip.Label, offset
	l.seqno, l.stale, l.settled = 0, false, true
	if l.knob != nil {
		l.knob.seqnoB = 0
	}
	if err := l.begin(); err != nil {
		l.release()
		return fmt.Errorf("open %s:%d: %w", chip.Name, offset, err)
	}
	return nil
}

// locate finds the line, and the second one of an encoder, among the chips.
func (l *line) locate(s *survey) (*openChip, int, error) {
	chip, offset, err := s.resolve(l.decl.Spec)
	if err != nil {
		return nil, 0, err
	}
	if other := l.source.holder(chip.Name, offset); other != nil {
		return nil, 0, openAlready(chip, offset, other.decl.Name)
	}
	if l.knob != nil {
		err = l.resolveB(s, chip)
	}
	return chip, offset, err
}

// openAlready says that another declaration leads to the same line.
func openAlready(chip *openChip, offset int, name string) error {
	return fmt.Errorf("%s:%d is open already, as line %s", chip.Label, offset, name)
}

// begin watches a line that has just been requested and reads its level.
func (l *line) begin() error {
	if err := unix.SetNonblock(l.fd, true); err != nil {
		return fmt.Errorf("make it non-blocking: %w", err)
	}
	events := uint32(unix.EPOLLIN)
	if l.output {
		events = 0 // only to hear of the chip's end
	}
	watch, err := l.source.host.Loop.Watch(l.fd, events, l.ready)
	if err != nil {
		return err
	}
	l.watch = watch
	l.describe()
	if l.knob != nil {
		if err := l.findPhase(); err != nil {
			return fmt.Errorf("read levels: %w", err)
		}
		return nil
	}
	if !l.stateful() {
		return nil
	}
	if err := l.read(); err != nil {
		return fmt.Errorf("read level: %w", err)
	}
	l.announce()
	return nil
}

// read reads the level into high.
func (l *line) read() error {
	high, err := l.source.kernel.get(l.fd)
	if err == nil {
		l.high, l.readAt = high, l.source.host.Loop.Now()
	}
	return err
}

// announce tells the level as it was found. No rule hears of it.
func (l *line) announce() {
	press := sources.StartsUp
	if l.pressed() {
		press = sources.StartsDown
	}
	l.tell(l.readAt, "", press, l.fields[:edgeField])
}

// ready reads one batch of edges.
func (l *line) ready(events uint32) {
	over := events&(unix.EPOLLHUP|unix.EPOLLERR) != 0
	if events&unix.EPOLLIN == 0 {
		if over {
			l.gone(unix.ENODEV)
		}
		return
	}
	n, err := unix.Read(l.fd, l.source.records[:])
	switch {
	case err == unix.EINTR, err == unix.EAGAIN && !over:
		return
	case err != nil:
		l.gone(err)
		return
	case n == 0: // what a line never says, but would say for ever
		l.gone(unix.ENODEV)
		return
	}
	l.take(l.source.records[:n])
	if l.stale && !l.pending() {
		l.readAfresh()
	}
}

// take sends the edges in b on.
func (l *line) take(b []byte) {
	if l.knob != nil {
		l.takeKnob(b)
		return
	}
	for ; len(b) >= recordSize; b = b[recordSize:] {
		r := decode(b)
		if !r.valid(l) {
			l.dropped()
			continue
		}
		l.count(&l.seqno, r.seqno)
		l.edge(r.time, r.id == uapi.LineEventRisingEdge)
	}
	if len(b) > 0 {
		l.dropped()
	}
}

// dropped counts a record that made no sense, and logs the first.
func (l *line) dropped() {
	l.garbage++
	if l.garbage == 1 {
		l.source.host.Log.Error("the kernel's record of an edge makes no sense and is dropped, as all like it will be",
			"line", l.decl.Name)
	}
}

// count looks for gaps in the numbers of a line's edges, of which last is the
// last one. The kernel's queue drops the
// oldest edges when it is full.
func (l *line) count(last *uint32, seqno uint32) {
	gap := seqno - *last - 1
	*last = seqno
	if gap == 0 {
		return
	}
	if gap > 1<<31-1 {
		gap = 0 // the numbers went back: nobody knows
	}
	size, knob := queueSize, "a debounce on the line, or less work in the rules that hear it"
	if l.debounce > 0 {
		size, knob = debouncedQueueSize, "a longer debounce on the line, or less work in the rules that hear it"
	}
	l.source.host.Lost("gpio", l.decl.Name, int(gap),
		fmt.Sprintf("the kernel's queue of %d edges ran over; what helps: %s", size, knob))
	l.stale = l.stateful()
}

// edge tells of one edge. Where both edges are watched, levels alternate: two
// equal edges in a row mean that one between them never reached the kernel's
// queue, because the line changed faster than its interrupt was served. It is
// made up for, so that what was told last is what the line is.
func (l *line) edge(t time.Duration, high bool) {
	if l.stateful() {
		if high == l.high {
			if t <= l.readAt {
				return // told already: the level was read after this edge
			}
			l.emit(t, !high, true)
		}
		l.high = high
	}
	l.emit(t, high, false)
}

// pending reports whether there are more edges to be read.
func (l *line) pending() bool {
	fds := []unix.PollFd{{Fd: int32(l.fd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, 0)
	return n > 0 || err != nil
}

// readAfresh reads the level after a loss, when what was left in the queue has
// been told, and makes up for an edge if it is not what was told last.
func (l *line) readAfresh() {
	told := l.high
	read := l.read
	if l.knob != nil {
		read = l.readPhase
	}
	switch err := read(); {
	case err == unix.ENODEV:
		l.gone(err)
	case err != nil: // after the next edge it is tried again
		l.source.host.Log.Warn("level was not read after a loss", "line", l.decl.Name, "error", err)
	default:
		l.stale = false
		if l.knob == nil && l.high != told {
			l.emit(l.readAt, l.high, true)
		}
	}
}

// emit tells of an edge to the level high.
func (l *line) emit(t time.Duration, high, synthetic bool) {
	state, level := falling, int64(0)
	if high {
		state, level = rising, 1
	}
	press := sources.NoPress
	switch {
	case !l.stateful():
	case high != l.activeLow():
		press = sources.Down
	case synthetic:
		press = sources.Ended
	default:
		press = sources.Up
	}
	l.fields[levelField].Value = sources.Int(level)
	l.fields[edgeField].Value = sources.Text(state)
	fields := l.fields[:syntheticField]
	if synthetic {
		fields = l.fields[:]
	}
	l.send(t, state, press, fields)
}

// tell is for what is no edge.
func (l *line) tell(t time.Duration, state string, press sources.Press, fields []sources.Field) {
	level := int64(0)
	if l.high {
		level = 1
	}
	l.fields[levelField].Value = sources.Int(level)
	l.send(t, state, press, fields)
}

func (l *line) send(t time.Duration, state string, press sources.Press, fields []sources.Field) {
	l.event.Time = t
	l.event.Topic = sources.Topic{Kind: "line", Name: l.decl.Name, State: state}
	l.event.Press = press
	l.event.Fields = fields
	l.source.host.Emit(&l.event)
}

// gone closes a line whose chip went away. A button that was down is told to
// be up, without an edge. The line is tried again soon, in case it was only
// the request that broke, and then when the chip comes back; an output then
// begins with the value that was ordered last, for that is what the rules
// believe it to be.
func (l *line) gone(err error) {
	pressed := l.pressed()
	l.release()
	// Not %w: that the chip is away is nothing that a timer should ask about.
	l.wait(fmt.Errorf("waiting for the chip: %s (%s) went away (%v)", l.node, l.label, err))
	l.lost = true
	if pressed {
		l.high = !l.high
		now := l.source.host.Loop.Now()
		l.fields[edgeField] = l.fields[syntheticField]
		l.tell(now, "", sources.Ended, l.fields[:syntheticField])
		l.describe()
	}
	l.source.backoff = firstRetry
	l.source.retryLater()
}

// probe finds out whether the chip is still there: not every kernel (6.1)
// wakes up those who wait on a chip that is removed.
func (l *line) probe() {
	if _, err := l.source.kernel.get(l.fd); err == unix.ENODEV {
		l.gone(err)
	}
}

// wait notes why the line is not open, and logs it unless it is known. That a
// line whose chip went away is not found is no news.
func (l *line) wait(cause error) {
	_, notFound := cause.(absent)
	if l.lost && notFound || l.cause != nil && l.cause.Error() == cause.Error() {
		return
	}
	l.cause = cause
	level := slog.LevelWarn
	if errors.Is(cause, unix.EBUSY) || errors.Is(cause, unix.EACCES) || errors.Is(cause, unix.EPERM) {
		level = slog.LevelError
	}
	l.source.host.Log.Log(context.Background(), level, "line is not open",
		"line", l.decl.Name, "spec", l.decl.Spec, "error", cause)
}

// release closes the request.
func (l *line) release() {
	if l.watch != nil {
		l.watch.Close()
		l.watch = nil
	}
	if l.fd >= 0 {
		unix.Close(l.fd)
		l.fd = -1
	}
}

// close leaves an output as its on_exit says, and closes the request.
func (l *line) close() {
	if l.output && l.fd >= 0 {
		if err := l.leave(); err != nil {
			l.source.host.Log.Error("line was not left as on_exit says", "line", l.decl.Name, "on_exit", l.decl.OnExit, "error", err)
		}
	}
	l.release()
}

// leave makes of an open output what its on_exit says.
func (l *line) leave() error {
	switch l.decl.OnExit {
	case "keep":
		return nil
	case "input":
		return l.source.kernel.toInput(l.fd, biasFlags[l.bias])
	}
	on := l.decl.OnExit == "on"
	return l.source.kernel.set(l.fd, on != l.activeLow())
}
