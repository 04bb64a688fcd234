// SPDX-License-Identifier: MIT

package output

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"reflexd/sources"
)

// bench is an Outputs with a clock that the test sets, on lines that write down
// what is done to them and LEDs that are files.
type bench struct {
	*Outputs
	t      *testing.T
	now    time.Duration
	late   time.Duration // how long after it is due a timer fires
	slow   time.Duration // how far the clock moves at each look
	timers []*timer
	work   []func() // what is in the background
	log    strings.Builder
	on     map[string]bool
	pwms   map[string]int
	broken error // what setting a line fails with
	calls  []string
}

// pwms are the PWM outputs of a bench.
type pwms struct{ *bench }

func (p pwms) Level(name string) (int, bool) { level, ok := p.bench.pwms[name]; return level, ok }

func (p pwms) Set(name string, level int, done func(error)) {
	p.bench.pwms[name] = level
	p.calls = append(p.calls, fmt.Sprintf("pwm %s %d", name, level/10_000))
	done(nil)
}

type timer struct {
	due  time.Duration
	fire func()
}

func (t *timer) Stop() bool {
	was := t.fire != nil
	t.fire = nil
	return was
}

func newBench(t *testing.T) *bench {
	b := &bench{t: t, now: time.Hour, on: map[string]bool{}}
	sys := t.TempDir()
	b.pwms = map[string]int{}
	b.Outputs = New(b, slog.New(slog.NewTextHandler(&b.log, nil)), b, pwms{b}, sys)
	return b
}

func (b *bench) Woke() time.Duration { return b.Now() }

func (b *bench) Now() time.Duration {
	b.now += b.slow
	return b.now
}

func (b *bench) After(d time.Duration, fire func()) sources.Timer {
	t := &timer{b.now + d, fire}
	b.timers = append(b.timers, t)
	return t
}
func (b *bench) Watch(int, uint32, func(uint32)) (sources.Watch, error) { panic("no descriptors") }
func (b *bench) Beside(work, done func()) {
	b.work = append(b.work, func() { work(); done() })
}

func (b *bench) Set(name string, on bool, _ sources.Cause) error {
	b.calls = append(b.calls, fmt.Sprintf("%v %s %v", b.now-time.Hour, name, on))
	if b.broken == nil {
		b.on[name] = on
	}
	return b.broken
}
func (b *bench) Toggle(name string, _ sources.Cause) error { return b.Set(name, !b.on[name], nil) }
func (b *bench) Level(name string) (on bool, open bool)    { return b.on[name], true }

// pass lets time pass.
func (b *bench) pass(d time.Duration) {
	end := b.now + d
	for {
		b.timers = slices.DeleteFunc(b.timers, func(t *timer) bool { return t.fire == nil })
		i := slices.IndexFunc(b.timers, func(t *timer) bool { return t.due+b.late <= end })
		if i < 0 {
			break
		}
		for j, t := range b.timers {
			if t.due < b.timers[i].due {
				i = j
			}
		}
		t := b.timers[i]
		b.now = max(b.now, t.due+b.late)
		fire := t.fire
		t.fire = nil
		fire()
		b.settle()
	}
	b.now = end
}

// settle does what is to be done in the background.
func (b *bench) settle() {
	for len(b.work) > 0 {
		work := b.work[0]
		b.work = b.work[1:]
		work()
	}
}

// did fails unless exactly this was done to lines since the last call.
func (b *bench) did(want ...string) {
	b.t.Helper()
	if !slices.Equal(b.calls, want) {
		b.t.Errorf("did\n%s\nexpected\n%s", strings.Join(b.calls, "\n"), strings.Join(want, "\n"))
	}
	b.calls = nil
}

// ok fails the test on the failure of an order.
func (b *bench) ok(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Error(err)
	}
}

func every(spans ...time.Duration) Rhythm { return Rhythm{Spans: spans} }

