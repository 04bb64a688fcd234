// SPDX-License-Identifier: MIT

// fade: an output that goes from one level to another.

package output

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"reflexd/config"
	"reflexd/sources"
)

// fader is a face that has levels between off and on.
type fader interface {
	// look finds out the level that the output has, and how many there are.
	look(done func(level, steps int, err error))
	// shade makes it a level.
	shade(level int, done func(error))
}

// fade is a fade under way.
type fade struct {
	player   *player
	face     fader
	from, to int           // levels up to sources.Full
	start    time.Duration // CLOCK_MONOTONIC
	over     time.Duration
	pause    time.Duration // from step to step
	timer    sources.Timer // nil before the level is known
	kernel   bool          // the kernel has the steps
}

// fastest is the pause between two steps, if it need not be longer: what is faster
// looks no smoother.
const fastest = 20 * time.Millisecond

// mostSteps bounds the steps of a fade: more cannot be told apart.
const mostSteps = 1000

// Fade brings an output from the level that it has to another one. done is called
// when it has begun.
func (p *Outputs) Fade(o Output, to int, over time.Duration, done func(error)) {
	s := p.player(o, nil)
	s.stop()
	s.setBy = ""
	face, ok := s.face.(fader)
	if !ok {
		done(fmt.Errorf("%s cannot fade: it is on or off", o))
		return
	}
	f := &fade{player: s, face: face, to: to, over: over}
	s.fade = f
	face.look(func(level, steps int, err error) {
		switch {
		case s.fade != f: // something else was ordered
			done(nil)
			return
		case err != nil:
			s.fade = nil
			done(err)
			return
		}
		f.from, f.start = level, p.loop.Now()
		f.pause = max(fastest, over/time.Duration(min(steps, mostSteps)))
		if l, ok := face.(*led); ok && l.plays && over > 2*fastest {
			f.handOver(l, done)
			return
		}
		f.step(done)
	})
}

// handOver has the kernel step through f, so that nothing wakes up before the end.
func (f *fade) handOver(l *led, done func(error)) {
	f.kernel = true
	loop := f.player.panel.loop
	f.timer = loop.After(f.over, func() { f.step(f.player.report) })
	l.fade(&ramp{f.from, f.to, f.over}, func(err error) {
		if err == nil || f.player.fade != f {
			done(nil)
			return
		}
		f.kernel = false
		sources.StopTimer(&f.timer)
		f.step(done)
	})
}

// step shows the level that is due, and comes back for the next one. A step that
// comes late puts off none.
func (f *fade) step(done func(error)) {
	loop := f.player.panel.loop
	elapsed := loop.Now() - f.start
	if elapsed >= f.over {
		f.player.fade = nil
		f.face.shade(f.to, done)
		return
	}
	left := f.over - elapsed
	f.timer = loop.After(min(f.pause, left), func() { f.step(f.player.report) })
	f.face.shade((&ramp{f.from, f.to, f.over}).at(elapsed), done)
}

// String returns what fades.
func (f *fade) String() string {
	s := fmt.Sprintf("fades to %s over %v", sources.Percent(f.to), f.over)
	if f.kernel {
		s += ", by the kernel"
	}
	return s
}

// ramp is what a fade passes through: levels up to sources.Full.
type ramp struct {
	from, to int
	over     time.Duration
}

// at returns the level that is due when the fade is under way for so long.
func (r *ramp) at(elapsed time.Duration) int {
	part := float64(elapsed) / float64(r.over)
	return r.from + int(part*float64(r.to-r.from))
}

// longestPattern is how many bytes an attribute takes at once: a page, which has
// 4096 at least.
const longestPattern = 4095

// pattern returns r for an LED with brightnesses up to greatest, as the kernel's
// trigger "pattern" has it (Documentation/ABI/testing/sysfs-class-led-trigger-pattern):
// brightnesses, and for how many milliseconds. Each is there twice, the second time
// for 0 ms, so that the kernel goes to the next one at once; else it would go there
// by itself, in steps of 50 ms and in brightness, not in lightness. All times but
// the last are multiples of 20 ms, which the kernel's ticks of 1, 4 and 10 ms do
// not round.
func (r *ramp) pattern(greatest int) string {
	pause := max(fastest, (r.over / mostSteps).Truncate(fastest))
	for {
		if text := r.steps(pause, greatest); len(text) <= longestPattern {
			return text
		}
		pause *= 2
	}
}

