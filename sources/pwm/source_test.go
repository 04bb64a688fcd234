// SPDX-License-Identifier: MIT

package pwm

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"reflexd/agent/loop"
	"reflexd/agent/loop/looptest"
	"reflexd/board"
	"reflexd/config"
	"reflexd/sources"
	"reflexd/sources/plantest"
)

// rig is the source under test, with a chip of files, whose channel is exported.
type rig struct {
	t      *testing.T
	sys    string
	loop   *loop.Loop
	source *Source
	log    strings.Builder
}

func newRig(t *testing.T) *rig {
	r := &rig{t: t, sys: t.TempDir(), loop: loop.NewVirtual(time.Hour)}
	r.source = Open(sources.Host{Loop: r.loop, Sys: r.sys, Proc: t.TempDir(), Log: slog.New(slog.NewTextHandler(&r.log, nil)), Emit: func(*sources.Event) {}})
	return r
}

func (r *rig) plug() {
	r.t.Helper()
	folder := filepath.Join(r.sys, "class/pwm/pwmchip3/pwm0")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.Symlink("../../../fe20c000.pwm", filepath.Join(filepath.Dir(folder), "device")); err != nil {
		r.t.Fatal(err)
	}
	for name, text := range map[string]string{"period": "0", "duty_cycle": "0", "enable": "0", "polarity": "normal\n"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *rig) apply(declared string) *Plan {
	r.t.Helper()
	p := &Plan{}
	if ps := plantest.Read(p.Sections()[0].Value, declared, func(ps *config.Problems) { p.Resolve(ps); p.Check(nil, ps) }); ps.Failed() {
		r.t.Fatal(ps)
	}
	r.source.Apply(p)
	r.loop.Advance(r.loop.Now(), func() {})
	return p
}

// is compares what the attributes hold.
func (r *rig) is(want string) {
	r.t.Helper()
	var words []string
	for _, name := range []string{"period", "duty_cycle", "enable", "polarity"} {
		text, err := os.ReadFile(filepath.Join(r.sys, "class/pwm/pwmchip3/pwm0", name))
		if err != nil {
			r.t.Fatal(err)
		}
		words = append(words, strings.TrimSpace(string(text)))
	}
	if got := strings.Join(words, " "); got != want {
		r.t.Errorf("%s, want %s\n%s", got, want, r.log.String())
	}
}

// A chip that comes late gets the level that was ordered meanwhile; the next plan
// leaves it alone, and on_exit is what it is left as.
func TestLifeOfAnOutput(t *testing.T) {
	const declared = `fan: {chip: "fe20*", frequency: 25kHz, initial: 40%, polarity: inversed, on_exit: 100%}`
	r := newRig(t)
	p := r.apply(declared)
	if st := r.source.Status(); st[0].OK || !strings.Contains(st[0].Error, "no PWM chip is called fe20*") || !r.source.Started() {
		t.Errorf("%+v", st)
	}
	r.source.Set("fan", 50*sources.Full/100, func(error) {})
	r.loop.Advance(r.loop.Now(), func() {})
	r.plug()
	r.source.Notify(&sources.Event{Topic: sources.Topic{Kind: "uevent", Name: "pwm", State: "add"}})
	r.loop.Advance(r.loop.Now(), func() {})
	r.is("40000 20000 1 inversed")
	if v, ok := p.Namespaces()[0].Value("fan"); !ok || v.String() != "50%" {
		t.Errorf("${pwm.fan} is %v, %v", v, ok)
	}
	var got []error
	r.source.Set("fan", 0, func(err error) { got = append(got, err) })
	r.source.Set("fan", sources.Full/8, func(err error) { got = append(got, err) })
	r.loop.Advance(r.loop.Now(), func() {})
	r.is("40000 5000 1 inversed")
	if len(got) != 2 || got[0] != nil || got[1] != nil {
		t.Errorf("%v", got)
	}
	r.apply(declared)
	r.is("40000 5000 1 inversed")
	r.apply("{}")
	r.is("40000 40000 1 inversed")
	r.source.Close()
}

// What was still to be written when the agent ends does not come after what on_exit
// says.
func TestLeaving(t *testing.T) {
	r := newRig(t)
	r.plug()
	var c channel
	st := settings{place: place{chip: "fe20*"}, period: 40 * time.Microsecond, polarity: "normal"}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if err := c.set(st, "", r.sys, sources.Full/2); err != nil {
				t.Error(err)
			}
		})
	}
	if err := c.leave(st, "", r.sys, sources.Full); err != nil {
		t.Error(err)
	}
	all.Wait()
	r.is("40000 40000 1 normal")
}