var lamp, bell = Output{Line: "lamp"}, Output{Line: "bell"}

func TestBlinkPatternAndReturn(t *testing.T) {
	b := newBench(t)
	b.on["lamp"] = true
	b.Blink(lamp, Rhythm{[]time.Duration{10 * ms, 20 * ms, 30 * ms, 40 * ms}, 2}, nil, b.ok)
	b.pass(time.Second)
	b.did("0s lamp true", "10ms lamp false", "30ms lamp true", "60ms lamp false",
		"100ms lamp true", "110ms lamp false", "130ms lamp true", "160ms lamp false", "200ms lamp true")
	if s := b.Status(); len(s) > 0 {
		t.Errorf("plays still: %v", s)
	}
}

func TestOutputsBlinkAtTheirOwnRates(t *testing.T) {
	b := newBench(t)
	b.Blink(lamp, every(10*ms, 20*ms), nil, b.ok)
	b.pass(5 * ms)
	b.Blink(bell, every(20*ms, 5*ms), nil, b.ok)
	b.pass(30 * ms)
	b.did("0s lamp true", "5ms bell true", "10ms lamp false", "25ms bell false", "30ms lamp true", "30ms bell true")
}

func TestLateEdgesDoNotPutOffTheNextOnes(t *testing.T) {
	b := newBench(t)
	b.late = 3 * ms
	b.Blink(lamp, every(10*ms, 10*ms), nil, b.ok)
	b.pass(50 * ms)
	b.did("0s lamp true", "13ms lamp false", "23ms lamp true", "33ms lamp false", "43ms lamp true")
}

func TestAWakeUpThatIsLaterThanManyEdgesMakesUpForNone(t *testing.T) {
	b := newBench(t)
	b.Blink(lamp, every(10*ms, 10*ms), nil, b.ok)
	b.late = 1005 * ms
	b.pass(1020 * ms) // the edge of 10 ms comes at 1015: off since 1010
	b.late = 0
	b.pass(20 * ms)
	b.did("0s lamp true", "1.015s lamp false", "1.02s lamp true", "1.03s lamp false", "1.04s lamp true")
}

func TestALevelThatIsShownAlreadyIsNotSetAgain(t *testing.T) {
	b := newBench(t)
	b.Blink(lamp, every(10*ms, 10*ms), nil, b.ok)
	b.late = 1015 * ms
	b.pass(1028 * ms) // the edge of 10 ms comes at 1025: on since 1020
	b.late = 0
	b.pass(5 * ms)
	b.did("0s lamp true", "1.03s lamp false")
}

func TestTheNextOrderReplacesWhatPlays(t *testing.T) {
	b := newBench(t)
	b.on["lamp"] = true
	b.Blink(lamp, every(10*ms, 10*ms), nil, b.ok)
	b.pass(15 * ms)
	b.Blink(lamp, Rhythm{[]time.Duration{3 * ms, 3 * ms}, 1}, nil, b.ok)
	b.pass(time.Second)
	b.did("0s lamp true", "10ms lamp false", "15ms lamp true", "18ms lamp false", "21ms lamp true") // as before the first
	b.Blink(lamp, every(10*ms, 10*ms), nil, b.ok)
	b.ok(b.SetLine("lamp", false, nil))
	b.pass(time.Second)
	b.did("1.015s lamp true", "1.015s lamp false")
}

func TestBlinkReturnsToTheLastLevelThatWasSet(t *testing.T) {
	b := newBench(t)
	once := Rhythm{[]time.Duration{10 * ms, 10 * ms}, 1}
	b.Blink(lamp, every(10*ms, 10*ms), nil, b.ok)
	b.ok(b.SetLine("lamp", true, nil)) // while it blinks
	b.Blink(lamp, once, nil, b.ok)
	b.pass(time.Second)
	if !b.on["lamp"] {
		t.Error("it is off")
	}
	b.ok(b.ToggleLine("lamp", nil))
	b.Blink(lamp, once, nil, b.ok)
	b.pass(time.Second)
	if b.on["lamp"] {
		t.Error("it is on")
	}
	b.Pulse(lamp, false, Rhythm{[]time.Duration{10 * ms}, 1}, nil, b.ok)
	b.pass(time.Second)
	b.Blink(lamp, once, nil, b.ok)
	b.pass(time.Second)
	if !b.on["lamp"] {
		t.Error("it is not what the pulse left it as")
	}
}

