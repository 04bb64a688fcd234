// SPDX-License-Identifier: MIT

package input

import (
	"encoding/binary"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/sources"
)

func TestScancodesAreWrittenInOneWay(t *testing.T) {
	for text, want := range map[string]string{
		"nec:0x40bf12": "nec:0x40bf12", "nec:4243218": "nec:0x40bf12", "rc6_mce:0x800F0401": "rc6_mce:0x800f0401",
		"scan:0x70068": "scan:0x70068", "proto99:0x1": "proto99:0x1", "proto9:0x1": "nec:0x1", "KEY_POWER": "KEY_POWER", "sony12:0": "sony12:0x0",
	} {
		k, err := ParseKey(text)
		if err != nil || k.String() != want {
			t.Errorf("%q is %q, %v; expected %q", text, k, err, want)
		}
		if again, err := ParseKey(k.String()); err != nil || again != k {
			t.Errorf("%q is read as %v, %v", k.String(), again, err)
		}
	}
	for text, want := range map[string]string{
		"ncc:0x1": "not a protocol", "nec:": "expected a scancode", "nec:0xzz": "expected a scancode", ":1": "not a protocol", "KEY_POWR": "did you mean",
		"proto:1": "not a protocol", "nec:0x10000000000000000": "expected a scancode",
	} {
		if _, err := ParseKey(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, expected %q", text, err, want)
		}
	}
}

func FuzzParseKey(f *testing.F) {
	f.Add("nec:0x40bf12")
	f.Add("proto32767:1")
	f.Fuzz(func(t *testing.T, text string) {
		k, err := ParseKey(text)
		if err != nil {
			return
		}
		if again, err := ParseKey(k.String()); err != nil || again != k {
			t.Errorf("%q is %v, which is read as %v, %v", text, k, again, err)
		}
	})
}

// withScans gives a device the ability to report scancodes.
func withScans(f *fake) *fake {
	f.id.has.scans = true
	return f
}

func scan(ms int64, code int32) []byte { return raw(ms, evMsc, mscScan, code) }

// Keys of HID that have no name are KEY_UNKNOWN; their scancodes tell them apart.
func TestScancodesOfAKeyboard(t *testing.T) {
	r := newRig(t)
	f := withScans(r.plug("A keyboard", "KEY_UNKNOWN", "KEY_A"))
	r.apply(`rules: [{key: "scan:0xc0221", is: pressed}, {key: "scan:0x70004", is: pressed}]`)
	r.isOpen(f)
	r.send(f, scan(1, 0xc0221), ev(t, 1, "KEY_UNKNOWN", 1), report, ev(t, 300, "KEY_UNKNOWN", 2), report,
		scan(400, 0x70004), ev(t, 400, "KEY_A", 1), report, scan(401, 0x70005), ev(t, 401, "KEY_A", 2), report,
		scan(500, 0xc0221), ev(t, 500, "KEY_UNKNOWN", 0), report, scan(501, 0x70004), ev(t, 501, "KEY_A", 0), report,
		scan(502, 0xc0222), ev(t, 502, "KEY_UNKNOWN", 1), report, scan(503, 0xc0222), ev(t, 503, "KEY_UNKNOWN", 0), report)
	e := r.expect("key scan:0x70004 starts-up synthetic", "key scan:0xc0221 starts-up synthetic",
		"key scan:0xc0221 down", "key scan:0xc0221 repeat", "key scan:0x70004 down", "key scan:0x70004 repeat",
		"key scan:0xc0221 up", "key scan:0x70004 up")[2]
	if v, _ := e.Lookup("CODE"); v != sources.Int(0xc0221) {
		t.Errorf("CODE is %v", v)
	}
}

// A receiver reports signals whose keys its keymap lacks by their scancode
// alone, again and again while the key is down.
func TestScancodesOfAReceiver(t *testing.T) {
	r := newRig(t)
	f := withScans(r.plug("gpio_ir_recv", "KEY_A"))
	r.apply(`rules: [{key: "scan:0x1a", is: [pressed, released]}, {key: KEY_A, is: pressed}]`)
	r.isOpen(f)
	at := r.loop.Now().Milliseconds()
	r.send(f, scan(at, 0x1a), report, scan(at+110, 0x1a), report)
	r.expect("key scan:0x1a starts-up synthetic", "key scan:0x1a down", "key scan:0x1a repeat", "key scan:0x1a up")
	// The next key ends the one before.
	at = r.loop.Now().Milliseconds()
	r.send(f, scan(at, 0x1a), report, scan(at+50, 0x1b), ev(t, at+50, "KEY_A", 1), report, scan(at+160, 0x1b), report, ev(t, at+300, "KEY_A", 0), report)
	r.expect("key scan:0x1a down", "key KEY_A down", "key KEY_A up", "key scan:0x1a up")
}

