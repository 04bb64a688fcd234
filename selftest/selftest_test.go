// SPDX-License-Identifier: MIT

package selftest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"reflexd/machine"
	"reflexd/sources"
	"reflexd/sources/gpio"
)

// setup is a machine with one chip, on which a driver holds line 3.
func setup(t *testing.T) *Setup {
	t.Helper()
	lines := make([]gpio.LineInfo, 8)
	for i := range lines {
		lines[i].Offset = i
	}
	lines[3].Used, lines[3].Consumer = true, "button"
	lines[4].Used = true
	m := sources.Machine{Root: t.TempDir()}
	if err := os.MkdirAll(m.Path("/sys/class/leds/ACT"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"brightness": "7\n", "trigger": "none timer [mmc0] heartbeat\n"} {
		if err := os.WriteFile(m.Path("/sys/class/leds/ACT/"+name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return &Setup{Machine: m, Lines: &machine.Lines{Model: "A board", Chips: []gpio.Chip{{Name: "gpiochip0", Label: "chip", Lines: lines}}},
		Version: "v1.0.0", Kernel: "Linux 6.1.0 aarch64", CPUs: 4}
}

func TestCheck(t *testing.T) {
	for _, c := range []struct{ out, in, button, led, want string }{
		{"chip:1", "chip:2", "", "", ""},
		{"chip:1", "chip:2", "chip:5", "ACT", ""},
		{"chip:1", "gpiochip0:1", "", "", "chip:1 and gpiochip0:1 are the same line, gpiochip0:1"},
		{"chip:1", "chip:1", "", "", "name two different lines"},
		{"chip:1", "chip:2", "chip:2", "", "chip:2 and chip:2 are the same line"},
		{"chip:1", "chip:3", "", "", `chip:3 (gpiochip0:3) is in use: "button" holds it`},
		{"chip:1", "chip:4", "", "", `chip:4 (gpiochip0:4) is in use: the kernel holds it`},
		{"chip:1", "chip:99", "", "", "there is no 99"},
		{"", "", "", "GREEN", "class/leds has ACT"},
		{"", "", "", "../leds/ACT", "no LED ../leds/ACT: "},
	} {
		s := setup(t)
		s.Output, s.Input, s.Button, s.LED = c.out, c.in, c.button, c.led
		err := s.Check()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestReport(t *testing.T) {
	s := setup(t)
	s.Output, s.Input = "chip:1", "chip:2"
	r := newReport(s)
	r.Results = append(r.Results, Result{Test: "wire", Outcome: OK, Found: "chip:2 follows chip:1"}, Result{Test: "LED", Outcome: Skipped, Found: "--led names one"})
	var b strings.Builder
	r.Write(&b)
	want := `reflexd:   v1.0.0
board:     A board
kernel:    Linux 6.1.0 aarch64
CPUs:      4
chips:     chip (8 lines)
joined:    chip:1 (chip:1) drives, chip:2 (chip:2) reads

ok   wire      chip:2 follows chip:1
skip LED       --led names one
`
	if b.String() != want {
		t.Errorf("the report is\n%s", b.String())
	}
	if r.Failed() {
		t.Error("nothing was BAD")
	}
	r.Results[0].Outcome = Bad
	text, err := json.Marshal(r)
	if err != nil || !r.Failed() || !strings.Contains(string(text), `"results":[{"test":"wire","outcome":"BAD"`) {
		t.Errorf("%s, %v", text, err)
	}
}

func TestBounce(t *testing.T) {
	ms := time.Millisecond
	var slow []time.Duration
	for i := range 10 {
		at := time.Duration(i) * 200 * ms
		slow = append(slow, at, at+ms, at+3*ms)
	}
	r := bouncing(slow)
	if r.Outcome != OK || r.Found != "30 edges in 10 presses and releases; the longest bounce took 3000 µs" {
		t.Errorf("%+v", r)
	}
	if r := bouncing(slow[:6]); r.Outcome != Note {
		t.Errorf("%+v", r)
	}
	if r := bouncing(nil); r.Outcome != Bad {
		t.Errorf("%+v", r)
	}
}

func TestSpread(t *testing.T) {
	var all []time.Duration
	for i := range 100 {
		all = append(all, time.Duration(100-i)*time.Microsecond)
	}
	text, values := spread(all)
	if text != "median 51 µs, 99 % within 100 µs, longest 100 µs" || values["shortest"] != int64(1) {
		t.Error(text, values)
	}
}

func TestLEDGetsBackWhatItHad(t *testing.T) {
	s := setup(t)
	s.LED = "ACT"
	b := &bench{Setup: s}
	restore, err := b.keepLED()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"brightness", "trigger"} {
		if err := os.WriteFile(filepath.Join(s.ledFolder(), name), []byte("other"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	restore()
	for name, want := range map[string]string{"brightness": "7\n", "trigger": "mmc0"} {
		if got, err := os.ReadFile(filepath.Join(s.ledFolder(), name)); string(got) != want {
			t.Errorf("%s is %q, %v", name, got, err)
		}
	}
}