func TestLEDReturnsToTheLastLevelThatWasSet(t *testing.T) {
	b := newBench(t)
	b.plug("x", "[none]", "3")
	x := Output{LED: "x"}
	b.Blink(x, every(10*ms, 10*ms), nil, b.ok)
	b.pass(15 * ms)
	b.SetLED("x", Setting{To: "on", Brightness: Brightness{N: 7}}, b.ok)
	b.settle()
	b.Blink(x, Rhythm{[]time.Duration{10 * ms, 10 * ms}, 1}, nil, b.ok)
	b.pass(time.Second)
	b.is("x", "7 [none]")
}

func TestPulse(t *testing.T) {
	b := newBench(t)
	once := Rhythm{[]time.Duration{30 * ms}, 1}
	b.on["lamp"] = true
	b.Pulse(lamp, true, once, nil, b.ok)
	b.pass(20 * ms)
	b.Pulse(lamp, true, once, nil, b.ok) // longer
	b.pass(time.Second)
	b.did("0s lamp true", "20ms lamp true", "50ms lamp false")
	b.Pulse(lamp, false, once, nil, b.ok)
	b.pass(time.Second)
	b.did("1.02s lamp false", "1.05s lamp true")
}

// The thread stands still for longer than the pulse lasts, before every look
// at the clock.
func TestShortestPulseOnASlowThread(t *testing.T) {
	for name, play := range map[string]func(*bench, func(error)){
		"pulse": func(b *bench, done func(error)) {
			b.Pulse(lamp, true, Rhythm{[]time.Duration{ShortestSpan}, 1}, nil, done)
		},
		"blink": func(b *bench, done func(error)) {
			b.Blink(lamp, Rhythm{[]time.Duration{ShortestSpan, ShortestSpan}, 1}, nil, done)
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.slow = 5 * ms
			answers := 0
			play(b, func(err error) { b.ok(err); answers++ })
			if answers != 1 {
				t.Errorf("%d answers", answers)
			}
			b.pass(time.Second)
			for i, want := range []string{"lamp true", "lamp false"} {
				if len(b.calls) != 2 || !strings.HasSuffix(b.calls[i], want) {
					t.Fatalf("did %q", b.calls)
				}
			}
			if s := b.Status(); len(s) > 0 {
				t.Errorf("plays still: %v", s)
			}
		})
	}
}

func TestWhatPlaysCountsAsOnForAToggle(t *testing.T) {
	for _, wait := range []time.Duration{5 * ms, 15 * ms} {
		b := newBench(t)
		b.Blink(lamp, every(10*ms, 10*ms), nil, b.ok)
		b.pass(wait)
		b.ok(b.ToggleLine("lamp", nil))
		b.pass(time.Second)
		if b.on["lamp"] {
			t.Error("the lamp is on")
		}
		b.ok(b.ToggleLine("lamp", nil))
		if !b.on["lamp"] {
			t.Error("the lamp is off")
		}
	}
}

func TestReloadEndsWhatPlaysOnWhatIsGone(t *testing.T) {
	b := newBench(t)
	b.on["bell"] = true
	b.Blink(lamp, every(10*ms, 10*ms), nil, b.ok)
	b.Blink(bell, every(10*ms, 10*ms), nil, b.ok)
	b.pass(15 * ms)
	b.calls = nil
	b.Keep(func(o Output) bool { return o == lamp })
	b.pass(10 * ms)
	b.did("15ms bell true", "20ms lamp true")
}

