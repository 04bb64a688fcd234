// SPDX-License-Identifier: MIT

// The rig: the source on a real loop, with triggers read from YAML, on a
// goroutine of its own.

package uevent

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reflexd/agent/loop"
	"reflexd/agent/loop/looptest"
	"reflexd/config"
	"reflexd/sources"
)

// heldLoop is the loop, except that while hold is set what is done beside it
// waits for release: the whole of it, or with early set only its end.
type heldLoop struct {
	*loop.Loop
	hold, early bool
	held        []func()
	later       time.Duration // by how much the clock is ahead
	still       time.Duration // where the clock stands, while something is held
}

// Now is the time, which stands still while something is held: however long the
// test takes, no patience is over before it says so.
func (l *heldLoop) Now() time.Duration {
	switch {
	case !l.hold:
		l.still = 0
		return l.Loop.Now() + l.later
	case l.still == 0:
		l.still = l.Loop.Now()
	}
	return l.still + l.later
}

func (l *heldLoop) Woke() time.Duration { return l.Now() }

func (l *heldLoop) Beside(work, done func()) {
	switch {
	case !l.hold:
		l.Loop.Beside(work, done)
	case l.early:
		work()
		l.held = append(l.held, done)
	default:
		l.held = append(l.held, func() { l.Loop.Beside(work, done) })
	}
}

// some lets go what is held now, and goes on holding. It is called on the
// loop's thread.
func (l *heldLoop) some() {
	held := l.held
	l.held = nil
	for _, f := range held {
		f()
	}
}

// release lets go what is held, and what is to come. It is called on the
// loop's thread.
func (l *heldLoop) release() {
	l.hold, l.early = false, false
	for _, f := range l.held {
		f()
	}
	l.held = nil
}

// rig runs one source. All but its methods belong to the loop's thread.
type rig struct {
	*looptest.Stand
	t        testing.TB
	loop     *heldLoop
	source   *Source
	triggers []*sources.Trigger
	queue    []*sources.Event
	// matched has a line for each trigger that an event fired: its number, and
	// the event.
	heard    []string
	losses   []*sources.Event
	turnMost int // the most events in one turn
}

// now is the time of the loop, whose clock belongs to its thread.
func (r *rig) now() (t time.Duration) {
	r.Do(func() { t = r.loop.Now() })
	return t
}

func newRig(t testing.TB, sys string, buffer int) *rig {
	t.Helper()
	stand, l := looptest.New(t)
	r := &rig{Stand: stand, t: t, loop: &heldLoop{Loop: l}}
	r.Missed = func() string { return fmt.Sprintf("heard: %q", r.heard) }
	r.source = Open(sources.Host{
		Loop: r.loop, Log: slog.New(slog.DiscardHandler), Dev: "/dev", Sys: sys, Proc: "/proc",
		Emit: func(e *sources.Event) {
			if sys == "/sys" || !byOthers(e) {
				r.queue = append(r.queue, e.Clone())
			}
		},
	})
	r.source.buffer = buffer
	r.Run(r.turn, r.source.Close)
	return r
}

// byOthers reports whether e is of a device of this machine, and no test has
// caused it: other tests, or whatever runs here, have devices come and go.
func byOthers(e *sources.Event) bool {
	path, _ := e.Lookup("DEVPATH")
	cause, _ := e.Lookup("SYNTH_UUID") // the kernel sets it to 0 where none was given
	_, err := os.Lstat("/sys" + path.String())
	return err == nil && path.String() != "" && (cause.String() == "" || cause.String() == "0")
}

// turn does what the agent does: it looks which triggers the events fire.
func (r *rig) turn() {
	r.turnMost = max(r.turnMost, len(r.queue))
	for _, e := range r.queue {
		if e.Topic.Kind == "loss" {
			r.losses = append(r.losses, e)
		}
		for i, t := range r.triggers {
			if matches(t, e) {
				r.heard = append(r.heard, fmt.Sprintf("%d %s", i, line(e)))
			}
		}
	}
	r.queue = nil
}

func matches(t *sources.Trigger, e *sources.Event) bool {
	for _, topic := range t.Topics {
		same := topic.Kind == e.Topic.Kind && (topic.Name == "" || topic.Name == e.Topic.Name) && (topic.State == "" || topic.State == e.Topic.State)
		if same {
			return t.Accepts(e)
		}
	}
	return false
}

