// SPDX-License-Identifier: MIT

// stage: one output, and what plays on it.

package output

import (
	"time"

	"reflexd/sources"
)

// player is an output that something was played on.
type player struct {
	panel  *Outputs
	output Output // as it was called last
	face   face
	play   *play  // nil when no rhythm plays
	fade   *fade  // nil when nothing fades
	err    error  // of the last level that was to be shown
	setBy  string // who gave the last order, if that was no rule
}

// face is the driver of one output. A done is called once, perhaps before the
// method returns.
type face interface {
	// show drives the output to a level for the time being. At the first
	// time it notes what the output was.
	show(on bool, done func(error))
	// rest makes it what it was before it showed something.
	rest(done func(error))
	// finish makes a level the one that stays.
	finish(on bool, done func(error))
	// busy reports whether orders are still being carried out.
	busy() bool
}

// play is a rhythm under way.
type play struct {
	stage    *player
	rhythm   Rhythm
	inverted bool              // off first
	end      func(func(error)) // makes the output what it is afterwards
	start    time.Duration     // CLOCK_MONOTONIC
	on       bool              // what is shown,
	shown    bool              // once anything is
	timer    sources.Timer
}

// begin plays p instead of what plays.
func (s *player) begin(p *play, done func(error)) {
	s.stop()
	s.play, s.setBy = p, ""
	p.start = s.panel.loop.Now()
	p.step(p.start, func(err error) {
		s.err = err // whoever gave the order gets it
		done(err)
	})
}

// stop ends what plays and leaves the output as it is just then.
func (s *player) stop() {
	if s.play != nil {
		sources.StopTimer(&s.play.timer)
		s.play = nil
	}
	if s.fade != nil {
		sources.StopTimer(&s.fade.timer)
		s.fade = nil
	}
}

// plays reports whether a rhythm or a fade is under way.
func (s *player) plays() bool { return s.play != nil || s.fade != nil }

// playing returns what is, in words.
func (s *player) playing() string {
	if s.fade != nil {
		return s.fade.String()
	}
	return s.play.String()
}

// finish ends what plays as if it were over.
func (s *player) finish() {
	if f := s.fade; f != nil {
		s.stop()
		f.face.shade(f.to, s.report)
	}
	if p := s.play; p != nil {
		s.stop()
		p.end(s.report)
	}
}

// step shows what is to be shown now, and comes back when that changes. The
// first step shows the beginning, however slow the thread is: now is p.start.
func (p *play) step(now time.Duration, done func(error)) {
	elapsed := now - p.start
	on, until, over := p.rhythm.at(elapsed)
	if over {
		p.stage.finish()
		return
	}
	loop := p.stage.panel.loop
	p.timer = loop.After(until-elapsed, func() { p.step(loop.Now(), p.stage.report) })
	if p.shown && p.on == on {
		return
	}
	p.on, p.shown = on, true
	p.stage.face.show(on != p.inverted, done)
}

// report logs when an output stops to follow, and when it follows again.
func (s *player) report(err error) {
	switch {
	case err != nil && s.err == nil:
		s.panel.log.Warn("cannot set output; trying again with the next change", "output", s.output.String(), "error", err)
	case err == nil && s.err != nil:
		s.panel.log.Info("output can be set again", "output", s.output.String())
	}
	s.err = err
}

// String returns what is played.
func (p *play) String() string {
	if len(p.rhythm.Spans) == 1 {
		return "pulse of " + p.rhythm.Spans[0].String()
	}
	return "blinks: " + p.rhythm.String()
}

// line is the face of a GPIO line.
type line struct {
	lines   Lines
	name    string
	showing bool
	before  bool // what it was, while showing
	cause   sources.Cause
}

func (l *line) show(on bool, done func(error)) {
	if !l.showing {
		l.showing = true
		l.before, _ = l.lines.Level(l.name)
	}
	done(l.lines.Set(l.name, on, l.cause))
}

func (l *line) rest(done func(error)) {
	if !l.showing {
		done(nil)
		return
	}
	l.finish(l.before, done)
}

func (l *line) finish(on bool, done func(error)) {
	l.showing = false
	done(l.lines.Set(l.name, on, l.cause))
}

func (l *line) busy() bool { return false }
