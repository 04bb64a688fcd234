// SPDX-License-Identifier: MIT

// Source: all lines of a plan, and the swap of one plan for the next.

package gpio

import (
	"fmt"
	"slices"
	"time"

	"reflexd/board"
	"reflexd/sources"
	"reflexd/sources/inotify"
)

// batch is the number of edges that one wake-up reads of one line.
const batch = 16

// Source serves the lines of the plan in force. It implements sources.Source;
// all its methods are called on the loop's thread.
type Source struct {
	host   sources.Host
	kernel *kernel

	named *board.Board // by the plan; nil if it names none
	found *board.Board // that this machine says it is, once asked
	asked bool

	lines  []*line // in the order of their declaration
	byName map[string]*line

	folders *inotify.Folders // nil unless devices are watched
	retry   sources.Timer    // nil if none is set
	backoff time.Duration

	records [batch * recordSize]byte // what a wake-up read
}

// Open returns a source that does nothing until a plan is applied.
func Open(h sources.Host) *Source { return open(h, &cdev) }

func open(h sources.Host, k *kernel) *Source {
	return &Source{host: h, kernel: k}
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
	moved := s.goBy(p.board)
	declared := p.Lines()
	from, old := s.heirs(declared, s.lines)
	s.lines, s.byName = nil, map[string]*line{}
	for i, decl := range declared {
		l := newLine(s, decl)
		if was := from[i]; was != nil {
			l = was.succeed(l, was.decl.Spec == decl.Spec && slices.Contains(moved, was))
		}
		s.lines = append(s.lines, l)
		if decl.Kind != Knob {
			s.byName[decl.Name] = l
		}
	}
	for _, l := range old {
		l.close()
	}
	s.watchDevices()
	s.backoff = firstRetry
	s.openWaiting()
	for _, l := range s.lines {
		l.shown = l.pressed()
	}
}

// succeed returns the line that goes on after a reload: l itself where next
// asks for the same, else next, which takes over what it can. A line that has
// moved is left where it was.
func (l *line) succeed(next *line, moved bool) *line {
	if moved || l.settings != next.settings {
		both := l.output && next.output
		if both {
			next.inherit(l)
		}
		if both && !moved {
			l.release() // on_exit is for the end, not for this
		} else {
			l.close()
		}
		return next
	}
	if !l.settled {
		l.on = next.on
	}
	renamed := l.decl.Name != next.decl.Name
	l.rename(&next.decl)
	if renamed && l.fd >= 0 && l.stateful() && l.knob == nil {
		l.announce() // nobody knows the level of a line of this name
	}
	return l
}

// inherit gives an output the level of the line that it replaces.
func (l *line) inherit(old *line) {
	if old.settled {
		l.on, l.settled = old.on, true
	}
}

// idle reports whether the line is an output that is left alone.
func (l *line) idle() bool { return l.output && l.source.host.DryRun }

// waiting reports whether a line is to be opened.
func (l *line) waiting() bool { return l.fd < 0 && !l.idle() }

// openWaiting tries to open all lines that are waited for.
func (s *Source) openWaiting() {
	s.stopRetry()
	if !s.anyWaiting() {
		return
	}
	chips := s.kernel.survey(s.host.Dev, s.host.Sys)
	chips.board = s.thisBoard
	defer chips.close()
	for _, l := range s.lines {
		if !l.waiting() {
			continue
		}
		waited := l.cause != nil
		if err := l.open(chips); err != nil {
			l.wait(err)
			continue
		}
		l.cause, l.lost = nil, false
		if waited {
			s.host.Log.Info("line is open", "line", l.decl.Name, "at", l.at())
		}
	}
	s.scheduleRetry()
}

func (s *Source) anyWaiting() bool {
	for _, l := range s.lines {
		if l.waiting() {
			return true
		}
	}
	return false
}

// holder returns our line that has the line of the chip.
func (s *Source) holder(node string, offset int) *line {
	for _, l := range s.lines {
		if l.fd >= 0 && l.node == node && (l.offset == offset || l.knob != nil && l.knob.offset == offset) {
			return l
		}
	}
	return nil
}

// Status implements sources.Source.
func (s *Source) Status() []sources.State {
	var states []sources.State
	for _, l := range s.lines {
		state := sources.State{Name: l.decl.Name, Detail: l.detail(), OK: !l.waiting(), Lines: l.held()}
		if l.waiting() && l.cause != nil {
			state.Error = l.cause.Error()
		}
		states = append(states, state)
	}
	return states
}

// held tells where an open line is and at which level.
func (l *line) held() []sources.HeldLine {
	switch {
	case l.fd < 0:
		return nil
	case l.knob != nil:
		return []sources.HeldLine{{Chip: l.node, Offset: l.offset, Level: level(l.knob.a)}, {Chip: l.node, Offset: l.knob.offset, Level: level(l.knob.b)}}
	}
	h := sources.HeldLine{Chip: l.node, Offset: l.offset}
	if on, ok := l.source.Level(l.decl.Name); ok {
		h.Level = level(on != l.activeLow())
	}
	return []sources.HeldLine{h}
}

// level is the word for a physical level.
func level(high bool) string {
	if high {
		return "high"
	}
	return "low"
}

// detail tells what is known of a line: "GPIO3, gpiochip0:3 (pinctrl-bcm2711),
// button, off".
func (l *line) detail() string {
	text := l.decl.Spec
	if l.knob != nil {
		text += " and " + l.decl.SpecB
	}
	if l.fd >= 0 {
		text += ", " + l.at()
	}
	text += ", " + l.decl.Kind
	if on, ok := l.source.Level(l.decl.Name); ok {
		text += map[bool]string{true: ", on", false: ", off"}[on]
	}
	if l.idle() {
		text += ", left alone in a dry run"
	}
	if l.garbage > 0 {
		text += fmt.Sprintf(", %d records that made no sense", l.garbage)
	}
	return text
}

func (l *line) at() string { return fmt.Sprintf("%s:%d (%s)", l.node, l.offset, l.label) }

// Close implements sources.Source.
func (s *Source) Close() {
	s.stopRetry()
	if s.folders != nil {
		s.folders.Close()
		s.folders = nil
	}
	for _, l := range s.lines {
		l.close()
	}
	s.lines, s.byName = nil, nil
}