// line writes an event as "add /devices/a COLDPLUG=1 SYNTHETIC=1".
func line(e *sources.Event) string {
	s := e.Topic.State + " "
	if path, ok := e.Lookup("DEVPATH"); ok {
		s += path.String()
	}
	for _, name := range []string{coldplugField, rescanField, syntheticField} {
		if v, ok := e.Lookup(name); ok {
			s += " " + name + "=" + v.String()
		}
	}
	return s
}

// quiet waits until nothing is left to be found or emitted.
func (r *rig) quiet() {
	r.t.Helper()
	r.Await("end of the repair", func() bool {
		s := r.source
		return s.walk == nil && s.delivery == nil && s.storm == nil && !s.rescan
	})
}

// apply has the source follow a new plan with the triggers.
func (r *rig) apply(triggers ...string) {
	r.t.Helper()
	plan, compiled := compile(r.t, triggers...)
	r.Do(func() {
		r.triggers = compiled
		r.source.Apply(plan)
	})
}

func compile(t testing.TB, triggers ...string) (*Plan, []*sources.Trigger) {
	t.Helper()
	plan := &Plan{}
	var ps config.Problems
	var compiled []*sources.Trigger
	for _, text := range triggers {
		compiled = append(compiled, compileOne(plan, text, &ps))
	}
	if ps.Failed() {
		t.Fatal(&ps)
	}
	return plan, compiled
}

func compileOne(p *Plan, text string, ps *config.Problems) *sources.Trigger {
	fields, compile := p.Triggers()[0].New()
	n, _ := config.Parse("f", []byte(text), ps)
	config.Object(fields...).Read(n, ps)
	t := &sources.Trigger{}
	compile(t, ps)
	return t
}

// expect compares what matched since the last call.
func (r *rig) expect(want ...string) {
	r.t.Helper()
	r.Do(func() {
		r.t.Helper()
		if diff := cmp.Diff(want, r.heard); diff != "" {
			r.t.Errorf("heard (-want +got):\n%s", diff)
		}
		r.heard = nil
	})
}

// announce hands the source a message as the kernel makes it.
func (r *rig) announce(action, path string, pairs ...string) {
	r.Do(func() {
		b := kernelMessage(action, path, pairs...)
		r.source.take(b)
		clear(b) // the next message comes into the same buffer
	})
}

func kernelMessage(action, path string, pairs ...string) []byte {
	all := append([]string{action + "@" + path, "ACTION=" + action, "DEVPATH=" + path, "SUBSYSTEM=fake"}, pairs...)
	return []byte(strings.Join(append(all, "SEQNUM=1"), "\x00") + "\x00")
}

// fakeSys makes a folder to stand for /sys, with devices of the subsystem
// fake, which the kernel does not have.
func fakeSys(t testing.TB, paths ...string) string {
	t.Helper()
	sys := t.TempDir()
	for _, name := range []string{"devices", "class", "bus"} {
		if err := os.Mkdir(filepath.Join(sys, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range paths {
		plug(t, sys, p, "DEVTYPE=thing\n")
	}
	return sys
}

func plug(t testing.TB, sys, path, text string) {
	t.Helper()
	dir := filepath.Join(sys, path)
	for _, err := range []error{
		os.MkdirAll(dir, 0o755),
		os.Symlink("../../class/fake", filepath.Join(dir, "subsystem")),
		os.WriteFile(filepath.Join(dir, "uevent"), []byte(text), 0o644),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	link(t, sys, "class/fake", path)
}

// link makes the link to a device in a folder of its subsystem, if it is not
// there: unplug leaves it, as the moment does in which the kernel removes both.
func link(t testing.TB, sys, folder, path string) {
	t.Helper()
	err := os.MkdirAll(filepath.Join(sys, folder), 0o755)
	if err == nil {
		up := strings.Repeat("../", strings.Count(folder, "/")+1)
		err = os.Symlink(up+path[1:], filepath.Join(sys, folder, strings.ReplaceAll(path, "/", "!")))
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		t.Error(err)
	}
}

func unplug(t *testing.T, sys, path string) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(sys, path)); err != nil {
		t.Error(err)
	}
}
