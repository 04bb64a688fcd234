// SPDX-License-Identifier: MIT

//go:build lab

// The examples, read from their files, do what their comments say.

package trial

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"reflexd/lab"
)

func example(t *testing.T, name string) string {
	t.Helper()
	yaml, err := os.ReadFile("../../examples/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(yaml)
}

// noCalls forgets which of the recorded programs were called.
func (b *board) noCalls(t *testing.T) {
	t.Helper()
	b.shell(t, "rm -f /tmp/calls")
}

// awaitCalls waits until exactly these calls of recorded programs were made.
func (b *board) awaitCalls(t *testing.T, calls ...string) {
	t.Helper()
	if err := b.AwaitText(t.Context(), "/tmp/calls", strings.Join(calls, "\n")); err != nil {
		t.Fatal(err)
	}
}

// edges returns all changes so far.
func (w *watcher) edges() (all []edge) {
	w.t.Helper()
	text, err := w.proc.Log.Text(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	for line := range strings.Lines(text) {
		var us int64
		var e edge
		if n, _ := fmt.Sscanf(line, "at %d: %s", &us, &e.text); n == 2 {
			e.at = time.Duration(us) * time.Microsecond
			all = append(all, e)
		}
	}
	return all
}

// pace is the median of the times between the last n changes.
func (w *watcher) pace(n int) time.Duration {
	w.t.Helper()
	all := w.edges()
	if len(all) <= n {
		w.t.Fatalf("%d changes, expected more than %d", len(all), n)
	}
	var between []time.Duration
	for i := len(all) - n; i < len(all); i++ {
		between = append(between, all[i].at-all[i-1].at)
	}
	return median(between)
}

func TestExampleButtonShutdown(t *testing.T) {
	const power, busy = 3, 17
	everywhere(t, func(t *testing.T, b *board) {
		b.noCalls(t)
		b.pull(t, power, true)
		a := b.start(t, example(t, "button-shutdown.yaml"))
		led := b.watch(t, b.header.ValueFile(busy))

		b.press(t, power)
		a.expect("line power released")
		if n := count(a.log(), "msg=fired"); n != 0 {
			t.Errorf("a short press fires %d rules", n)
		}

		b.play(t, pressFor(power, 100*ms, 2*time.Second))
		a.expect("fired rule=warn")
		a.expect(`fired rule="changed my mind"`)
		b.awaitSteady(t, busy, false)
		if n := len(led.edges()); n < 4 {
			t.Errorf("the LED changed %d times in a second of blinking", n)
		}

		if err := led.proc.Log.Skip(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.play(t, pressFor(power, 100*ms, 3500*ms))
		a.expect("fired rule=shutdown")
		a.expect("line power released")
		b.awaitCalls(t, "poweroff")
		for range 4 {
			led.next()
		}
		for rule, want := range map[string]int{"warn": 2, `"changed my mind"`: 1, "shutdown": 1} {
			if n := count(a.log(), "msg=fired rule="+rule); n != want {
				t.Errorf("%s fired %d times, want %d", rule, n, want)
			}
		}
	})
}

// detents turns a knob by so many detents, first one contact and then the
// other, slowly.
func detents(n, first, second int) (pulls []lab.Pull) {
	const edge = slowly
	for range n {
		pulls = append(pulls, lab.Pull{After: edge, Offset: first}, lab.Pull{After: edge, Offset: second},
			lab.Pull{After: edge, Offset: first, Up: true}, lab.Pull{After: edge, Offset: second, Up: true})
	}
	return pulls
}

// doubleClick clicks twice, again if the board stood still between the clicks.
func (a *agent) doubleClick(offset int) {
	a.t.Helper()
	for range 5 {
		a.board.play(a.t, pressFor(offset, 500*ms, 50*ms), pressFor(offset, 50*ms, 50*ms))
		if line := a.expect(`line push (double-)?clicked`); strings.Contains(line, "double") {
			return
		}
	}
	a.t.Fatal("no double click")
}

func TestExampleVolumeKnob(t *testing.T) {
	const (
		contactA, contactB, push = 5, 6, 13

		louder, softer   = "amixer -q set Master 2%+", "amixer -q set Master 2%-"
		brighter, dimmer = "brightnessctl set +10%", "brightnessctl set 10%-"
		mute             = "amixer -q set Master toggle"
	)
	everywhere(t, func(t *testing.T, b *board) {
		// No emulated keyboard is called like a remote control.
		yaml := strings.Replace(example(t, "volume-knob.yaml"), `"*IR*"`, `"*Keyboard*"`, 1)
		forget := func() { b.shell(t, "rm -rf /var/lib/reflexd /tmp/calls") }
		forget()
		t.Cleanup(forget)
		for _, line := range []int{contactA, contactB, push} {
			b.pull(t, line, true)
		}
		a := b.start(t, yaml)

		// One program runs at a time, and the turns that come meanwhile are one.
		b.play(t, detents(1, contactA, contactB))
		a.expect("program=amixer .*status=0")
		b.play(t, detents(1, contactB, contactA))
		a.expect("program=amixer .*status=0")
		b.awaitCalls(t, louder, softer)
		b.noCalls(t)

		b.play(t, pressFor(push, 100*ms, 100*ms))
		a.expect("program=amixer .*status=0")
		b.awaitCalls(t, mute)

		a.doubleClick(push)
		if _, err := b.AwaitMatch(t.Context(), "/var/lib/reflexd/state", `"mode" "night"`); err != nil {
			t.Fatal(err)
		}
		if clicks, mutes := count(a.log(), `msg=event source=gpio:push event="line push clicked"`), count(a.log(), "fired rule=mute"); clicks != mutes {
			t.Errorf("%d clicks, muted %d times", clicks, mutes)
		}
		a.finish()

		b.noCalls(t)
		a = b.start(t, yaml)
		b.play(t, detents(3, contactA, contactB))
		b.awaitCalls(t, brighter, brighter, brighter)
		b.play(t, detents(2, contactB, contactA))
		b.awaitCalls(t, brighter, brighter, brighter, dimmer, dimmer)
		b.noCalls(t)

		b.play(t, pressFor(push, 100*ms, 1500*ms))
		a.expect("fired rule=day")
		b.play(t, detents(1, contactB, contactA))
		a.expect("program=amixer .*status=0")
		b.awaitCalls(t, softer)

		b.keyboard(t, "remote")
		a.expect("input device grabbed")
		b.noCalls(t)
		b.holdKey(t, a.proc.Log, "volumedown", "key KEY_VOLUMEDOWN pressed")
		b.key(t, "volumedown", false)
		a.expect("program=amixer .*status=0")
		if calls := b.shell(t, "sort -u /tmp/calls"); calls != softer+"\n" {
			t.Errorf("the remote's key calls %q", calls)
		}
		if n := count(a.log(), "fired rule=mute"); n != 0 {
			t.Errorf("a press of 1.5 s mutes %d times", n)
		}
	})
}

func TestExampleDriver(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		for _, name := range []string{"sensor", "caller", "group21"} {
			b.module(t, name)
			b.load(t, name)
		}
		b.module(t, "dialogue")
		b.load(t, "dialogue", "answers=3 pause=100")
		b.noCalls(t)
		a := b.start(t, example(t, "driver.yaml"))
		for i := range 3 {
			a.expect(fmt.Sprintf(`msg="the kernel says Hello you! %d"`, i+1))
		}
		if err := b.awaitOwner(t); err != nil {
			t.Fatal(err)
		}
		a.expectVerb("groups 21", "status")
		b.shell(t, "echo all is well > /proc/group21; echo over 90 degrees > /proc/group21")
		a.expect(`msg="alarm: over 90 degrees .group 21."`)

		b.shell(t, "echo 36 1233 > /proc/sensor_call; echo 36 1234 > /proc/sensor_call; echo 36 1234 > /proc/sensor_call")
		a.expect("dropped rule=threshold .*why=cooldown")
		b.awaitCalls(t, "logger threshold 1234")

		b.shell(t, "echo 12 > /proc/sensor; echo 90 > /proc/sensor; echo 95 > /proc/sensor")
		a.expect(`msg="level 95"`)
		for word, want := range map[string]int{`msg="alarm`: 1, `msg="level`: 1, "fired rule=sample": 3} {
			if n := count(a.log(), word); n != want {
				t.Errorf("%s %d times, want %d", word, n, want)
			}
		}
	})
}

// What the appliance does while it copies; TestMountPhotoAppliance has what
// comes of it.
func TestExamplePhotoApplianceWhileItCopies(t *testing.T) {
	const led, eject = 17, 27
	everywhere(t, func(t *testing.T, b *board) {
		b.shell(t, "rm -rf /srv/photos; mkdir -p /srv/photos")
		t.Cleanup(func() { b.shell(t, "rm -rf /srv/photos") })
		const size = 24 << 20
		image := volume(t, true, lab.Volume{Type: "vfat", Label: "PHOTOS", Size: size + size/4, Files: map[string][]byte{
			"DCIM/1.JPG": make([]byte, size)}})
		b.pull(t, eject, true)
		a := b.start(t, example(t, "photo-appliance.yaml"))
		lamp := b.watch(t, b.header.ValueFile(led))

		// What a busy host makes late is skipped: of several tries, one must be as
		// it should be.
		const tries = 4
		for try := range tries {
			pace := b.pullWhileItCopies(t, a, lamp, image)
			if pace <= 80*ms {
				return
			}
			t.Logf("try %d: pulled too early, and the LED changes every %v", try+1, pace)
		}
		t.Error("it never tells by a quick LED that it was pulled too early")
	})
}

// pullWhileItCopies plugs a stick in and pulls it, and returns how quickly the
// LED blinks thereupon.
func (b *board) pullWhileItCopies(t *testing.T, a *agent, lamp *watcher, image string) time.Duration {
	t.Helper()
	const led = 17
	if err := lamp.proc.Log.Skip(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.plugImage(t, "pulled", image)
	lamp.next()
	b.settle(t)
	b.unplug(t, "pulled")
	// The copy may fail before the kernel says that the stick is gone; then the rule itself unmounts it.
	a.expect("/dev/sd[a-z]1 was removed while mounted|nothing copied from PHOTOS")
	b.awaitSteady(t, led, false)
	pace := lamp.pace(10)
	b.nothingMounted(t)
	return pace
}
