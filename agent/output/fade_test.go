// SPDX-License-Identifier: MIT

package output

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"reflexd/sources"
)

const percent = sources.Full / 100

// levels returns the levels that a PWM output was given, each once.
func (b *bench) levels() string {
	var all []string
	for _, c := range b.calls {
		_, level, _ := strings.Cut(c, "pwm fan ")
		if len(all) == 0 || all[len(all)-1] != level {
			all = append(all, level)
		}
	}
	b.calls = nil
	return strings.Join(all, " ")
}

// A PWM output fades in equal steps, and a step that comes late puts off none.
func TestFadeOfPWM(t *testing.T) {
	b := newBench(t)
	fan := Output{PWM: "fan"}
	b.pwms["fan"] = 20 * percent
	b.Fade(fan, 40*percent, 100*ms, b.ok)
	b.pass(99 * ms)
	if got := b.levels(); got != "20 24 28 32 36" {
		t.Errorf("levels %s", got)
	}
	if st := b.Status(); len(st) != 1 || st[0].Name != "pwm fan" || st[0].Detail != "fades to 40% over 100ms" {
		t.Errorf("%+v", st)
	}
	b.pass(1 * ms)
	if got := b.levels(); got != "40" || len(b.Status()) > 0 {
		t.Errorf("at the end %s, %v", got, b.Status())
	}
	// The next order replaces a fade, which begins where the output is.
	b.Fade(fan, 0, 100*ms, b.ok)
	b.pass(50 * ms)
	b.SetPWM("fan", sources.Full, b.ok)
	b.pass(time.Second)
	if got := b.levels(); got != "40 32 24 100" {
		t.Errorf("levels %s", got)
	}
	// The end of the agent, or of the declaration, is the end of the fade.
	b.Fade(fan, 30*percent, time.Hour, b.ok)
	b.Keep(func(Output) bool { return false })
	if got := b.levels(); got != "100 30" {
		t.Errorf("levels %s", got)
	}
}

// A long fade has no more steps than can be told apart.
func TestSlowFadeHasFewSteps(t *testing.T) {
	b := newBench(t)
	b.pwms["fan"] = 0
	b.Fade(Output{PWM: "fan"}, sources.Full, time.Hour, b.ok)
	b.pass(time.Hour)
	if n := len(b.calls); n > mostSteps+2 || n < mostSteps/2 {
		t.Errorf("%d steps", n)
	}
}

func TestPulseAndBlinkOfPWM(t *testing.T) {
	b := newBench(t)
	fan := Output{PWM: "fan"}
	b.pwms["fan"] = 30 * percent
	b.Blink(fan, Rhythm{[]time.Duration{10 * ms, 10 * ms}, 2}, nil, b.ok)
	b.pass(time.Second)
	b.Pulse(fan, true, Rhythm{[]time.Duration{10 * ms}, 1}, nil, b.ok)
	b.pass(time.Second)
	b.TogglePWM("fan", b.ok)
	b.TogglePWM("fan", b.ok)
	if got := b.levels(); got != "100 0 100 0 30 100 0 100 0" {
		t.Errorf("levels %s", got)
	}
}

