// SPDX-License-Identifier: MIT

package input

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/sources"
)

const onePlusTwo = `
inputs: {remote: {name: "*IR*"}}
rules:
  - {key: [KEY_A, BTN_MOUSE], is: pressed}
  - {key: KEY_B, is: released, from: remote}
  - {switch: SW_LID, is: changed}
  - {axis: ABS_X}
  - {axis: REL_WHEEL}
`

var everything = []string{"KEY_A", "KEY_B", "KEY_C", "BTN_LEFT", "SW_LID", "ABS_X", "ABS_Y", "REL_WHEEL"}

func TestEvents(t *testing.T) {
	r := newRig(t)
	f := r.plug("An IR receiver", everything...)
	r.apply(onePlusTwo)
	r.isOpen(f)
	r.send(f,
		ev(t, 5250, "KEY_A", 1), report, ev(t, 5500, "KEY_A", 2), report, ev(t, 6000, "KEY_A", 0), report,
		ev(t, 6001, "KEY_C", 1), ev(t, 6001, "BTN_LEFT", 1), ev(t, 6002, "BTN_LEFT", 0), report,
		ev(t, 7000, "SW_LID", 1), report, ev(t, 7001, "SW_LID", 0), report,
		ev(t, 8000, "ABS_X", 7), ev(t, 8000, "ABS_Y", 7), report, ev(t, 8000, "ABS_X", -3), report,
		ev(t, 8000, "REL_WHEEL", -1), report, ev(t, 8000, "REL_WHEEL", -1), report)
	events := r.expect("key KEY_A down", "key KEY_A repeat", "key KEY_A up", "key BTN_LEFT down", "key BTN_LEFT up",
		"switch SW_LID on", "switch SW_LID off",
		"axis ABS_X changed 0->7", "axis ABS_X changed 7->-3",
		"axis REL_WHEEL changed 0->-1", "axis REL_WHEEL changed 0->-1")
	e := events[0]
	if e.Time != 5250*time.Millisecond || e.Source != "input:"+f.path || len(e.Names) != 1 || e.Names[0] != "remote" {
		t.Errorf("event is %+v", e)
	}
	for name, want := range map[string]string{"KEY": "KEY_A", "CODE": "30", "VALUE": "1", "DEVICE": f.path, "NAME": "An IR receiver"} {
		if v, ok := e.Lookup(name); !ok || v.String() != want {
			t.Errorf("%s is %q, expected %q", name, v, want)
		}
	}
}

// What no rule asks for must not even wake the loop.
func TestMask(t *testing.T) {
	r := newRig(t)
	f := r.plug("An IR receiver", everything...)
	other := r.plug("A keyboard", "KEY_A", "KEY_B")
	r.apply(onePlusTwo)
	r.isOpen(f)
	r.isOpen(other)
	for _, tc := range []struct {
		f     *fake
		name  string
		wants bool
	}{
		{f, "KEY_A", true}, {f, "KEY_B", true}, {f, "KEY_C", false}, {f, "SW_LID", true}, {f, "ABS_Y", false},
		{other, "KEY_A", true}, {other, "KEY_B", false},
	} {
		typ, code := codeOf(t, tc.name)
		mask := see(r, tc.f, func(f *fake) codes { return f.mask })
		if mask.has(typ, code) != tc.wants {
			t.Errorf("%s: %s in mask is %t", tc.f.id.name, tc.name, !tc.wants)
		}
	}
}

func TestWithoutMask(t *testing.T) {
	r := newRig(t)
	f := r.plug("A keyboard", everything...)
	f.noMask = true
	r.apply(`rules: [{key: KEY_A, is: pressed}]`)
	r.isOpen(f)
	r.send(f, ev(t, 1, "KEY_C", 1), ev(t, 1, "ABS_X", 1), ev(t, 1, "KEY_A", 1), report)
	r.expect("key KEY_A down")
}

func TestEverything(t *testing.T) {
	r := newRig(t)
	f := r.plug("A keyboard", everything...)
	lonely := r.plug("Nothing at all")
	r.Do(func() { r.source.Apply(&Plan{Everything: true}) })
	r.isOpen(f)
	r.isOpen(lonely)
	r.send(f, raw(1, evMsc, mscScan, 9), ev(t, 1, "KEY_C", 1), ev(t, 1, "ABS_Y", 1), raw(1, evSw, 60, 1), report)
	r.expect("key KEY_C down", "axis ABS_Y changed 0->1", "switch SW_60 on")
	if see(r, f, func(f *fake) bool { return f.masked }) {
		t.Error("a mask was set")
	}
}