// A chip is found whose uevent came while it was looked for, or was lost, and one that
// could not be looked for since there were no descriptors left, say.
func TestChipsAreNotMissed(t *testing.T) {
	uevent := sources.Topic{Kind: "uevent", Name: "pwm", State: "add"}
	for name, about := range map[string]sources.Topic{"meanwhile": uevent, "lost": {Kind: "loss", Name: "uevent", State: "lost"}} {
		r := newRig(t)
		late := &looptest.Late{Loop: r.loop}
		r.source.host.Loop = late
		p := r.apply("fan: {chip: fe20c000.pwm, initial: 50%}")
		if !slices.Contains(p.Subscribes(), about.Kind) {
			t.Errorf("%s: it does not subscribe to %s", name, about.Kind)
		}
		if about != uevent {
			late.End()
		}
		r.plug()
		r.source.Notify(&sources.Event{Topic: about})
		late.End()
		r.is("1000000 500000 1 normal")
	}
	r := newRig(t)
	class := filepath.Join(r.sys, "class/pwm")
	if err := os.MkdirAll(filepath.Dir(class), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(class, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r.apply("fan: {chip: fe20c000.pwm, initial: 50%}")
	if err := os.Remove(class); err != nil {
		t.Fatal(err)
	}
	r.plug()
	r.loop.Advance(r.loop.Now()+time.Second, func() {})
	r.is("1000000 500000 1 normal")
}

// What was ordered of an output that is declared otherwise by now holds if it is
// still the same channel, and else is not written to the channel.
func TestOrdersBeforeAReload(t *testing.T) {
	for declared, want := range map[string]struct {
		channel string
		fails   bool
	}{
		"cooler: {chip: fe20c000.pwm, frequency: 25kHz, initial: 50%}": {"40000 40000 1 normal", false},
		"fan: {chip: other, frequency: 25kHz, initial: 50%}":           {"1000000 250000 1 normal", true},
	} {
		r := newRig(t)
		late := &looptest.Late{Loop: r.loop}
		r.source.host.Loop = late
		r.plug()
		r.apply("fan: {chip: fe20c000.pwm, on_exit: 25%}")
		late.End()
		var got []error
		for level := range 2 {
			r.source.Set("fan", level*sources.Full, func(err error) { got = append(got, err) })
		}
		r.apply(declared)
		late.End()
		late.End()
		r.is(want.channel)
		if len(got) != 2 || got[0] != nil || (got[1] != nil) != want.fails {
			t.Errorf("%s: the orders ended with %v", declared, got)
		}
	}
}

// A chip that does not answer keeps no reload waiting, and its output is left as on_exit
// says once it does.
func TestReloadDoesNotWaitForAChip(t *testing.T) {
	r := newRig(t)
	r.plug()
	r.apply("fan: {chip: fe20c000.pwm, initial: 50%, on_exit: off}")
	device := &r.source.nodes["fan"].device
	device.mu.Lock() // as a write that hangs does
	ended := make(chan func())
	r.source.host.Loop = beside{r.loop, ended}
	r.apply("{}")
	r.is("1000000 500000 1 normal")
	device.mu.Unlock()
	(<-ended)()
	r.is("1000000 0 1 normal")
}

// beside is a loop that really does work in the background.
type beside struct {
	*loop.Loop
	ended chan func()
}

func (b beside) Beside(work, done func()) {
	go func() {
		work()
		b.ended <- done
	}()
}

// What a reload has dropped is left as on_exit says even if the agent ends at once.
func TestEndingAfterAReload(t *testing.T) {
	r := newRig(t)
	r.plug()
	r.apply("fan: {chip: fe20c000.pwm, initial: 50%, on_exit: off}")
	r.source.host.Loop = &looptest.Late{Loop: r.loop}
	r.apply("{}")
	r.source.Close()
	r.is("1000000 0 1 normal")
}

// The same channel in other words is not left as the on_exit before says.
func TestAnotherNameForAChannel(t *testing.T) {
	r := newRig(t)
	r.plug()
	r.apply("fan: {chip: fe20c000.pwm, initial: 50%, on_exit: off}")
	r.apply("fan: {chip: 'fe20*', initial: 75%, on_exit: off}")
	r.is("1000000 750000 1 normal")
}

// on_exit is for an output, too, that could not be set the last time.
func TestLeavingAfterAFailure(t *testing.T) {
	r := newRig(t)
	r.plug()
	r.apply("heater: {chip: fe20c000.pwm, initial: 50%, on_exit: off}")
	duty := filepath.Join(r.sys, "class/pwm/pwmchip3/pwm0/duty_cycle")
	for _, step := range []func() error{
		func() error { return os.Remove(duty) },
		func() error { return os.Mkdir(duty, 0o700) },
		func() (err error) {
			r.source.Set("heater", sources.Full, func(error) {})
			r.loop.Advance(r.loop.Now(), func() {})
			return nil
		},
		func() error { return os.Remove(duty) },
		func() error { return os.WriteFile(duty, []byte("500000"), 0o600) },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	if st := r.source.Status()[0]; st.OK {
		t.Fatal("it was set")
	}
	r.source.Close()
	r.is("1000000 0 1 normal")
}

// A pin leads to the channel that it has on the board, which the configuration names
// or the machine is.
func TestPins(t *testing.T) {
	pi4, err := board.Named("rpi-4b")
	if err != nil {
		t.Fatal(err)
	}
	check := func(declared string, b, detected *board.Board) (*Plan, string) {
		p := &Plan{}
		ps := plantest.Read(p.Sections()[0].Value, declared, func(ps *config.Problems) {
			p.Resolve(ps)
			p.Check(b, ps)
			p.Lint(detected, ps)
		})
		return p, strings.TrimSpace(ps.Error())
	}
	p, _ := check("fan: {pwm: pin 12}", pi4, nil)
	if o := p.outputs["fan"]; o.chip != "fe20c000.pwm" || o.channel != 0 || o.describe() != "pin 12, fe20c000.pwm channel 0" {
		t.Errorf("%+v", o)
	}
	for _, c := range []struct {
		declared        string
		named, detected *board.Board
		want            string
	}{
		{"fan: {pwm: GPIO17}", pi4, nil, "f:1:12: GPIO17 has no PWM: on the Raspberry Pi 4 Model B, pin 12 (GPIO18), "},
		{"fan: {pwm: GPIO17}", nil, pi4, "f:1:12: warning: GPIO17 has no PWM"},
		{"a: {pwm: GPIO18}\nb: {pwm: pin 32}", pi4, nil, "f:2:1: channel 0 of fe20c000.pwm is already declared as a"},
		{"a: {pwm: GPIO18}\nb: {chip: fe20c000.pwm}", nil, pi4, "f:2:1: warning: channel 0 of fe20c000.pwm is already declared as a"},
		{"a: {pwm: GPIO18}\nb: {pwm: GPIO13}", nil, pi4, ""},
		{"a: {pwm: GPIO18, channel: 1}", nil, nil, "f:1:18: unknown key \"channel\""},
		{"a: {frequency: 1kHz}", nil, nil, "f:1:4: "},
	} {
		if _, got := check(c.declared, c.named, c.detected); !strings.HasPrefix(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%s: %s, want %s", c.declared, got, c.want)
		}
	}

	r := newRig(t)
	r.plug()
	tree := filepath.Join(r.source.host.Proc, "device-tree")
	if err := os.MkdirAll(tree, 0o755); err != nil {
		t.Fatal(err)
	}
	r.apply("fan: {pwm: GPIO18, initial: 50%}")
	if st := r.source.Status()[0]; st.OK || !strings.Contains(st.Error, "GPIO18: this board is not in the board tables") {
		t.Errorf("%+v", st)
	}
	if err := os.WriteFile(filepath.Join(tree, "compatible"), []byte("raspberrypi,4-model-b\x00brcm,bcm2711\x00"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.source.Notify(&sources.Event{Topic: sources.Topic{Kind: "uevent", Name: "pwm", State: "add"}})
	r.loop.Advance(r.loop.Now(), func() {})
	r.is("1000000 500000 1 normal")
}

func TestFrequencies(t *testing.T) {
	for text, want := range map[string]time.Duration{"25kHz": 40 * time.Microsecond, "50Hz": 20 * time.Millisecond, "1.5kHz": 666667, "100MHz": 10,
		"1Hz": time.Second, "0Hz": 0, "25": 0, "kHz": 0, "1GHz": 0, "NaNHz": 0, "-5Hz": 0, "200MHz": 0} {
		got, err := parseFrequency(text)
		if err == nil != (want > 0) || want > 0 && got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
}