// steps returns the pattern with steps of at least that pause.
func (r *ramp) steps(pause time.Duration, greatest int) string {
	var text strings.Builder
	step := func(brightness int, d time.Duration) {
		fmt.Fprintf(&text, "%d %d %d 0 ", brightness, d.Milliseconds(), brightness)
	}
	since, shown := time.Duration(0), shade(r.from, greatest)
	for at := pause; at < r.over; at += pause {
		if n := shade(r.at(at), greatest); n != shown {
			step(shown, at-since)
			since, shown = at, n
		}
	}
	step(shown, r.over-since)
	step(shade(r.to, greatest), fastest)
	return text.String()
}

// shade returns the brightness, of those up to greatest, of a level.
func shade(level, greatest int) int {
	if level == 0 {
		return 0
	}
	return Brightness{N: level, Lightness: true}.of(greatest)
}

// luminance returns how bright a LED must be, from 0 to 1, to look as light as L* of
// CIE 1931 says, likewise: the eye tells dark levels apart that differ little.
func luminance(lightness float64) float64 {
	l := 100 * lightness
	if l <= 8 {
		return l / 903.3
	}
	root := (l + 16) / 116
	return root * root * root
}

// lightness is the inverse of luminance.
func lightness(y float64) float64 {
	if y <= 8/903.3 {
		return y * 9.033
	}
	return (116*math.Cbrt(y) - 16) / 100
}

// pwm is the face of a PWM output.
type pwm struct {
	pwms    PWMs
	name    string
	showing bool
	before  int // what it was, while showing
}

func (w *pwm) show(on bool, done func(error)) {
	if !w.showing {
		w.showing = true
		w.before, _ = w.pwms.Level(w.name)
	}
	w.set(on, done)
}

func (w *pwm) rest(done func(error)) {
	if !w.showing {
		done(nil)
		return
	}
	w.showing = false
	w.pwms.Set(w.name, w.before, done)
}

func (w *pwm) finish(on bool, done func(error)) {
	w.showing = false
	w.set(on, done)
}

func (w *pwm) set(on bool, done func(error)) {
	level := 0
	if on {
		level = sources.Full
	}
	w.pwms.Set(w.name, level, done)
}

func (w *pwm) busy() bool { return false }

func (w *pwm) look(done func(level, steps int, err error)) {
	level, ok := w.pwms.Level(w.name)
	if !ok {
		done(0, 0, fmt.Errorf("fade pwm %s: it is not declared any more", w.name))
		return
	}
	w.showing = false
	done(level, mostSteps, nil)
}

func (w *pwm) shade(level int, done func(error)) { w.pwms.Set(w.name, level, done) }

func (l *led) look(done func(level, steps int, err error)) {
	l.todo.looks = true
	l.work(func(err error) {
		if err == nil && l.steps < 2 {
			err = cannotFade(l.name)
		}
		done(l.level, max(1, l.steps), err)
	})
}

func (l *led) shade(level int, done func(error)) {
	to := "on"
	if level == 0 {
		to = "off"
	}
	l.set(Setting{To: to, Brightness: Brightness{N: level, Lightness: true}}, done)
}

// ExamineFade adds to x what a fade of an LED lacks: levels to fade through, or the
// kernel's help.
func ExamineFade(x *sources.Report, at *config.Pos, pattern string) {
	d := &ledDevice{leds: x.Path("/sys/class/leds")}
	if d.find(pattern) != nil {
		return // which is reported elsewhere
	}
	if d.greatest < 2 {
		x.Bad(at, "LED "+pattern, cannotFade(d.name).Error(), "use `set` or `blink`")
		return
	}
	if _, known, err := d.triggers(); err == nil && !slices.Contains(known, patternTrigger) {
		x.Note(at, "LED "+pattern, "a fade wakes reflexd up 50 times a second: the kernel has no LED trigger pattern", "run `modprobe ledtrig-pattern`")
	}
}

func cannotFade(led string) error {
	return fmt.Errorf("LED %s cannot fade: it is on or off (its max_brightness is 1)", led)
}