func TestAFailureIsLoggedOnceAndTheBlinkGoesOn(t *testing.T) {
	b := newBench(t)
	b.Blink(lamp, every(10*ms, 10*ms), nil, b.ok)
	b.broken = errors.New("gone")
	b.pass(100 * ms)
	if s := b.Status(); len(s) != 1 || s[0].OK || s[0].Error != "gone" || s[0].Detail != "blinks: 10ms on, 10ms off" {
		t.Errorf("status %+v", s)
	}
	b.broken = nil
	b.pass(100 * ms)
	if n := strings.Count(b.log.String(), "\n"); n != 2 || !strings.Contains(b.log.String(), "can be set again") {
		t.Error(b.log.String())
	}
}

func TestTheFirstFailureIsTheOrders(t *testing.T) {
	b := newBench(t)
	b.broken = errors.New("gone")
	var got error
	b.Blink(lamp, every(10*ms, 10*ms), nil, func(err error) { got = err })
	b.pass(50 * ms)
	if got != b.broken || b.log.Len() > 0 {
		t.Errorf("%v; log: %s", got, b.log.String())
	}
}

func TestRest(t *testing.T) {
	b := newBench(t)
	b.Blink(lamp, every(10*ms, 10*ms), nil, b.ok)
	b.Pulse(bell, true, Rhythm{[]time.Duration{time.Hour}, 1}, nil, b.ok)
	if !b.Rest() {
		t.Error("lines take time")
	}
	b.pass(time.Second)
	b.did("0s lamp true", "0s bell true", "0s lamp false", "0s bell false")
}

func TestSetAllocatesNothing(t *testing.T) {
	b := newBench(t)
	b.Blink(bell, every(10*ms, 10*ms), nil, b.ok)
	quiet := New(b, b.Outputs.log, still{}, nil, b.t.TempDir())
	quiet.stages = b.stages
	if n := testing.AllocsPerRun(100, func() { _ = quiet.SetLine("lamp", true, nil); _ = quiet.ToggleLine("lamp", nil) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// still are lines to which nothing happens.
type still struct{}

func (still) Set(string, bool, sources.Cause) error { return nil }
func (still) Toggle(string, sources.Cause) error    { return nil }
func (still) Level(string) (on bool, ok bool)       { return false, true }

// plug makes a LED of files.
func (b *bench) plug(name, trigger, brightness string) {
	b.t.Helper()
	dir := filepath.Join(b.leds, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.t.Fatal(err)
	}
	for file, text := range map[string]string{"trigger": trigger, "brightness": brightness, "max_brightness": "20"} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text+"\n"), 0o644); err != nil {
			b.t.Fatal(err)
		}
	}
}

func (b *bench) unplug(name string) {
	b.t.Helper()
	if err := os.RemoveAll(filepath.Join(b.leds, name)); err != nil {
		b.t.Fatal(err)
	}
}

// led returns the brightness and the trigger of a LED.
func (b *bench) led(name string) string {
	b.t.Helper()
	brightness, err := os.ReadFile(filepath.Join(b.leds, name, "brightness"))
	if err != nil {
		b.t.Fatal(err)
	}
	trigger, _ := os.ReadFile(filepath.Join(b.leds, name, "trigger"))
	return strings.Fields(string(brightness))[0] + " " + strings.Fields(string(trigger))[0]
}

// is fails unless the LED is so.
func (b *bench) is(name, want string) {
	b.t.Helper()
	b.settle()
	if got := b.led(name); got != want {
		b.t.Errorf("at %v LED %s is %s, expected %s", b.now-time.Hour, name, got, want)
	}
}

