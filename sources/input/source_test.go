// SPDX-License-Identifier: MIT

package input

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/agent/loop"
	"reflexd/sources"
)

const keyA = `rules: [{key: KEY_A, is: pressed}]`

// Nothing below /dev exists when the agent starts.
func TestHotPlug(t *testing.T) {
	r := newRig(t)
	r.must(os.RemoveAll(r.dev))
	r.apply(keyA)
	if st := r.status("any input"); st.OK || st.Error != "no such device yet" {
		t.Errorf("status is %+v", st)
	}
	f := r.plug("A keyboard", "KEY_A")
	r.isOpen(f)
	r.send(f, ev(t, 1, "KEY_A", 1), report)
	r.expect("key KEY_A down")

	// The next is another at the same path.
	r.unplug(f)
	r.expect("key KEY_A up synthetic")
	r.Await("it is forgotten", func() bool { return len(r.source.nodes) == 0 })
	f = r.plugAt(f.path, "Another keyboard", "KEY_A")
	r.isOpen(f)
	if st := r.status("any input"); !st.OK || !strings.Contains(st.Detail, "event0 Another keyboard") {
		t.Errorf("status is %+v", st)
	}

	// The whole folder goes and comes.
	r.unplug(f)
	r.expect()
	r.must(os.RemoveAll(filepath.Join(r.dev, "input")))
	f = r.plug("A keyboard", "KEY_A")
	r.isOpen(f)
	noSpin(t, r)
}

// A node whose device is replaced before the hang-up was seen.
func TestReplaced(t *testing.T) {
	r := newRig(t)
	f := r.plug("A keyboard", "KEY_A")
	r.apply(keyA)
	r.isOpen(f)
	r.send(f, ev(t, 1, "KEY_A", 1), report)
	r.expect("key KEY_A down")
	r.must(os.Remove(f.path))
	g := r.plugAt(f.path, "Another keyboard", "KEY_A")
	r.Await("the new device is open", func() bool {
		n := r.source.nodes[f.path]
		return n != nil && n.device != nil && n.id.name == "Another keyboard"
	})
	r.send(g, ev(t, 1, "KEY_A", 1), report)
	r.expect("key KEY_A up synthetic", "key KEY_A down")
}

func TestUnreadable(t *testing.T) {
	r := newRig(t)
	f := r.plug("A keyboard", "KEY_A")
	f.openErr = unix.EACCES
	r.apply("inputs: {k: {name: '*'}}\n" + keyA)
	r.Await("opening failed", func() bool { return r.source.nodes[f.path].opener.Err() != nil })
	for _, name := range []string{"k", "any input"} {
		if st := r.status(name); st.OK || !strings.Contains(st.Error, "permission denied") || !strings.Contains(st.Error, f.path) {
			t.Errorf("status is %+v", st)
		}
	}
	r.mu.Lock()
	f.openErr = nil // by udev, without a change that we could see
	r.mu.Unlock()
	r.isOpen(f)
	if strings.Contains(r.logged(), "level=WARN") {
		t.Error("warned of what passed by itself")
	}
}

// When patience is at an end, a change of attributes still helps.
func TestReadableLate(t *testing.T) {
	r := newRig(t)
	f := r.plug("A keyboard", "KEY_A")
	f.openErr = unix.EACCES
	r.Do(func() { r.source.host.Loop = hastyLoop{r.loop} })
	r.apply(keyA)
	const tries = 9
	opens := func() int { return see(r, f, func(f *fake) int { return r.opens[f.path] }) }
	r.Await("it was tried again and again", func() bool { return opens() == tries })
	over := make(chan struct{})
	r.Do(func() { r.loop.After(50*time.Millisecond, func() { close(over) }) })
	if <-over; opens() != tries {
		t.Error("it is tried for ever")
	}
	log := r.logged()
	if strings.Count(log, "level=WARN") != 1 || !strings.Contains(log, f.path) || !strings.Contains(log, "group") {
		t.Errorf("not exactly one useful warning:\n%s", log)
	}
	r.mu.Lock()
	f.openErr = nil
	r.mu.Unlock()
	r.must(os.Chmod(f.path, 0o640))
	r.isOpen(f)
}

// hastyLoop passes a second in a millisecond.
type hastyLoop struct{ *loop.Loop }

func (l hastyLoop) After(d time.Duration, fire func()) sources.Timer {
	return l.Loop.After(d/1000, fire)
}

