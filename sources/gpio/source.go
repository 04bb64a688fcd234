// SPDX-License-Identifier: MIT

// Package gpio serves lines of GPIO chips through their character devices,
// /dev/gpiochipN, in version 2 of the kernel's interface
// (Documentation/userspace-api/gpio/, linux/gpio.h, Linux 5.10 and later).
//
// Every line is a request of its own, so that a reload can hand each over by
// itself; the two lines of an encoder are one. Requests never carry
// GPIO_V2_LINE_FLAG_ACTIVE_LOW: the kernel deals in physical levels, as EDGE
// and LEVEL do, and what `active` means is worked out here.
//
// Chips are opened and lines requested on the loop's thread, at Apply and when
// a chip appears. A controller on the processor's own bus does all that in
// microseconds; one behind I²C takes about a millisecond for each line that is
// requested, read or set. That was preferred to doing it beside the loop,
// where start-up would have to wait for it before any rule may see `started`
// and every order to an output would have to queue behind it.
package gpio

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"reflexd/board"
	"reflexd/sources"
	"reflexd/sources/inotify"
)

// Kind is the entry of GPIO in the agent's list of sources.
var Kind = sources.Kind{
	Name: "gpio",
	Plan: func() sources.Plan { return &Plan{} },
	Open: func(h sources.Host) (sources.Source, error) { return Open(h), nil },

	Simulates: true,
}

// batch is the number of edges that one wake-up reads of one request.
const batch = 16

// Source serves the lines of the plan in force. It implements sources.Source;
// all its methods are called on the loop's thread.
type Source struct {
	host   sources.Host
	kernel *kernel

	named *board.Board // by the plan; nil if it names none
	found *board.Board // that this machine says it is, once asked
	asked bool

	requests []*request // in the order of their declaration
	lines    map[string]*line

	folders *inotify.Folders // nil unless devices are watched
	opener  sources.Opener[*survey]
	triedAt time.Duration        // when waiting requests were tried last
	held    map[string]*heldChip // by the paths of their devices

	levels simulated // nil unless there is no kernel

	buffer [batch * recordSize]byte // what a wake-up read
}

// Open returns a source that does nothing until a plan is applied.
func Open(h sources.Host) *Source {
	if h.Simulated {
		s := open(h, &noKernel)
		s.levels = simulated{}
		return s
	}
	return open(h, &cdev)
}

func open(h sources.Host, k *kernel) *Source {
	s := &Source{host: h, kernel: k}
	s.opener = sources.Opener[*survey]{
		Loop:    h.Loop,
		Open:    s.chips,
		OnLoop:  true,
		Use:     s.openWaiting,
		Discard: func(*survey) {}, // openWaiting has closed it
		Pause:   s.pause,
		Ended:   s.watchHeld,    // which may find that there is something to be tried at once
		Report:  func(error) {}, // each request logs its own
	}
	return s
}

// Apply implements sources.Source. A line that both plans ask for, be it in
// other words or under another name, is handed over: it is not touched, and
// `initial` does not move it; on_exit is the new plan's from then on. A line
// whose other parameters changed is released and requested again; an output
// then begins with the value that it had. So it is with a line that the new
// plan's board has in another place. Lines that the new plan does not know are
// closed as the old plan's on_exit says.
func (s *Source) Apply(plan sources.Plan) {
	p := plan.(*Plan)
	p.source = s
	if p.detect && s.host.Proc == "/proc" { // where Lint's caller read it
		s.found, s.asked = p.detected, true
	}
	moved := s.goBy(p.board)
	declared := p.all()
	from, left := s.heirs(declared)
	before := s.lines
	s.requests, s.lines = nil, map[string]*line{}
	for i, d := range declared {
		r := from[i]
		if r != nil {
			r = r.succeed(d, slices.Contains(moved, r))
		} else {
			r = newRequest(s, d)
		}
		s.add(r)
	}
	for _, r := range left {
		r.close()
	}
	for _, l := range s.lines {
		l.followed = p.followed[l.name]
	}
	s.watchDevices()
	s.opener.Stop() // it may be open with the requests that there were
	s.opener.Visit()
	s.announce(before)
}

