// SPDX-License-Identifier: MIT

package input

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"reflexd/agent/loop"
	"reflexd/config"
	"reflexd/sources"
)

const comings = "inputs: {remote: {name: Remote*}, pad: {name: Pad}}\nrules: [{input: [remote, pad], is: [present, absent]}]"

func TestInputsComeAndGo(t *testing.T) {
	r := newRig(t)
	first := r.plug("Remote", "KEY_A")
	r.plug("Other", "KEY_A")
	r.apply(comings)
	r.Await("the first look is over", func() bool {
		p := r.source.presences["pad"]
		return p != nil && p.known
	})
	r.expect() // what was there at start is no news
	pad := r.plug("Pad", "BTN_SOUTH")
	r.expect("input pad present")
	second := r.plug("Remote 2", "KEY_A")
	r.quiet()
	r.unplug(first)
	r.quiet()
	r.expect() // another one of that name is still there
	r.unplug(second)
	e := r.expect("input remote absent")[0]
	for name, want := range map[string]string{"INPUT": "remote", "DEVICE": first.path, "NAME": "Remote"} {
		if v, _ := e.Lookup(name); v.String() != want {
			t.Errorf("%s is %q, want %q", name, v, want)
		}
	}
	r.unplug(pad)
	r.expect("input pad absent")
}

// A reload fires nothing, whatever it says of which device is which.
func TestInputsStayPresentOverAReload(t *testing.T) {
	r := newRig(t)
	f := r.plug("Remote", "KEY_A")
	r.apply(comings)
	r.quiet()
	r.apply(strings.Replace(comings, "Pad}", "R*}", 1))
	r.apply(comings)
	r.quiet()
	r.expect()
	r.unplug(f)
	r.expect("input remote absent")
}

// A device whose opening hangs keeps others from being found absent, not from
// being found present.
func TestPresenceWhileADeviceHangs(t *testing.T) {
	r := newRig(t)
	f := r.plug("Remote", "KEY_A")
	r.apply(comings)
	r.quiet()
	hangs := &fake{opening: make(chan struct{})}
	func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		hangs.path, hangs.fd, hangs.write = r.dev+"/input/event77", -1, -1
		hangs.id.name = "Hangs"
		r.devices[hangs.path] = hangs
	}()
	r.node(hangs.path)
	r.Await("it is being opened", func() bool { return r.source.nodes[hangs.path] != nil })
	r.plug("Pad", "KEY_A")
	r.expect("input pad present")
	r.unplug(f)
	r.Await("it is gone", func() bool { return r.source.nodes[f.path] == nil })
	r.expect()
	close(hangs.opening)
	r.expect("input remote absent")
}

// now returns an event of now.
func (r *rig) now(name string, value int32) []byte {
	var at time.Duration
	r.Do(func() { at = r.loop.Now() })
	return ev(r.t, at.Milliseconds(), name, value)
}

func TestSilenceOfAKeyboard(t *testing.T) {
	s := silence{t: t, loop: loop.NewVirtual(time.Hour)}
	s.open(`inputs: {kbd: {name: Keyboard}}
rules:
  - {input: kbd, is: [idle, active], for: 250ms}
  - {input: kbd, is: idle, for: 500ms}
  - {input: kbd, is: active, for: 500ms}
  - {key: KEY_B, is: pressed}`)
	s.pass(time.Second)
	s.press() // which no rule wants
	if s.accepted != [3]int{2, 1, 1} {
		t.Errorf("accepted %v", s.accepted)
	}
	// Life goes on: nothing is emitted, and no timer is set for each event.
	before := s.loop.Wakeups()
	for range 1000 {
		s.press()
		s.pass(7 * time.Millisecond)
	}
	if s.accepted != [3]int{2, 1, 1} {
		t.Errorf("accepted %v while keys were pressed", s.accepted)
	}
	const spans = 7_000 / 250 // after each, one looks how long the silence is
	if n := s.loop.Wakeups() - before; n > 2*1000+2*spans {
		t.Errorf("%d wake-ups for 1000 events", n)
	}
	s.pass(time.Second)
	if s.accepted != [3]int{3, 2, 1} {
		t.Errorf("accepted %v in the end", s.accepted)
	}
}