func TestKeysWithOnlyAScancodeAreShown(t *testing.T) {
	r := newRig(t)
	f := withScans(r.plug("A keyboard", "KEY_UNKNOWN", "KEY_A"))
	r.Do(func() { r.source.Apply(&Plan{Everything: true}) })
	r.isOpen(f)
	r.send(f, scan(1, 0xc0221), ev(t, 1, "KEY_UNKNOWN", 1), report, scan(2, 0xc0221), ev(t, 2, "KEY_UNKNOWN", 0), report,
		scan(3, 0x70004), ev(t, 3, "KEY_A", 1), report)
	r.expect("key scan:0xc0221 down", "key scan:0xc0221 up", "key KEY_A down")
}

// A device that goes takes its keys along.
func TestUnpluggedWithAScancodeDown(t *testing.T) {
	r := newRig(t)
	f := withScans(r.plug("A keyboard", "KEY_UNKNOWN"))
	r.apply(`rules: [{key: "scan:0xc0221", is: pressed}]`)
	r.isOpen(f)
	r.send(f, scan(1, 0xc0221), ev(t, 1, "KEY_UNKNOWN", 1), report)
	r.expect("key scan:0xc0221 starts-up synthetic", "key scan:0xc0221 down")
	r.unplug(f)
	r.expect("key scan:0xc0221 up synthetic")
}

// The scancode of a key that is part of a text is as secret as the key.
func TestScancodesOfATextAreSecret(t *testing.T) {
	r := newRig(t)
	f := withScans(r.plug("A scanner", "KEY_1", "KEY_ENTER"))
	r.apply(`
inputs: {scanner: {name: "A scanner", text: {layout: us}}}
rules: [{input: scanner, is: typed}, {key: "scan:0x7001e", is: pressed}]
`)
	r.isOpen(f)
	r.send(f, scan(1, 0x7001e), ev(t, 1, "KEY_1", 1), report)
	e := r.expect("key scan:0x7001e starts-up synthetic", "key *** down")[1]
	if v, _ := e.Lookup("CODE"); !v.IsSecret() {
		t.Error("its code is shown")
	}
}

// remote is the far end of a receiver.
type remote struct {
	r     *rig
	path  string
	write int
}

// receiver plugs one in. How it is opened is told on the loop, for that is what
// orders it before the opening.
func (r *rig) receiver(name string) *remote {
	var p [2]int
	r.must(unix.Pipe2(p[:], unix.O_NONBLOCK|unix.O_CLOEXEC))
	m := &remote{r: r, path: filepath.Join(r.dev, name), write: p[1]}
	r.Do(func() {
		r.source.openLirc = func(string, string) (*lirc, error) { return &lirc{p[0], "A receiver"}, nil }
	})
	r.must(os.WriteFile(m.path, nil, 0o600))
	return m
}

func (m *remote) isOpen() {
	m.r.Await("the receiver is open", m.r.source.receiving)
}

// signal sends what the kernel makes of a signal.
func (m *remote) signal(ms int64, protocol uint16, code uint64, keycode uint32, flags uint16) {
	e := binary.NativeEndian
	b := e.AppendUint64(nil, uint64(ms)*uint64(time.Millisecond))
	b = e.AppendUint16(b, flags)
	b = e.AppendUint16(b, protocol)
	b = e.AppendUint32(b, keycode)
	b = e.AppendUint64(b, code)
	if _, err := unix.Write(m.write, b); err != nil {
		m.r.t.Fatal(err)
	}
}

const (
	rc5, nec  = 2, 9
	necRemote = `
inputs: {remote: {path: $DEV/lirc*}}
rules:
  - {key: "nec:0x40bf12", is: [pressed, held, released], from: remote}
  - {key: "rc5:0x1e01", is: pressed}
  - {input: remote, is: [present, absent]}
`
)

func TestRemoteControl(t *testing.T) {
	r := newRig(t)
	r.apply(necRemote)
	r.Await("it is known to be absent", func() bool { return r.source.presences["remote"].known })
	m := r.receiver("lirc0") // it comes later
	m.isOpen()
	r.Await("it is present", func() bool { return strings.Contains(r.told(), "present") })
	r.mu.Lock()
	r.events = nil
	r.mu.Unlock()
	at := r.loop.Now().Milliseconds()
	m.signal(at, nec, 0x40bf12, 0, 0)
	m.signal(at+110, nec, 0x40bf12, 0, 2) // the repeat of NEC
	m.signal(at+220, nec, 0x40bf13, 0, 0) // no rule asks for it, but it ends the press
	e := r.expect("key nec:0x40bf12 down", "key nec:0x40bf12 repeat", "key nec:0x40bf12 up")[0]
	if want := []string{"remote"}; !slices.Equal(e.Names, want) || e.Source != "input:"+m.path {
		t.Errorf("event is %+v", e)
	}
	// The toggle bit tells a second press from a repeat.
	at = r.loop.Now().Milliseconds()
	m.signal(at, rc5, 0x1e01, 0, 1)
	m.signal(at+110, rc5, 0x1e01, 0, 1)
	m.signal(at+220, rc5, 0x1e01, 0, 0)
	r.expect("key rc5:0x1e01 down", "key rc5:0x1e01 repeat", "key rc5:0x1e01 up", "key rc5:0x1e01 down", "key rc5:0x1e01 up")
	m.signal(r.loop.Now().Milliseconds(), nec, 0x40bf12, 0, 0)
	r.expect("key nec:0x40bf12 down")
	unix.Close(m.write)
	r.must(os.Remove(m.path))
	r.expect("key nec:0x40bf12 up synthetic", "input remote absent")
}