// announce emits what the plan has changed of the states of lines, which are
// in a table by their names: before are the lines of the plan before.
func (s *Source) announce(before map[string]*line) {
	for name, old := range sources.InOrder(before) {
		switch l := s.lines[name]; {
		case l == nil || !l.output && !l.stateful():
			s.vanish(name)
		case l.waiting() && l != old && old.name == name:
			old.end()
		case l.waiting() && l != old:
			s.vanish(name)
		}
	}
	for _, l := range sources.InOrder(s.lines) {
		if l.output || l.renamed {
			l.announce()
		}
	}
}

// vanish emits that no line of that name has a state any more.
func (s *Source) vanish(name string) {
	s.host.Emit(&sources.Event{
		Time: s.host.Loop.Now(), Topic: sources.Topic{Kind: "line", Name: name}, Source: "gpio:" + name, Standing: sources.Vanishes,
	})
}

func (s *Source) add(r *request) {
	s.requests = append(s.requests, r)
	if l, ok := r.user.(*line); ok {
		s.lines[l.name] = l
	}
}

// survey opens all chips, whose lines are called as this board has them.
func (s *Source) survey() *survey {
	if s.levels != nil {
		return &survey{kernel: s.kernel, board: s.thisBoard}
	}
	chips := s.kernel.survey(s.host.Dev, s.host.Sys)
	chips.board = s.thisBoard
	return chips
}

// thisBoard returns the board that the plan names, or that this machine says
// it is. It is asked once, and only if a line's name is not the kernel's.
func (s *Source) thisBoard() *board.Board {
	if s.named != nil {
		return s.named
	}
	if !s.asked {
		m := board.Read(s.host.Proc, s.host.Sys)
		s.found, s.asked = m.Board(), true
	}
	return s.found
}

// chips surveys the chips, if a request waits for one.
func (s *Source) chips() (*survey, error) {
	if !s.anyWaiting() {
		return &survey{}, nil
	}
	return s.survey(), nil
}

// openWaiting tries to open all requests that are waited for. It returns why
// one of them still waits: if any, one for which a timer is to be set.
func (s *Source) openWaiting(chips *survey) (why error) {
	defer chips.close()
	s.triedAt = s.host.Loop.Now()
	for _, r := range s.requests {
		if !r.waiting() {
			continue
		}
		waited := r.err != nil
		if err := r.open(chips); err != nil {
			r.wait(err)
			if why == nil || passing(r.err) {
				why = r.err
			}
			continue
		}
		r.err, r.lost = nil, false
		if waited {
			s.host.Log.Info("line is open", "line", r.name, "at", r.at())
		}
	}
	return why
}

func (s *Source) anyWaiting() bool { return slices.ContainsFunc(s.requests, (*request).waiting) }

// holder returns our request that has the line of the chip.
func (s *Source) holder(node string, offset int) *request {
	for _, r := range s.requests {
		if r.fd >= 0 && r.node == node && slices.Contains(r.offsets, offset) {
			return r
		}
	}
	return nil
}

// Status implements sources.Source.
func (s *Source) Status() []sources.State {
	var states []sources.State
	for _, r := range s.requests {
		states = append(states, r.state())
	}
	return states
}

// state says what is known of r: "GPIO3, gpiochip0:3 (pinctrl-bcm2711), button,
// off", and what it holds.
func (r *request) state() sources.State {
	state := sources.State{Name: r.name, Detail: strings.Join(r.specs, " and "), OK: !r.waiting()}
	text, known := r.user.status()
	if r.fd >= 0 {
		state.Detail += ", " + r.at()
		for i, offset := range r.offsets {
			held := sources.HeldLine{Chip: r.node, Offset: offset}
			if i < len(known) {
				held.Level = known[i]
			}
			state.Lines = append(state.Lines, held)
		}
	}
	state.Detail += ", " + text
	if r.idle() {
		state.Detail += ", unchanged in a dry run"
	}
	if r.garbage > 0 {
		state.Detail += fmt.Sprintf(", %d invalid records", r.garbage)
	}
	if r.waiting() && r.err != nil {
		state.Error = r.err.Error()
	}
	return state
}

func (r *request) at() string { return fmt.Sprintf("%s:%d (%s)", r.node, r.offsets[0], r.label) }

// Close implements sources.Source.
func (s *Source) Close() {
	s.opener.Stop()
	if s.folders != nil {
		s.folders.Close()
		s.folders = nil
	}
	for _, r := range s.requests {
		r.close()
	}
	s.requests, s.lines = nil, nil
	s.watchHeld()
}