// A LED fades as the eye sees it: half as light is a fifth as bright.
func TestFadeOfLED(t *testing.T) {
	b := newBench(t)
	b.plug("L", "[none] timer", "0")
	if err := os.WriteFile(filepath.Join(b.leds, "L", "max_brightness"), []byte("255"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.Fade(Output{LED: "L"}, sources.Full, time.Second, b.ok)
	b.settle()
	var seen []string
	for range 5 {
		b.pass(200 * ms)
		b.settle()
		seen = append(seen, strings.Fields(b.led("L"))[0])
	}
	if got := strings.Join(seen, " "); got != "8 29 72 145 255" {
		t.Errorf("brightness %s", got)
	}
	b.Fade(Output{LED: "L"}, 0, time.Second, b.ok)
	b.settle()
	b.pass(500 * ms)
	b.settle()
	if got := strings.Fields(b.led("L"))[0]; got != "47" {
		t.Errorf("half as light: %s", got)
	}
}

// Where the kernel has its trigger for patterns, it has the steps, and nothing wakes up
// before the end.
func TestFadeByKernel(t *testing.T) {
	b := newBench(t)
	b.plug("L", "none [heartbeat] pattern", "0")
	file := func(name string) string {
		text, err := os.ReadFile(filepath.Join(b.leds, "L", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for _, name := range []string{"pattern", "repeat"} {
		if err := os.WriteFile(filepath.Join(b.leds, "L", name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	led := Output{LED: "L"}
	b.Fade(led, 50*percent, time.Second, b.ok)
	b.settle()
	// 20 steps of brightness, of which half as light has four, as late as the eye sees it.
	if got, want := file("pattern"), "0 20 0 0 1 640 1 0 2 180 2 0 3 140 3 0 4 20 4 0 4 20 4 0 "; got != want {
		t.Errorf("pattern %q, want %q", got, want)
	}
	if file("trigger") != "pattern" || file("repeat") != "1" || file("brightness") != "0\n" {
		t.Errorf("trigger %q, repeat %q, brightness %q", file("trigger"), file("repeat"), file("brightness"))
	}
	if st := b.Status(); len(st) != 1 || st[0].Detail != "fades to 50% over 1s, by the kernel" {
		t.Errorf("%+v", st)
	}
	if len(b.timers) != 1 {
		t.Errorf("%d timers", len(b.timers))
	}
	// What the kernel would show, when the next order comes.
	if err := os.WriteFile(filepath.Join(b.leds, "L", "trigger"), []byte("none heartbeat [pattern]"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.pass(time.Second)
	if file("pattern") != "\n" || file("brightness") != "4" || len(b.Status()) > 0 {
		t.Errorf("at the end pattern %q, brightness %q", file("pattern"), file("brightness"))
	}
	// Another order, and the end of the agent, end the pattern.
	for _, end := range []func(){
		func() { b.SetLED("L", Setting{To: "on"}, b.ok) },
		func() { b.Blink(led, Rhythm{[]time.Duration{10 * ms, 10 * ms}, 1}, nil, b.ok) },
		func() { b.Rest() },
	} {
		b.Fade(led, sources.Full, time.Second, b.ok)
		b.pass(300 * ms)
		if err := os.WriteFile(filepath.Join(b.leds, "L", "trigger"), []byte("none heartbeat [pattern]"), 0o600); err != nil {
			t.Fatal(err)
		}
		end()
		b.settle()
		if file("pattern") != "\n" || file("brightness") != "20" {
			t.Errorf("pattern %q, brightness %q", file("pattern"), file("brightness"))
		}
		b.pass(time.Second)
	}
}

// A pattern is as long as the fade, ends where it ends, and fits in an attribute.
func TestPattern(t *testing.T) {
	for _, r := range []ramp{
		{0, sources.Full, time.Second}, {sources.Full, 0, 50 * ms}, {1, 2, time.Hour}, {30 * percent, 90 * percent, 24 * time.Hour},
		{sources.Full, 1, 12345 * ms}, {5 * percent, 5 * percent, time.Minute},
	} {
		for _, greatest := range []int{2, 20, 255, 4095, 65535} {
			text := r.pattern(greatest)
			words := strings.Fields(text)
			var total time.Duration
			steps := len(words) / 4
			for i := range steps {
				var n, span, again, zero int
				if _, err := fmt.Sscan(strings.Join(words[4*i:4*i+4], " "), &n, &span, &again, &zero); err != nil || n != again || zero != 0 || span == 0 {
					t.Fatalf("%+v: %q: %v", r, text, err)
				}
				due := shade(r.at(total), greatest)
				if i == steps-1 {
					due = shade(r.to, greatest)
				}
				if n != due {
					t.Errorf("%+v of %d: %d after %v, want %d", r, greatest, n, total, due)
				}
				total += time.Duration(span) * time.Millisecond
			}
			if total != r.over+fastest || len(text) > longestPattern {
				t.Errorf("%+v of %d: %v, %d bytes", r, greatest, total, len(text))
			}
		}
	}
}

// What is on or off cannot fade, and the order says so.
func TestFadeOfOneStep(t *testing.T) {
	b := newBench(t)
	b.plug("L", "[none] timer", "0")
	if err := os.WriteFile(filepath.Join(b.leds, "L", "max_brightness"), []byte("1"), 0o600); err != nil {
		t.Fatal(err)
	}
	var errs []string
	note := func(err error) { errs = append(errs, fmt.Sprint(err)) }
	b.Fade(Output{LED: "L"}, sources.Full, time.Second, note)
	b.settle()
	b.Fade(Output{Line: "lamp"}, sources.Full, time.Second, note)
	if got := strings.Join(errs, "; "); got != "LED L cannot fade: it is on or off (its max_brightness is 1); line lamp cannot fade: it is on or off" {
		t.Error(got)
	}
	if len(b.Status()) > 0 {
		t.Error(b.Status())
	}
}

func TestLightness(t *testing.T) {
	for l := 0.0; l <= 1; l += 1.0 / 64 {
		if back := lightness(luminance(l)); math.Abs(back-l) > 1e-4 {
			t.Errorf("%v comes back as %v", l, back)
		}
	}
	if luminance(1) != 1 || luminance(0) != 0 {
		t.Error("the ends are not the ends")
	}
}

// `doctor` says what a fade lacks.
func TestExamineFade(t *testing.T) {
	root := t.TempDir()
	led := filepath.Join(root, "sys/class/leds/L")
	if err := os.MkdirAll(led, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ greatest, trigger, want string }{
		{"1", "[none] pattern", "LED L cannot fade: it is on or off (its max_brightness is 1)"},
		{"255", "[none] timer", "a fade wakes reflexd up 50 times a second: the kernel has no LED trigger pattern"},
		{"255", "none [pattern]", ""},
	} {
		for name, text := range map[string]string{"max_brightness": c.greatest, "trigger": c.trigger} {
			if err := os.WriteFile(filepath.Join(led, name), []byte(text+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		x := &sources.Report{Machine: sources.Machine{Root: root}}
		ExamineFade(x, nil, "L")
		ExamineFade(x, nil, "missing")
		var got []string
		for _, f := range x.Findings {
			got = append(got, f.Found)
		}
		if s := strings.Join(got, "; "); s != c.want {
			t.Errorf("%s %s: %q, want %q", c.greatest, c.trigger, s, c.want)
		}
	}
}