// A reload that no rule with a scancode is in closes the receiver; one of the
// same rules does not end a press.
func TestRemoteControlOverReloads(t *testing.T) {
	r := newRig(t)
	m := r.receiver("lirc0")
	rules := `rules: [{key: "nec:0x1", is: pressed}]`
	r.apply(rules)
	m.isOpen()
	m.signal(r.loop.Now().Milliseconds(), nec, 1, 0, 0)
	r.expect("key nec:0x1 starts-up synthetic", "key nec:0x1 down")
	r.apply(rules)
	r.expect("key nec:0x1 up")
	r.apply(`rules: [{key: KEY_A, is: pressed}]`)
	if len(r.source.receivers) != 0 {
		t.Error("the receiver is still open")
	}
	unix.Close(m.write)
}

// monitor shows the keys that the receiver's keymap lacks, and not those that
// its input device shows by their names.
func TestUnknownRemoteControlIsShown(t *testing.T) {
	r := newRig(t)
	f := withScans(r.plug("gpio_ir_recv", "KEY_A"))
	m := r.receiver("lirc0")
	r.Do(func() { r.source.Apply(&Plan{Everything: true}) })
	m.isOpen()
	r.isOpen(f)
	at := r.loop.Now().Milliseconds()
	r.send(f, scan(at, 0x12), report) // the same signal
	m.signal(at, nec, 0x12, 0, 0)
	r.expect("key nec:0x12 down", "key nec:0x12 up")
	m.signal(at+1000, nec, 0x13, 30, 0)
	r.send(f, scan(at+1000, 0x13), ev(t, at+1000, "KEY_A", 1), report)
	r.expect("key KEY_A down")
	unix.Close(m.write)
}

// movedLoop is a loop whose time the test moves, and that does nothing else.
type movedLoop struct {
	sources.Loop
	now  time.Duration
	due  time.Duration
	fire func()
}

func (l *movedLoop) Now() time.Duration { return l.now }

func (l *movedLoop) After(d time.Duration, fire func()) sources.Timer {
	l.due, l.fire = l.now+d, fire
	return l
}

func (l *movedLoop) Stop() bool { l.fire = nil; return true }

// pass lets time pass.
func (l *movedLoop) pass(d time.Duration) {
	for end := l.now + d; ; {
		if l.fire == nil || l.due > end {
			l.now = end
			return
		}
		fire := l.fire
		l.now, l.fire = l.due, nil
		fire()
	}
}

// Whatever a device sends, a key is pressed before it is released, and is not
// down for ever.
func FuzzScans(f *testing.F) {
	f.Add([]byte{0, 1, 2, 1, 1, 3, 0, 3, 1, 2, 3, 0})
	f.Fuzz(func(t *testing.T, script []byte) {
		l := &movedLoop{}
		down := map[string]bool{}
		host := &sources.Host{Loop: l, Log: slog.New(slog.DiscardHandler), Emit: func(e *sources.Event) {
			switch name := e.Topic.Name; e.Press {
			case sources.Down:
				if down[name] {
					t.Errorf("%s is pressed twice", name)
				}
				down[name] = true
			case sources.Up, sources.Ended, sources.Repeat:
				if !down[name] {
					t.Errorf("%s is released or repeats, and was not pressed", name)
				}
				down[name] = e.Press == sources.Repeat
			}
		}}
		d := &device{host: host, kernel: &kernel{}, id: &identity{}, received: everyCode}
		d.scans.byLirc = func() bool { return false }
		d.wantScans(nil, true)
		for ; len(script) >= 2; script = script[2:] {
			what, n := script[0], script[1]
			var b []byte
			at := l.now.Milliseconds()
			switch what % 4 {
			case 0:
				b = raw(at, evMsc, mscScan, int32(n%4))
			case 1:
				code := uint16(keyUnknown)
				if n&4 != 0 {
					code = 30
				}
				b = raw(at, evKey, code, int32(n%3))
			case 2:
				b = raw(at, evSyn, synReport, 0)
			case 3:
				l.pass(time.Duration(n) * 2 * time.Millisecond)
				continue
			}
			d.take(b)
		}
		d.releaseScans()
		for name, is := range down {
			if is {
				t.Errorf("%s stays down", name)
			}
		}
	})
}