func TestLEDBlinksAndGetsItsTriggerBack(t *testing.T) {
	b := newBench(t)
	b.plug("ACT", "[mmc0] none", "7")
	b.plug("PWR", "[none] mmc0", "20")
	act := Output{LED: "A*"}
	b.Blink(act, Rhythm{[]time.Duration{10 * ms, 10 * ms}, 2}, nil, b.ok)
	b.is("ACT", "20 none")
	b.pass(15 * ms)
	b.is("ACT", "0 none")
	b.pass(time.Second)
	b.is("ACT", "7 mmc0")
	b.is("PWR", "20 [none]")

	b.Blink(act, every(10*ms, 10*ms), nil, b.ok)
	b.pass(15 * ms)
	if b.Rest() {
		t.Error("a LED is written to beside the loop, so it takes time")
	}
	b.is("ACT", "7 mmc0")
	if !b.Rest() {
		t.Error("it rests already")
	}
}

func TestTwoPatternsAreOneLED(t *testing.T) {
	b := newBench(t)
	b.plug("input3::capslock", "[none]", "0")
	b.Blink(Output{LED: "*caps*"}, every(10*ms, 10*ms), nil, b.ok)
	b.settle()
	b.SetLED("input3::capslock", Setting{To: "on", Brightness: Brightness{N: 40, Percent: true}}, b.ok)
	b.settle()
	b.pass(time.Second)
	b.is("input3::capslock", "8 [none]")
}

func TestOrdersToABusyLED(t *testing.T) {
	b := newBench(t)
	b.plug("x", "[none]", "0")
	x := Output{LED: "x"}
	done := 0
	count := func(err error) { b.ok(err); done++ }
	b.SetLED("x", Setting{To: "on"}, count) // is being carried out
	b.SetLED("x", Setting{To: "off"}, count)
	b.SetLED("x", Setting{To: "toggle"}, count)
	b.SetLED("x", Setting{To: "toggle"}, count)
	b.SetLED("x", Setting{To: "toggle"}, count)
	b.Blink(x, Rhythm{[]time.Duration{10 * ms, 10 * ms}, 1}, nil, count)
	b.is("x", "20 [none]")
	b.pass(time.Second)
	b.is("x", "20 [none]") // on by the last toggle, which was before the blink
	if done != 6 {
		t.Errorf("%d of 6 orders were told what came of them", done)
	}
	b.SetLED("x", Setting{To: "toggle"}, count)
	b.is("x", "0 [none]")
}

func TestOrdersToALEDThatHangsDoNotPileUp(t *testing.T) {
	b := newBench(t)
	b.plug("x", "[none]", "0")
	for range 1001 {
		b.SetLED("x", Setting{To: "toggle"}, b.ok)
	}
	if n := len(b.stages[0].face.(*led).todo.settings); n > 1 {
		t.Errorf("%d settings are kept for later", n)
	}
	b.is("x", "20 [none]")
}

func TestLEDThatIsReplacedBetweenTwoEdges(t *testing.T) {
	b := newBench(t)
	b.plug("input3::caps", "[none]", "0")
	b.Blink(Output{LED: "input*::caps"}, every(10*ms, 10*ms), nil, b.ok)
	b.pass(15 * ms)
	b.unplug("input3::caps")
	b.plug("input4::caps", "[none]", "5")
	b.pass(6 * ms)
	b.is("input4::caps", "20 [none]")
	if b.log.Len() > 0 {
		t.Error(b.log.String())
	}
}

func TestLEDThatIsMissingIsNotLookedForAtEachEdge(t *testing.T) {
	b := newBench(t)
	var got error
	b.Blink(Output{LED: "x"}, every(10*ms, 10*ms), nil, func(err error) { got = err })
	b.settle()
	if got == nil {
		t.Error("the order did not fail")
	}
	b.plug("x", "[none]", "5")
	b.pass(missingRetry - 2*ms)
	b.is("x", "5 [none]")
	b.pass(15 * ms)
	if b.led("x") == "5 [none]" {
		t.Error("it was not found again")
	}
}