// Files that are no input devices, opened by the real functions.
func TestNoInputDevice(t *testing.T) {
	r := newRig(t)
	r.node(filepath.Join(r.dev, "input", "event0"))
	r.node(filepath.Join(r.dev, "input", "mouse0"))
	r.must(unix.Mkfifo(filepath.Join(r.dev, "input", "event1"), 0o600))
	r.Do(func() { r.source.kernel = driver })
	r.apply(keyA)
	r.Await("both were looked at", func() bool { return strings.Count(r.log.String(), "not an input device") == 2 })
	r.Do(func() {
		for _, n := range r.source.nodes {
			if _, again := pause(n.opener.Err(), 1); n.device != nil || again {
				t.Errorf("%s is open or waited for", n.path)
			}
		}
	})
	devices, err := List(r.dev)
	if err != nil || len(devices) != 0 {
		t.Errorf("listed %v, %v", devices, err)
	}
}

// A device is unplugged, or the plan forgets it, while it is being opened.
func TestGoneWhileOpening(t *testing.T) {
	for name, gone := range map[string]func(*rig, *fake){
		"unplugged":   func(r *rig, f *fake) { r.must(os.Remove(f.path)) },
		"not wanted":  func(r *rig, _ *fake) { r.Do(func() { r.source.Apply(&Plan{}) }) },
		"other rules": func(r *rig, _ *fake) { r.apply(`rules: [{key: KEY_Z, is: pressed}]`) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			f := r.plug("A keyboard", "KEY_A")
			f.opening = make(chan struct{})
			r.apply(keyA)
			r.Await("it is being opened", func() bool { return r.loop.Pending() == 1 })
			gone(r, f)
			if name == "unplugged" {
				r.Await("it is forgotten", func() bool { return len(r.source.nodes) == 0 })
			}
			close(f.opening)
			r.quiet()
			if n := see(r, f, func(*fake) int { return len(r.byFD) }); n != 0 {
				t.Errorf("%d descriptors are open", n)
			}
		})
	}
}