// A key that is down when its device is opened fires nothing before it was
// released.
func TestDownAtStart(t *testing.T) {
	r := newRig(t)
	f := r.plug("A keyboard", everything...)
	for _, name := range []string{"KEY_A", "KEY_C"} {
		_, code := codeOf(t, name)
		setBit(f.levels.keys[:], code, true)
	}
	setBit(f.levels.switches[:], 0, true)
	f.levels.axes[0] = 42
	r.apply(onePlusTwo)
	e := r.expect("key KEY_A starts-down synthetic")[0]
	if e.Topic.State != "" {
		t.Errorf("rules would hear of it: %+v", e.Topic)
	}
	r.send(f, ev(t, 1, "ABS_X", 43), report)
	r.expect("axis ABS_X changed 42->43")
}

func TestLongBatches(t *testing.T) {
	r := newRig(t)
	f := r.plug("A keyboard", "KEY_A")
	r.apply(`rules: [{key: KEY_A, is: pressed}]`)
	r.isOpen(f)
	var want []string
	var bytes [][]byte
	for range 301 {
		bytes = append(bytes, ev(t, 1, "KEY_A", 1), ev(t, 1, "KEY_A", 0), report)
		want = append(want, "key KEY_A down", "key KEY_A up")
	}
	r.send(f, bytes...)
	r.expect(want...)
}

// After SYN_DROPPED: nothing up to the next SYN_REPORT, then the differences
// to what was known.
func TestDropped(t *testing.T) {
	r := newRig(t)
	f := r.plug("A keyboard", everything...)
	r.apply(onePlusTwo)
	r.isOpen(f)
	r.send(f, ev(t, 1, "KEY_A", 1), report)
	r.expect("key KEY_A down")

	r.mu.Lock()
	f.levels = levels{}
	_, left := codeOf(t, "BTN_LEFT")
	setBit(f.levels.keys[:], left, true)
	setBit(f.levels.switches[:], 0, true)
	f.levels.axes[0] = 5
	b := append([]byte{}, dropped...)
	b = append(b, ev(t, 2, "KEY_A", 0)...) // in the packet that is cut
	b = append(b, report...)
	b = append(b, ev(t, 3, "KEY_A", 1)...) // read before the state was, so older
	b = append(b, ev(t, 3, "REL_WHEEL", 1)...)
	b = append(b, report...)
	_, err := unix.Write(f.write, b)
	r.mu.Unlock()
	r.must(err)
	events := r.expect("loss input lost", "key KEY_A up synthetic", "key BTN_LEFT down synthetic",
		"switch SW_LID on synthetic", "axis ABS_X changed synthetic 0->5", "axis REL_WHEEL changed 0->1")
	if events[0].Source != "input:"+f.path {
		t.Errorf("loss is told of %s", events[0].Source)
	}
	r.send(f, ev(t, 4, "BTN_LEFT", 0), report)
	r.expect("key BTN_LEFT up")
}

func TestDroppedAcrossReads(t *testing.T) {
	r := newRig(t)
	f := r.plug("A keyboard", everything...)
	r.apply(onePlusTwo)
	r.isOpen(f)
	asked := func() int { return see(r, f, func(f *fake) int { return f.asked }) }
	before := asked()
	r.send(f, dropped, ev(t, 1, "KEY_A", 1))
	r.Await("it was read", func() bool { return r.source.nodes[f.path].device.dropping })
	if asked() != before {
		t.Error("the state was read before SYN_REPORT")
	}
	r.send(f, ev(t, 2, "KEY_A", 0), report, ev(t, 3, "SW_LID", 1), report)
	r.expect("loss input lost", "switch SW_LID on synthetic")
	r.send(f, ev(t, 4, "KEY_A", 1), report)
	r.expect("key KEY_A down")
}

// An unplugged device releases its keys and is not read again.
func TestUnplug(t *testing.T) {
	r := newRig(t)
	f := r.plug("A keyboard", everything...)
	r.apply(onePlusTwo)
	r.isOpen(f)
	r.send(f, ev(t, 1, "KEY_A", 1), ev(t, 1, "BTN_LEFT", 1), ev(t, 2, "BTN_LEFT", 0), report)
	r.expect("key KEY_A down", "key BTN_LEFT down", "key BTN_LEFT up")
	r.unplug(f)
	r.expect("key KEY_A up synthetic")
	r.quiet()
	r.Await("the node is forgotten", func() bool { return len(r.source.nodes) == 0 })
	if got := see(r, f, func(*fake) int { return len(r.byFD) }); got != 0 {
		t.Errorf("%d descriptors are open", got)
	}
	noSpin(t, r)
}