// silence is a simulated keyboard, called kbd, in virtual time.
type silence struct {
	t        *testing.T
	loop     *loop.Loop
	source   *source
	triggers []*sources.Trigger
	accepted [3]int // events, by the first triggers
}

func (s *silence) open(text string) {
	s.t.Helper()
	c, ps := compile(text)
	if ps.Failed() {
		s.t.Fatal(ps.Error())
	}
	s.triggers = c.triggers
	s.source = openWithoutKernel(sources.Host{Loop: s.loop, Emit: s.emit, Log: slog.New(slog.DiscardHandler), Simulated: true})
	s.source.kernel.identify = func(int) (identity, error) {
		return identity{name: "Keyboard", simulates: "kbd", has: codes{keys: everyCode.keys}}, nil
	}
	s.t.Cleanup(s.source.Close)
	if err := s.source.SimulatePresence(c.plan, "kbd", true); err != nil {
		s.t.Fatal(err)
	}
	s.source.Apply(c.plan)
	s.pass(0)
}

func (s *silence) emit(e *sources.Event) {
	for i := range s.accepted {
		t := s.triggers[i]
		if slices.ContainsFunc(t.Topics, func(topic sources.Topic) bool { return topic.Kind == e.Topic.Kind && topic.State == e.Topic.State }) && t.Accepts(e) {
			s.accepted[i]++
		}
	}
}

func (s *silence) pass(d time.Duration) { s.loop.Advance(s.loop.Now()+d, func() {}) }