func TestReload(t *testing.T) {
	r := newRig(t)
	f := r.plug("A keyboard", everything...)
	other := r.plug("A mouse", "BTN_LEFT")
	r.apply(`rules: [{key: [KEY_A, KEY_B, BTN_LEFT], is: pressed}]`)
	r.isOpen(f)
	r.isOpen(other)
	r.send(f, ev(t, 1, "KEY_A", 1), ev(t, 1, "KEY_B", 1), report)
	r.send(f, ev(t, 1, "KEY_C", 1), ev(t, 1, "SW_LID", 1), report) // masked
	r.expect("key KEY_A down", "key KEY_B down")
	r.mu.Lock()
	f.levels.axes[0] = 77
	r.mu.Unlock()

	// KEY_A stays and is down all the while; KEY_B is let go; KEY_C is found
	// down; the lid is on and the axis elsewhere, which is no news. What was queued is not lost.
	r.Do(func() {
		r.send(f, ev(t, 2, "KEY_A", 2), report)
		c, ps := compile(`
inputs: {desk: {name: A keyboard}}
rules:
  - {key: [KEY_A, KEY_C], is: pressed, from: desk}
  - {axis: ABS_X}
  - {switch: SW_LID, is: changed}`)
		if ps.Failed() {
			t.Error(ps)
		}
		r.source.Apply(c.plan)
	})
	r.expect("key KEY_B up synthetic", "key KEY_A repeat", "key KEY_C starts-down synthetic")
	r.quiet()
	r.send(f, ev(t, 3, "KEY_A", 0), report, ev(t, 4, "SW_LID", 0), report, ev(t, 5, "ABS_X", 78), report)
	events := r.expect("key KEY_A up", "switch SW_LID off", "axis ABS_X changed 77->78")
	if names := events[0].Names; len(names) != 1 || names[0] != "desk" {
		t.Errorf("names are %v", names)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.opens[f.path] != 1 || len(r.closed) != 1 || r.closed[0] != other.path {
		t.Errorf("opened %v, closed %v", r.opens, r.closed)
	}
}

// The same plan again changes nothing, and asks the kernel nothing.
func TestReloadSame(t *testing.T) {
	r := newRig(t)
	f := r.plug("A keyboard", everything...)
	r.apply(onePlusTwo)
	r.isOpen(f)
	r.send(f, ev(t, 1, "KEY_A", 1), report)
	r.expect("key KEY_A down")
	asked := see(r, f, func(f *fake) int { return f.asked })
	r.apply(onePlusTwo)
	r.quiet()
	r.expect()
	if n := see(r, f, func(f *fake) int { return f.asked }); n != asked || r.opens[f.path] != 1 {
		t.Errorf("asked for its state %d times, opened %d times", n-asked, r.opens[f.path])
	}
}

// A device that no rule can match is not kept open.
func TestNotWorthOpening(t *testing.T) {
	r := newRig(t)
	f := r.plug("A mouse", "BTN_LEFT")
	r.apply("inputs: {mouse: {name: A mouse}}\n" + keyA)
	r.Await("it is known", func() bool { n := r.source.nodes[f.path]; return n != nil && n.id != nil })
	r.quiet()
	if n := see(r, f, func(*fake) int { return len(r.byFD) }); n != 0 {
		t.Errorf("%d descriptors are open", n)
	}
	if st := r.status("mouse"); !st.OK || !strings.Contains(st.Detail, "event0 A mouse, closed") {
		t.Errorf("status is %+v", st)
	}
	r.apply("inputs: {mouse: {name: A mouse}}\nrules: [{key: BTN_MOUSE, is: pressed}]")
	r.isOpen(f)
}

func TestQueueOverflow(t *testing.T) {
	r := newRig(t)
	r.plug("A keyboard", "KEY_A")
	r.apply(keyA)
	g := &fake{path: filepath.Join(r.dev, "input", "event9")}
	r.Do(func() {
		// Its creation is seen, but only after the overflow was served.
		g = r.plugAt(g.path, "A second", "KEY_A")
		r.source.rescan()
		if n := r.source.nodes[g.path]; n == nil || !n.opener.Opening() {
			t.Error("the overflow was not made up for")
		}
	})
	r.isOpen(g)
}

// The link by which a device is meant appears after the device.
func TestLink(t *testing.T) {
	r := newRig(t)
	f := r.plug("A keyboard", "KEY_A")
	g := r.plug("Another", "KEY_A")
	r.apply("inputs: {desk: {path: $DEV/input/by-id/usb-*-kbd}}\nrules: [{key: KEY_A, is: pressed, from: desk}]")
	r.Await("it is known", func() bool { return r.source.nodes[f.path].id != nil && r.source.nodes[g.path].id != nil })
	r.quiet()
	links := filepath.Join(r.dev, "input", "by-id")
	r.must(os.Mkdir(links, 0o755))
	r.Await("the folder of links is watched", func() bool {
		return isWatched(t, links)
	})
	r.quiet()
	r.must(os.Symlink("../event0", filepath.Join(links, "usb-1-kbd")))
	r.isOpen(f)
	r.Do(func() {
		if r.source.nodes[g.path].device != nil {
			t.Error("the wrong device is open too")
		}
	})
	r.apply("inputs: {desk: {path: $DEV/input/event0}}\nrules: [{key: KEY_A, is: pressed, from: desk}]")
	r.send(f, ev(t, 1, "KEY_A", 1), report)
	r.expect("input desk present", "key KEY_A down")
}

func TestList(t *testing.T) {
	r := newRig(t)
	if devices, err := List(filepath.Join(r.dev, "none")); err != nil || devices != nil {
		t.Errorf("without a folder: %v, %v", devices, err)
	}
	f := r.plug("A keyboard", "KEY_A", "BTN_LEFT", "ABS_X")
	f.id.id = inputID{vendor: 0x46d, product: 0xc52b}
	r.plugAt(filepath.Join(r.dev, "input", "event10"), "Last", "SW_LID", "REL_X")
	r.plugAt(filepath.Join(r.dev, "input", "event2"), "Secret").openErr = unix.EACCES
	devices, err := list(r.dev, &r.source.kernel)
	if err != nil || len(devices) != 3 {
		t.Fatalf("%v, %v", devices, err)
	}
	if d := devices[0]; d.Name != "A keyboard" || d.ID != "046d:c52b" || strings.Join(d.Keys, " ") != "KEY_A BTN_LEFT" || strings.Join(d.Types, " ") != "key axis" {
		t.Errorf("%+v", d)
	}
	if d := devices[1]; d.Error != "permission denied" {
		t.Errorf("%+v", d)
	}
	if d := devices[2]; strings.Join(d.Types, " ") != "wheel switch" {
		t.Errorf("%+v", d)
	}
}

var _ sources.Source = (*source)(nil)

// isWatched reports whether an inotify descriptor of ours watches the folder,
// as the kernel shows it.
func isWatched(t *testing.T, dir string) bool {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob("/proc/self/fdinfo/*")
	return slices.ContainsFunc(files, func(file string) bool {
		text, _ := os.ReadFile(file)
		return strings.Contains(string(text), fmt.Sprintf(" ino:%x ", st.Ino))
	})
}