// A device that hangs up while its node stays, as a revoked one does, is tried
// again.
func TestHangUp(t *testing.T) {
	r := newRig(t)
	f := r.plug("A keyboard", everything...)
	r.apply(onePlusTwo)
	r.isOpen(f)
	r.send(f, ev(t, 1, "KEY_A", 1), report)
	r.expect("key KEY_A down")
	r.mu.Lock()
	f.levels = levels{}
	r.mu.Unlock()
	r.hangUp(f)
	r.expect("key KEY_A up synthetic")
	r.isOpen(f)
	r.send(f, ev(t, 1, "KEY_A", 1), report)
	r.expect("key KEY_A down")
}

// The kernel may say that a device hung up without saying so to a reader.
func TestHangUpAlone(t *testing.T) {
	r := newRig(t)
	f := r.plug("A keyboard", everything...)
	r.apply(onePlusTwo)
	r.isOpen(f)
	r.Do(func() {
		d := r.source.nodes[f.path].device
		if d.ready(unix.EPOLLIN); d.closed {
			t.Error("closed for nothing")
		}
		if d.ready(unix.EPOLLHUP | unix.EPOLLERR); !d.closed {
			t.Error("still open")
		}
	})
}

// noSpin fails if the loop wakes up all the time.
func noSpin(t *testing.T, r *rig) {
	t.Helper()
	count := func() (n uint64) { r.Do(func() { n = r.loop.Wakeups() }); return n }
	before := count()
	waited := make(chan struct{})
	r.Do(func() { r.loop.After(100*time.Millisecond, func() { close(waited) }) })
	<-waited
	if n := count() - before; n > 8 {
		t.Errorf("the loop woke up %d times in 100 ms without anything to do", n)
	}
}

func TestCutEvent(t *testing.T) {
	r := newRig(t)
	f := r.plug("A keyboard", everything...)
	r.apply(onePlusTwo)
	r.isOpen(f)
	r.mu.Lock()
	_, err := unix.Write(f.write, append(ev(t, 1, "KEY_A", 1), 1, 2, 3))
	f.openErr = unix.ENODEV
	r.mu.Unlock()
	r.must(err)
	r.expect("key KEY_A down", "key KEY_A up synthetic")
	if !strings.Contains(r.logged(), "expected whole events") {
		t.Error("nobody was told")
	}
}

func TestNoAllocations(t *testing.T) {
	d, _ := quietDevice()
	var b []byte
	for _, e := range [][]byte{ev(t, 1, "KEY_A", 1), report, ev(t, 1, "KEY_A", 2), report, ev(t, 1, "KEY_A", 0), report,
		ev(t, 1, "SW_LID", 1), ev(t, 1, "ABS_X", 9), ev(t, 1, "REL_WHEEL", 1), report} {
		b = append(b, e...)
	}
	if n := testing.AllocsPerRun(100, func() { d.take(b) }); n != 0 {
		t.Errorf("%v allocations for %d events", n, len(b)/eventSize)
	}
}

func BenchmarkKey(b *testing.B) {
	d, _ := quietDevice()
	buf := append(ev(b, 1, "KEY_A", 1), report...)
	b.ReportAllocs()
	for b.Loop() {
		d.take(buf)
	}
}

// quietDevice returns a device without descriptor that receives everything, and
// the number of its events.
func quietDevice() (*device, *int) {
	count := new(int)
	host := &sources.Host{Loop: stillLoop{}, Log: discardLog, Emit: func(*sources.Event) { *count++ }}
	k := &kernel{levels: func(int, *codes, *levels) error { return nil }}
	return &device{host: host, kernel: k, path: "/dev/input/event0", id: &identity{has: everyCode},
		wanted: everyCode, received: everyCode}, count
}

func FuzzDecode(f *testing.F) {
	key := ev(f, 1, "KEY_A", 1)
	f.Add(key)
	f.Add(key[:eventSize-1])
	f.Add(append(append(append([]byte{}, dropped...), key...), report...))
	f.Add(append(raw(1, evSw, 63, -1), raw(-1, evAbs, 0xffff, 1)...))
	f.Add(append(raw(1, evKey, 0x300, 1), raw(1, evKey, 0x2ff, 3)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, count := quietDevice()
		rest := d.take(b)
		if rest != len(b)%eventSize {
			t.Errorf("%d of %d bytes are left", rest, len(b))
		}
		// A refreshed state may release each key once.
		if *count > 2*len(b)/eventSize+1 {
			t.Errorf("%d events of %d bytes", *count, len(b))
		}
	})
}