// press is a repetition of a key that is down.
func (s *silence) press() {
	s.t.Helper()
	key, err := ParseKey("KEY_A")
	if err == nil {
		err = s.source.SimulateKey("kbd", key, 2)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// The second time is far away when the first is due again.
func TestSilenceThatIsBrokenBetweenTwoTimes(t *testing.T) {
	r := newRig(t)
	f := r.plug("Keyboard", "KEY_A")
	r.apply("inputs: {kbd: {name: Keyboard}}\nrules: [{input: kbd, is: [idle, active], for: 100ms}, {input: kbd, is: idle, for: 1h}]")
	r.isOpen(f)
	r.expect("input kbd idle")
	r.send(f, r.now("KEY_A", 1), report)
	r.expect("input kbd active", "input kbd idle")
}

// Wheels and axes that nobody wants are let through from time to time.
func TestSilenceOfAMouse(t *testing.T) {
	r := newRig(t)
	f := r.plug("Mouse", "REL_X", "BTN_LEFT")
	r.apply("inputs: {mouse: {name: Mouse}}\nrules: [{input: mouse, is: [idle, active], for: 2s}]")
	r.isOpen(f)
	passes := func() bool { return see(r, f, func(f *fake) bool { return f.mask.has(evRel, 0) || !f.masked }) }
	if !passes() {
		t.Fatal("nothing would be heard of it")
	}
	r.send(f, r.now("REL_X", 1), report)
	r.Await("it is held back", func() bool { return !passes() })
	if see(r, f, func(f *fake) bool { return !f.mask.has(evKey, 0x110) }) {
		t.Error("its buttons are held back too")
	}
	r.Await("it is let through again", passes)
	r.expect("input mouse idle")
	r.send(f, r.now("REL_X", 1), report)
	e := r.expect("input mouse active")[0]
	v, _ := e.Lookup("IDLE_MS")
	if ms, _ := v.Int(); ms < 2000 || ms > 15_000 {
		t.Errorf("IDLE_MS %d", ms)
	}
}

// Time goes on over a reload, and what a new rule missed does not fire.
func TestSilenceOverAReload(t *testing.T) {
	r := newRig(t)
	f := r.plug("Keyboard", "KEY_A")
	r.apply("inputs: {kbd: {name: Keyboard}}\nrules: [{input: kbd, is: idle, for: 100ms}]")
	r.isOpen(f)
	r.expect("input kbd idle")
	r.apply("inputs: {kbd: {name: Keyboard}}\nrules: [{input: kbd, is: idle, for: 50ms}, {input: kbd, is: idle, for: 1000ms}, {input: kbd, is: active, for: 50ms}]")
	e := r.expect("input kbd idle")[0]
	if v, _ := e.Lookup("IDLE_MS"); v.String() != "1000" {
		t.Errorf("IDLE_MS %s", v)
	}
	r.send(f, r.now("KEY_A", 1), report)
	r.expect("input kbd active", "input kbd idle", "input kbd idle")
	r.apply("{}")
	r.Do(func() {
		if len(r.source.idleWatches) != 0 || len(r.source.presences) != 0 {
			t.Error("it watches on")
		}
	})
}

// ask makes a condition of the plan.
func ask(t *testing.T, p *Plan, kind, text string) *sources.Question {
	t.Helper()
	ps := &config.Problems{}
	n, _ := config.Parse("f", []byte(text), ps)
	for _, k := range p.Conditions() {
		if k.Key == kind {
			fields, compile := k.New()
			config.Object(fields...).Read(n, ps)
			if question := compile(ps); !ps.Failed() {
				return &question
			}
		}
	}
	t.Fatal(ps)
	return nil
}

func TestConditionsOnKeysAndInputs(t *testing.T) {
	r := newRig(t)
	c, ps := compile("inputs: {kbd: {name: Keyboard}}\nrules: [{key: KEY_B, is: pressed}]")
	if ps.Failed() {
		t.Fatal(ps)
	}
	down := ask(t, c.plan, "key", "{key: KEY_A, is: pressed}")
	up := ask(t, c.plan, "key", "{key: KEY_A, is: released, from: kbd}")
	here := ask(t, c.plan, "input", "{input: kbd, is: present}")
	away := ask(t, c.plan, "input", "{input: kbd, is: absent}")
	answers := func(when string, want ...sources.Truth) {
		t.Helper()
		r.Do(func() {
			for i, question := range []*sources.Question{down, up, here, away} {
				if got := r.table.Ask(question, 0); got != want[i] {
					t.Errorf("%s: answer %d is %d, want %d", when, i, got, want[i])
				}
			}
		})
	}
	answers("before anything is known", 0, 0, 0, 0)
	r.Do(func() { r.source.Apply(c.plan) })
	r.quiet()
	answers("without a device", 0, 0, sources.No, sources.Yes)
	f := r.plug("Keyboard", "KEY_A", "KEY_B")
	r.isOpen(f)
	r.expect("key KEY_A starts-up synthetic", "input kbd present")
	answers("at first", sources.No, sources.Yes, sources.Yes, sources.No)
	r.send(f, ev(t, 1, "KEY_A", 1), report)
	r.expect("key KEY_A down")
	answers("while it is down", sources.Yes, sources.No, sources.Yes, sources.No)
	r.unplug(f)
	r.quiet()
	answers("after it went", 0, 0, sources.No, sources.Yes)
}

// What a configuration does not want any more is not known to the next one,
// which may come when the device is gone.
func TestStatesOfWhatIsNotWantedMeanwhile(t *testing.T) {
	const all = "inputs: {kbd: {name: Keyboard}}\nrules: [{key: KEY_A, is: pressed}, {key: KEY_B, is: pressed}, {switch: SW_LID, is: on}]"
	r := newRig(t)
	f := r.plug("Keyboard", "KEY_A", "KEY_B", "SW_LID")
	r.apply(all)
	r.isOpen(f)
	r.send(f, ev(t, 1, "KEY_A", 1), ev(t, 1, "KEY_B", 1), ev(t, 1, "SW_LID", 1), report)
	r.expect("key KEY_A down", "key KEY_B down", "switch SW_LID on")
	stands := func(when string, want ...string) {
		t.Helper()
		r.Do(func() {
			for i, what := range []string{"key KEY_A", "key KEY_B", "switch SW_LID", "input kbd"} {
				kind, name, _ := strings.Cut(what, " ")
				if got, _ := r.table.State(kind, name); got != want[i] {
					t.Errorf("%s: %s is %q, want %q", when, what, got, want[i])
				}
			}
		})
	}
	stands("at first", "pressed", "pressed", "on", "present")
	r.apply("inputs: {kbd: {name: Keyboard}}\nrules: [{key: KEY_B, is: pressed}]")
	stands("without A and the switch", "", "pressed", "", "present")
	r.apply("rules: []")
	stands("without the input", "", "", "", "")
}
