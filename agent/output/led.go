// SPDX-License-Identifier: MIT

// led: a LED, and the order in which it is written to.

package output

// led is the face of a LED. Writing to its attributes may sleep: the kernel
// waits for drivers behind I²C or USB (brightness_store in
// drivers/leds/led-class.c), and for a trigger that is taken off. So it is
// done in the background, one task at a time; of levels that could not be shown
// in time only the last one is.
type led struct {
	panel   *Outputs
	pattern string // as it was called last
	name    string // which LED that was found to be; "" if none
	device  ledDevice
	level   int  // how light it was when it was looked at, up to sources.Full
	steps   int  // between off and on, once it was found
	plays   bool // the kernel can fade it, as it was when it was looked at
	working bool
	todo    ledTask
}

// ledTask is what is to be done to a LED, in this order.
type ledTask struct {
	pattern  string // which LED is meant
	settings []Setting
	show     showing
	looks    bool  // only to see how light it is
	fades    *ramp // nil, or through what the kernel is to bring it
	done     []func(error)
}

// showing says what a LED shows for the time being.
type showing uint8

const (
	asBefore showing = iota
	showOff
	showOn
)

// Setting is what `set` asks of a LED.
type Setting struct {
	To         string // on, off or toggle; "" leaves it to the trigger
	Brightness Brightness
	Trigger    string // "" for none, so that the kernel does not drive it as well
}

func newLED(p *Outputs, pattern string) *led {
	return &led{panel: p, name: p.ledName(pattern), device: ledDevice{leds: p.leds}}
}

func (l *led) show(on bool, done func(error)) {
	l.todo.show, l.todo.fades = showOff, nil
	if on {
		l.todo.show = showOn
	}
	l.work(done)
}

func (l *led) rest(done func(error)) {
	l.todo.show = asBefore
	l.work(done)
}

func (l *led) finish(on bool, done func(error)) {
	to := "off"
	if on {
		to = "on"
	}
	l.set(Setting{To: to}, done)
}

// set adds a setting. What comes before it and was not carried out yet counts
// only if s depends on it.
func (l *led) set(s Setting, done func(error)) {
	t := &l.todo
	switch n := len(t.settings); {
	case s.To != "toggle":
		t.settings = append(t.settings[:0], s)
	case n > 0 && t.settings[n-1] == s:
		t.settings = t.settings[:n-1]
	default:
		t.settings = append(t.settings, s)
	}
	t.show, t.fades = asBefore, nil
	l.work(done)
}

// fade has the kernel bring the LED through r.
func (l *led) fade(r *ramp, done func(error)) {
	l.todo.fades = r
	l.work(done)
}

// work begins with what is to be done, unless the LED is being worked on.
func (l *led) work(done func(error)) {
	if done != nil {
		l.todo.done = append(l.todo.done, done)
	}
	if l.working {
		return
	}
	l.working = true
	task := l.todo
	task.pattern = l.pattern
	l.todo = ledTask{}
	now := l.panel.loop.Now()
	var err error
	l.panel.loop.Beside(func() { err = l.device.carryOut(&task, now) }, func() {
		l.working, l.name = false, l.device.name
		l.level, l.steps, l.plays = l.device.level, l.device.greatest, l.device.plays
		for _, done := range task.done {
			done(err)
		}
		if len(l.todo.done) > 0 {
			l.work(nil)
		}
	})
}

func (l *led) busy() bool { return l.working }