func TestLEDThatComesBackUnderAnotherName(t *testing.T) {
	b := newBench(t)
	b.plug("input3::caps", "[none]", "0")
	caps := Output{LED: "input*::caps"}
	b.Blink(caps, every(10*ms, 10*ms), nil, b.ok)
	b.pass(15 * ms)
	b.unplug("input3::caps")
	b.pass(100 * ms)
	b.plug("input4::caps", "[none]", "5")
	b.pass(2 * time.Second) // it is not looked for at each edge
	b.is("input4::caps", b.led("input4::caps"))
	if n := strings.Count(b.log.String(), "\n"); n != 2 || !strings.Contains(b.log.String(), "can be set again") {
		t.Error(b.log.String())
	}
	b.Rest()
	b.is("input4::caps", "5 [none]")
}

func TestLEDThatIsNotThere(t *testing.T) {
	b := newBench(t)
	var got error
	note := func(err error) { got = err }
	for _, c := range []struct{ pattern, want string }{
		{"x", "has no LED"},
		{"ACTT", `did you mean "ACT"?`},
		{"*", "2 LEDs match"},
	} {
		b.SetLED(c.pattern, Setting{To: "on"}, note)
		b.settle()
		if got == nil || !strings.Contains(got.Error(), c.want) {
			t.Errorf("%s: %v", c.pattern, got)
		}
		b.plug("ACT", "[none]", "0")
		b.plug("PWR", "[none]", "0")
	}
}

func TestBrightness(t *testing.T) {
	for _, c := range []struct {
		b    Brightness
		max  int
		want int
	}{
		{Brightness{}, 255, 255},
		{Brightness{N: 7}, 255, 7},
		{Brightness{N: 40, Percent: true}, 255, 102},
		{Brightness{N: 1, Percent: true}, 1, 1},
		{Brightness{N: 100, Percent: true}, 1, 1},
	} {
		if got := c.b.of(c.max); got != c.want {
			t.Errorf("%+v of %d is %d, expected %d", c.b, c.max, got, c.want)
		}
	}
}

func FuzzTriggers(f *testing.F) {
	f.Add("none [timer] heartbeat\n")
	f.Add("[none]")
	f.Add("")
	f.Add("[ ] [[] ]")
	f.Fuzz(func(t *testing.T, text string) {
		has, known := parseTriggers(text)
		if has != noTrigger && !slices.Contains(known, has) {
			t.Errorf("%q has %q, which is not among %q", text, has, known)
		}
	})
}

// Whatever the next order is, it ends that somebody else than a rule gave the last
// one.
func TestCreditEndsWithTheNextOrder(t *testing.T) {
	b := newBench(t)
	line, fan, lamp := Output{Line: "a"}, Output{PWM: "fan"}, Output{LED: "lamp"}
	b.pwms["fan"] = 0
	done := func(error) {}
	for name, c := range map[string]struct {
		of    Output
		order func()
	}{
		"set line":    {line, func() { b.ok(b.SetLine("a", true, nil)) }},
		"toggle line": {line, func() { b.ok(b.ToggleLine("a", nil)) }},
		"set pwm":     {fan, func() { b.SetPWM("fan", 1, done) }},
		"toggle pwm":  {fan, func() { b.TogglePWM("fan", done) }},
		"fade pwm":    {fan, func() { b.Fade(fan, sources.Full, time.Second, done) }},
		"set led":     {lamp, func() { b.SetLED("lamp", Setting{To: "on"}, done) }},
		"fade led":    {lamp, func() { b.Fade(lamp, sources.Full, time.Second, done) }},
		"blink pwm":   {fan, func() { b.Blink(fan, Rhythm{Spans: []time.Duration{time.Second, time.Second}}, nil, done) }},
	} {
		b.Credit(c.of, "uid 1000")
		c.order()
		if _, by := b.Of(c.of); by != "" {
			t.Errorf("%s: still set by %s", name, by)
		}
	}
}
