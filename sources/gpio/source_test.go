// SPDX-License-Identifier: MIT

package gpio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/warthog618/go-gpiocdev/uapi"
	"golang.org/x/sys/unix"

	"reflexd/sources"
)

const aButton = `lines: {power: {button: GPIO3}}`

// pressable returns a bench with one button, at offset 3, that is not pressed.
func pressable(t *testing.T) (*bench, *fakeLine) {
	t.Helper()
	b := newBench(t)
	c := b.plug("gpiochip0", "pinctrl", "GPIO0", "GPIO1", "GPIO2", "GPIO3", "GPIO4")
	b.apply(plan(t, aButton))
	b.expect("power  StartsUp")
	b.called()
	return b, b.line(c, 3)
}

func TestPressAndRelease(t *testing.T) {
	b, l := pressable(t)
	b.nothing() // the level that was found is no press
	b.write(l, edge{high: false, at: time.Hour}, edge{high: true})
	b.Await("two edges", func() bool { return len(b.events) == 2 })
	b.Do(func() {
		e := b.events[0]
		text := fmt.Sprint(e.Time, e.Source, e.Names)
		for _, f := range e.Fields {
			text += fmt.Sprintf(" %s=%s", f.Name, f.Value)
		}
		if text != "1h0m0sgpio:power[power] LINE=power CHIP=pinctrl OFFSET=3 LEVEL=0 EDGE=falling" {
			b.Error(text)
		}
	})
	b.expect("power falling Down", "power rising Up")
}

func TestRequestIsAsConfigured(t *testing.T) {
	b, l := pressable(t)
	b.Do(func() {
		flags, err := unix.FcntlInt(uintptr(b.Source.requests[0].fd), unix.F_GETFL, 0)
		if err != nil || flags&unix.O_NONBLOCK == 0 {
			b.Errorf("reading the line blocks: flags %x, %v", flags, err)
		}
	})
	c := &l.request.Config
	if !c.Flags.IsInput() || !c.Flags.IsBiasPullUp() || !c.Flags.IsBothEdges() || c.Flags.IsActiveLow() || c.Flags.HasRealtimeEventClock() {
		t.Errorf("flags %x", c.Flags)
	}
	if c.NumAttrs != 1 || c.Attrs[0].Attr.Value32() != 10_000 || c.Attrs[0].Mask != 1 {
		t.Errorf("debounce: %+v", c.Attrs[0])
	}
	if l.request.EventBufferSize != debouncedQueueSize || string(l.request.Consumer[:8]) != "reflexd\x00" {
		t.Errorf("%+v", l.request)
	}
}

func TestHeldAtStart(t *testing.T) {
	b := newBench(t)
	c := b.plug("gpiochip0", "main", "x")
	b.apply(plan(t, `lines: {power: {input: x, active: low}}`))
	b.expect("power  StartsOn")
	b.write(b.line(c, 0), edge{high: true})
	b.expect("power rising Up")
}

func TestEdgeBeforeTheFirstReadingIsInIt(t *testing.T) {
	b, l := pressable(t)
	// It rose between the request and the reading of the level.
	b.write(l, edge{high: true, at: 1}, edge{high: false})
	b.expect("power falling Down")
}

func TestEqualEdgesAreMadeUpFor(t *testing.T) {
	b, l := pressable(t)
	b.write(l, edge{high: false}, edge{high: false}, edge{high: true})
	b.expect("power falling Down", "power rising Ended S", "power falling Down", "power rising Up")
}

func TestOneEdgeIsNotMadeUpFor(t *testing.T) {
	b := newBench(t)
	c := b.plug("gpiochip0", "main", "x")
	b.apply(plan(t, `lines: {tick: {input: x, edges: rising}}`))
	l := b.line(c, 0)
	b.write(l, edge{high: true}, edge{high: true, skip: 4}, edge{high: true})
	b.expect("tick rising ", "lost 4", "tick rising ", "tick rising ")
	b.Do(func() {
		l.high = true
		if on, ok := b.Level("tick"); !on || !ok {
			b.Error("the level of a line with one edge is not read when asked for")
		}
	})
}

func TestGapIsToldAndRepaired(t *testing.T) {
	b, l := pressable(t)
	b.write(l, edge{high: false}, edge{high: false, skip: 3})
	b.expect("power falling Down", "lost 3", "power rising Ended S", "power falling Down")
	// The level afresh is not what the last edge in the queue said.
	b.Do(func() {
		l.seqno += 3
		l.high = false
		_, _ = l.outside.Write(rawEdge(b.loop.Now(), true, 3, l.seqno))
	})
	b.expect("lost 2", "power rising Up", "power falling Down S")
	b.Do(func() {
		for _, word := range []string{"name=power", "debounce", "queue of 64 edges"} {
			if !strings.Contains(b.log.String(), word) {
				b.Errorf("the log does not say %q:\n%s", word, b.log.String())
			}
		}
	})
}

func TestLevelIsReadWhenTheQueueIsEmpty(t *testing.T) {
	// Read before the last batch, the level would make up for an edge that is
	// still to come. A queue that ran over holds a whole number of batches.
	for _, n := range []int{2*batch - 1, 2 * batch} {
		b, l := pressable(t)
		edges := []edge{{high: false, skip: 100}}
		words := []string{"lost 100", "power falling Down"}
		for i := 1; i < n; i++ {
			edges = append(edges, edge{high: i%2 == 1})
			words = append(words, []string{"power falling Down", "power rising Up"}[i%2])
		}
		b.write(l, edges...)
		b.expect(words...)
		b.Await("the level read afresh", func() bool { return !b.Source.requests[0].stale })
		b.nothing()
	}
}

func TestGarbageIsCounted(t *testing.T) {
	b, l := pressable(t)
	b.Do(func() {
		raw := rawEdge(1, true, 77, 1)                     // of another line
		raw = append(raw, make([]byte, recordSize)...)     // no known id
		raw = append(raw, rawEdge(2, false, 3, 1)...)      // fine
		_, _ = l.outside.Write(append(raw, "leftover"...)) // no whole record
	})
	b.expect("power falling Down")
	b.Do(func() {
		if s := b.Status()[0]; !strings.Contains(s.Detail, "3 invalid records") {
			b.Error(s.Detail)
		}
	})
}

func TestHangUpEndsThePress(t *testing.T) {
	b, l := pressable(t)
	b.write(l, edge{high: false})
	b.expect("power falling Down")
	b.Do(func() { b.chips["gpiochip0"].refusal = unix.ENODEV; l.outside.Close() })
	b.expect("power  Ended S")
	if s := b.states()["power"]; !strings.Contains(s, "waiting for the chip: gpiochip0 (pinctrl) disappeared") {
		t.Error(s)
	}
	b.Do(func() {
		if b.Source.requests[0].watch != nil || b.Source.requests[0].fd >= 0 {
			b.Error("a dead descriptor is still watched")
		}
	})
}

// A request that broke while its chip stays is made again soon, although
// another line waits for what no timer brings.
func TestBrokenRequestIsMadeAgain(t *testing.T) {
	b := newBench(t)
	c := b.plug("gpiochip0", "pinctrl", "a")
	b.apply(plan(t, `lines: {power: {input: a}, absent: {input: nowhere}}`))
	b.expect("power  StartsUp")
	l := b.line(c, 0)
	b.Do(func() { l.outside.Close() })
	b.Await("the end", func() bool { return b.Source.requests[0].fd < 0 })
	b.Await("the line again", func() bool { return b.Source.requests[0].fd >= 0 })
}

func TestChipComesAndGoes(t *testing.T) {
	b := newBench(t)
	b.apply(plan(t, `lines: {power: {button: GPIO1}, led: {output: GPIO0, initial: on}}`))
	if s := b.states()["power"]; !strings.Contains(s, "no GPIO chip in "+b.dev) {
		t.Error(s)
	}
	b.Do(func() {
		if _, again := b.pause(b.opener.Err(), 1); again {
			b.Error("a missing chip is looked for by a timer")
		}
	})
	c := b.plug("gpiochip0", "main", "GPIO0", "GPIO1")
	b.expect("power  StartsUp")
	if l := b.line(c, 0); !l.high {
		t.Error("the output does not begin with its initial level")
	}
	b.write(b.line(c, 1), edge{high: false})
	b.expect("power falling Down")
	b.Do(func() { _ = b.Set("led", false, nil) })

	b.unplug(c)
	b.expect("power  Ended S")
	b.Await("all lines closed", func() bool { return b.Source.requests[0].fd < 0 && b.Source.requests[1].fd < 0 })
	b.Do(func() {
		b.opener.Visit() // the timer's try: it finds nothing, and is the last
		if _, again := b.pause(b.opener.Err(), 1); again || strings.Contains(b.log.String(), "no line is called") {
			b.Errorf("the absent chip is looked for again, or logged twice:\n%s", b.log.String())
		}
	})
	if s := b.states()["power"]; !strings.Contains(s, "gpiochip0 (main) disappeared") {
		t.Error(s)
	}
	again := b.plug("gpiochip5", "main", "GPIO0", "GPIO1")
	b.expect("power  StartsUp")
	if l := b.line(again, 0); l.high {
		t.Error("the output does not come back with the level last set")
	}
	b.Do(func() {
		if !strings.Contains(b.log.String(), `msg="line is open" line=power at="gpiochip5:1 (main)"`) {
			b.Error(b.log.String())
		}
	})
}

func TestBusyLine(t *testing.T) {
	b := newBench(t)
	for path, text := range map[string]string{
		"bus/platform/drivers/gpio-keys/soc:keys/of_node/power/label":       "Power Button\x00",
		"bus/platform/drivers/gpio-keys/soc:keys/input/input4/event3/dev":   "13:67",
		"class/leds/ACT/brightness":                                         "0",
		"bus/platform/drivers/gpio-keys/other:keys/of_node/other/gpios":     "",
		"bus/platform/drivers/gpio-keys/other:keys/input/input1/event0/dev": "",
	} {
		path = filepath.Join(b.sys, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	c := b.plug("gpiochip0", "main", "a", "b", "c", "d")
	b.Do(func() {
		c.refusal = unix.EBUSY
		c.consumers = map[int]string{0: "Power Button", 1: "ACT", 2: "spi0 CS0"}
	})
	b.apply(plan(t, `lines: {a: {input: a}, b: {input: b}, c: {input: c}, d: {output: d}}`))
	states := b.states()
	for name, want := range map[string]string{
		"a": `request gpiochip0:0: device or resource busy: held by "Power Button", a key of the kernel's gpio-keys driver: use its keys from ` + b.dev + `/input/event3 instead`,
		"b": `held by "ACT", a LED of the kernel: use it as ` + "`led: ACT` instead",
		"c": `device or resource busy: held by "spi0 CS0"`,
		"d": `held by an unnamed consumer`,
	} {
		if !strings.HasSuffix(states[name], want) {
			t.Errorf("line %s:\n got %s\nwant %s", name, states[name], want)
		}
	}
	b.Do(func() {
		if n := strings.Count(b.log.String(), "level=ERROR"); n != 4 {
			b.Errorf("%d errors in the log, want 4:\n%s", n, b.log.String())
		}
		if err := b.Set("d", true, nil); err == nil || !strings.HasPrefix(err.Error(), "line d is not open: request gpiochip0:3") {
			b.Error(err)
		}
		b.opener.Visit() // the timer's second try
		if n := strings.Count(b.log.String(), "level=ERROR"); n != 4 {
			b.Error("the same cause is logged again")
		}
		c.refusal = nil
	})
	b.Await("the retry", func() bool { return b.Source.requests[3].fd >= 0 })
	if l := b.line(c, 3); !l.high {
		t.Error("the value ordered while the line was busy is lost")
	}
}

// change is a struct gpio_v2_line_info_changed.
func change(kind uint32) []byte {
	buf := make([]byte, changeSize)
	binary.NativeEndian.PutUint32(buf[changeType:], kind)
	return buf
}

// A line that another program holds is requested when it is released, without
// polling.
func TestHeldLineIsRequestedWhenReleased(t *testing.T) {
	const requested, released, reconfigured = 1, 2, 3
	for name, records := range map[string][]byte{
		"released":           slices.Concat(change(reconfigured), change(released)),
		"the queue was full": bytes.Repeat(change(requested), changes),
	} {
		b := newBench(t)
		c := b.plug("gpiochip0", "main", "a", "b", "c")
		b.Do(func() { c.refusal = unix.EBUSY })
		b.apply(plan(t, `{lines: {a: {input: a}, c: {output: c}}}`))
		var tried time.Duration
		b.Do(func() {
			b.opener.Visit()
			tried = b.triedAt
			if n := len(c.watches); n != 1 || !slices.Contains(b.calls, "watch [0 2]") {
				b.Errorf("%d watches: %q", n, b.calls)
			}
			if _, err := c.watches[0].Write(change(requested)); err != nil {
				b.Error(err)
			}
		})
		b.Await("the change to be read", func() bool { return empty(b.held[filepath.Join(b.dev, "gpiochip0")].fd) })
		b.Do(func() {
			if b.triedAt != tried {
				b.Error("a request by others makes it try again")
			}
			c.refusal = nil
			if _, err := c.watches[0].Write(records); err != nil {
				b.Error(err)
			}
		})
		b.Await(name, func() bool { return b.Source.requests[0].fd >= 0 && b.Source.requests[1].fd >= 0 })
		b.Do(func() {
			if len(b.held) > 0 {
				b.Error("it is watched still")
			}
		})
		if _, err := c.watches[0].Write(change(released)); err == nil {
			t.Error("the watch is still open")
		}
	}
}

// empty reports whether nothing can be read from fd.
func empty(fd int) bool {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
	return n == 0 && err == nil
}

// A line that is released between the try and the watch is not missed, and one
// whose chip goes away leaves no descriptor.
func TestHeldLineThatWasReleasedMeanwhile(t *testing.T) {
	b := newBench(t)
	c := b.plug("gpiochip0", "main", "a")
	b.Do(func() {
		c.refusal, c.released = unix.EBUSY, true
		b.opener.Pause = func(error, int) (time.Duration, bool) { return time.Hour, true } // no timer brings it
	})
	b.apply(plan(t, `lines: {a: {input: a}}`))
	b.Do(func() { c.refusal = nil })
	b.Await("the line", func() bool { return b.Source.requests[0].fd >= 0 && len(b.held) == 0 })

	d := b.plug("gpiochip1", "other", "b")
	b.Do(func() { d.refusal = unix.EBUSY })
	b.apply(plan(t, `lines: {b: {input: b}}`))
	b.Await("the watch", func() bool { return len(b.held) == 1 })
	b.unplug(d)
	b.Await("its end", func() bool { return len(b.held) == 0 })
}

func TestRetryBacksOff(t *testing.T) {
	b := newBench(t)
	c := b.plug("gpiochip0", "main", "a")
	b.Do(func() { c.refusal = unix.EBUSY })
	b.apply(plan(t, `lines: {a: {input: a}}`))
	b.Do(func() {
		for failures, want := range map[int]time.Duration{1: firstRetry, 2: 2 * firstRetry, 5: 16 * firstRetry, 6: lastRetry, 1000: lastRetry} {
			if pause, again := b.pause(b.opener.Err(), failures); pause != want || !again {
				b.Errorf("after %d failures: %v %v, want %v", failures, pause, again, want)
			}
		}
	})
}

func TestRefusals(t *testing.T) {
	for errno, want := range map[error]string{
		unix.ENXIO:  "no interrupt",
		eNotSupp:    "the chip does not support this bias",
		unix.EINVAL: "refuses this combination",
		unix.EPERM:  "run as root",
	} {
		b := newBench(t)
		c := b.plug("gpiochip0", "main", "a")
		b.Do(func() { c.refusal = errno })
		b.apply(plan(t, `lines: {a: {input: a}}`))
		if s := b.states()["a"]; !strings.Contains(s, want) {
			t.Errorf("%v: %s", errno, s)
		}
		b.Do(func() {
			if _, again := b.pause(b.opener.Err(), 1); again {
				b.Errorf("%v is tried again by a timer", errno)
			}
		})
	}
}

func TestRightsThatSettleLater(t *testing.T) {
	b := newBench(t)
	real := b.Source.kernel.open
	denied := true
	b.Do(func() {
		b.Source.kernel.open = func(path string) (int, error) {
			if denied {
				return -1, unix.EACCES
			}
			return real(path)
		}
	})
	b.plug("gpiochip0", "main", "a")
	b.apply(plan(t, `lines: {a: {input: a}}`))
	if s := b.states()["a"]; !strings.Contains(s, "permission denied (run as root") {
		t.Error(s)
	}
	b.Do(func() { denied = false })
	if err := os.Chmod(filepath.Join(b.dev, "gpiochip0"), 0o660); err != nil {
		t.Fatal(err)
	}
	b.expect("a  StartsUp")
}

func TestOldKernel(t *testing.T) {
	b := newBench(t)
	k := *b.Source.kernel
	k.lineInfo = cdev.lineInfo // of a file that is no chip: as version 1 answers
	b.Do(func() { b.Source.kernel = &k })
	b.plug("gpiochip0", "main", "a")
	b.apply(plan(t, `lines: {a: {input: a}}`))
	if s := b.states()["a"]; !strings.Contains(s, "requires Linux 5.10") {
		t.Error(s)
	}
}

// A line is found by its chip and offset without the names of all lines, which are read
// when a name is looked for. One that cannot be read is complained of by then.
func TestNamesAreReadWhenLookedFor(t *testing.T) {
	b := newBench(t)
	k := *b.Source.kernel
	read := []int{}
	k.lineInfo = func(fd, offset int) (uapi.LineInfoV2, error) {
		if read = append(read, offset); offset == 2 {
			return uapi.LineInfoV2{}, unix.EIO
		}
		return b.lineInfo(fd, offset)
	}
	b.Do(func() { b.Source.kernel = &k })
	b.plug("gpiochip0", "main", "a", "b", "c")
	b.apply(plan(t, `lines: {x: {input: "main:1"}}`))
	b.expect("x  StartsUp")
	b.Do(func() {
		if !slices.Equal(read, []int{0}) {
			t.Errorf("lines read: %v", read)
		}
	})
	b.apply(plan(t, `lines: {x: {input: "main:1"}, c: {input: c}}`))
	if s := b.states()["c"]; !strings.Contains(s, "no line is called c on the chips that can be opened") || !strings.Contains(s, "line 2: input/output error") {
		t.Error(s)
	}
}

func TestLinkToAChipIsNoSecondChip(t *testing.T) {
	b := newBench(t)
	b.plug("gpiochip0", "rp1", "GPIO0", "GPIO1")
	if err := os.Symlink("gpiochip0", filepath.Join(b.dev, "gpiochip4")); err != nil {
		t.Fatal(err)
	}
	b.apply(plan(t, `lines: {a: {input: GPIO0}, b: {input: "gpiochip4:1"}}`))
	b.expect("a  StartsUp", "b  StartsUp")
}

func TestSameLineByTwoSpecs(t *testing.T) {
	b := newBench(t)
	b.plug("gpiochip0", "main", "GPIO0")
	b.apply(plan(t, `lines: {a: {input: GPIO0}, b: {input: "main:0"}}`))
	if s := b.states()["b"]; s != "main:0 is already open, as line a" {
		t.Error(s)
	}
}

func TestReloadHandsOver(t *testing.T) {
	b := newBench(t)
	c := b.plug("gpiochip0", "main", "GPIO0", "GPIO1", "GPIO2")
	b.apply(plan(t, `lines: {power: {button: GPIO0}, led: {output: GPIO1}, old: {output: GPIO2, on_exit: on}}`))
	b.expect("power  StartsUp")
	b.Do(func() { _ = b.Set("led", true, nil) })
	b.write(b.line(c, 0), edge{high: false})
	b.expect("power falling Down")
	b.called()

	b.apply(plan(t, `lines: {power: {button: GPIO0}, lamp: {output: GPIO1, initial: off, on_exit: off}}`))
	if calls := b.called(); !slices.Equal(calls, []string{"set 2 true"}) {
		t.Errorf("a reload did %q, want only the on_exit of the line that is dropped", calls)
	}
	b.nothing()
	b.Do(func() {
		if on, ok := b.Level("lamp"); !on || !ok {
			b.Error("the output's level was not handed over")
		}
		if _, ok := b.Level("led"); ok {
			b.Error("the old name still stands")
		}
	})
	b.write(b.line(c, 0), edge{high: true})
	b.expect("power rising Up")
	b.Do(b.Source.Close)
	if calls := b.called(); !slices.Equal(calls, []string{"set 1 false"}) {
		t.Errorf("the end did %q, want the new on_exit", calls)
	}
}

// The same line under other words is the same request: to close and open it
// would glitch what hangs on it.
func TestReloadUnderOtherWordsHandsOver(t *testing.T) {
	b := newBench(t)
	c := b.plug("gpiochip0", "main", "GPIO0", "GPIO1", "A", "B", "GPIO4")
	b.apply(plan(t, `
lines: {power: {button: GPIO0}, led: {output: GPIO1, on_exit: off}, other: {output: GPIO4}}
encoders: {volume: {a: A, b: B}}
`))
	b.expect("power  StartsUp", "volume 00 found")
	b.Do(func() { _ = b.Set("led", true, nil) })
	b.called()

	b.apply(plan(t, `
lines: {power: {button: "gpiochip0:0"}, lamp: {output: "main:1", on_exit: off}, other: {output: "main:4", drive: open-drain}}
encoders: {volume: {a: "main:2", b: "main:3"}}
`))
	if calls := b.called(); !slices.Equal(calls, []string{"request 4"}) {
		t.Errorf("the reload did %q, want only the line requested whose settings changed", calls)
	}
	b.nothing()
	b.write(b.line(c, 0), edge{high: false})
	b.expect("power falling Down")
	b.Do(func() {
		if on, ok := b.Level("lamp"); !on || !ok {
			b.Error("the output's level was not handed over")
		}
	})

	// Words that have changed places are the lines that they say.
	b.apply(plan(t, `lines: {lamp: {output: GPIO4, drive: open-drain}, other: {output: GPIO1, on_exit: on}}`))
	if calls := b.called(); len(calls) > 0 {
		t.Errorf("the reload did %q", calls)
	}
	b.Do(func() {
		if on, _ := b.Level("other"); !on {
			b.Error("the names did not change places")
		}
	})
}

// Pin 13 of the first Pi was another line on its first revision: one that says
// so by a reload means the other line. What both have in the same place stays.
func TestReloadWithAnotherBoardMovesLines(t *testing.T) {
	b := newBench(t)
	c := b.plug("gpiochip0", "pinctrl-bcm2835", make([]string, 54)...)
	const lines = `
lines:
  lamp: {output: pin 13, on_exit: off}
  bell: {button: pin 11}
`
	b.apply(plan(t, "board: rpi-1b"+lines))
	b.expect("bell  StartsUp")
	b.Do(func() { _ = b.Set("lamp", true, nil) })
	b.called()

	b.apply(plan(t, "board: rpi-1b-rev1"+lines))
	if calls := b.called(); !slices.Equal(calls, []string{"set 27 false", "request 21"}) {
		t.Errorf("the reload did %q, want the old line left as on_exit says and the new one requested", calls)
	}
	b.nothing()
	if !b.line(c, 21).high {
		t.Error("the lamp did not keep what it was")
	}

	b.apply(plan(t, "board: rpi-5b"+lines))
	if calls := b.called(); !slices.Equal(calls, []string{"set 21 false"}) {
		t.Errorf("the reload did %q, want the line let go that the board does not have", calls)
	}
	if s := b.states()["bell"]; !strings.Contains(s, "chip pinctrl-rp1, which is missing") {
		t.Errorf("bell waits: %q", s)
	}
}

func TestOnExit(t *testing.T) {
	b := newBench(t)
	b.plug("gpiochip0", "main", "A", "B", "C", "D", "E")
	b.apply(plan(t, `
lines:
  a: {output: A}
  b: {output: B, on_exit: on, active: low}
  c: {output: C, on_exit: off}
  d: {output: D, on_exit: input}
  e: {output: E, on_exit: input, bias: pull-down}
`))
	b.called()
	b.Do(b.Source.Close)
	pull := fmt.Sprintf("input 4 %#x", uint64(uapi.LineFlagV2BiasPullDown))
	if calls := b.called(); !slices.Equal(calls, []string{"set 1 false", "set 2 false", "input 3 0x0", pull}) {
		t.Errorf("the end did %q", calls)
	}
}

func TestReloadRenamesAPressedButton(t *testing.T) {
	b, l := pressable(t)
	b.write(l, edge{high: false})
	b.expect("power falling Down")
	b.apply(plan(t, `lines: {off: {button: GPIO3}}`))
	b.expect("off  StartsDown")
	b.write(l, edge{high: true})
	b.expect("off rising Up")
	if calls := b.called(); len(calls) > 0 {
		t.Errorf("the line was touched: %q", calls)
	}
}

func TestReloadWithOtherParameters(t *testing.T) {
	b := newBench(t)
	c := b.plug("gpiochip0", "main", "GPIO0", "GPIO1")
	b.apply(plan(t, `lines: {a: {input: GPIO0}, led: {output: GPIO1, on_exit: off}}`))
	b.expect("a  StartsUp")
	b.Do(func() { _ = b.Set("led", true, nil) })
	b.called()
	b.apply(plan(t, `lines: {a: {input: GPIO0, debounce: 1ms}, led: {output: GPIO1, drive: open-drain}}`))
	b.expect("a  StartsUp")
	if calls := b.called(); !slices.Equal(calls, []string{"request 0", "request 1"}) {
		t.Errorf("calls: %q", calls)
	}
	if l := b.line(c, 1); !l.high || !l.request.Config.Flags.IsOpenDrain() {
		t.Error("the output lost its level or did not get its drive")
	}
}

func TestOutputs(t *testing.T) {
	b := newBench(t)
	c := b.plug("gpiochip0", "main", "x", "y")
	b.apply(plan(t, `lines: {led: {output: x, active: low}, door: {input: y}}`))
	b.expect("door  StartsUp")
	l := b.line(c, 0)
	if !l.high {
		t.Error("an output with active: low that begins off is not high")
	}
	b.Do(func() {
		if err := b.Set("led", true, nil); err != nil || l.high {
			b.Errorf("on: %v, high: %v", err, l.high)
		}
		if err := b.Toggle("led", nil); err != nil || !l.high {
			b.Errorf("toggled: %v, high: %v", err, l.high)
		}
		if on, ok := b.Level("led"); on || !ok {
			b.Error("level", on, ok)
		}
		for _, name := range []string{"door", "nobody"} {
			if b.Set(name, true, nil) == nil || b.Toggle(name, nil) == nil {
				b.Errorf("%s can be set", name)
			}
		}
		c.gone = true
		if err := b.Set("led", true, nil); !errors.Is(err, unix.ENODEV) {
			b.Error(err)
		}
		if s := b.Status()[0]; s.OK || !strings.Contains(s.Error, "disappeared") {
			b.Errorf("%+v", s)
		}
	})
}

func TestDryRunRequestsNoOutput(t *testing.T) {
	b := newBench(t)
	b.plug("gpiochip0", "main", "x", "y")
	p := plan(t, `lines: {led: {output: x}, door: {input: y}}`)
	b.host.DryRun = true
	b.apply(p)
	b.Do(func() {
		if err := b.Set("led", true, nil); err != nil {
			b.Error(err)
		}
		if on, ok := b.Level("led"); !on || !ok {
			b.Error("level", on, ok)
		}
	})
	if calls := b.called(); !slices.Equal(calls, []string{"request 1"}) {
		t.Errorf("calls: %q", calls)
	}
	b.states()
}

func TestNothingLeaks(t *testing.T) {
	before := descriptors(t)
	b := newBench(t)
	c := b.plug("gpiochip0", "main", "a", "b")
	for range 3 {
		b.apply(plan(t, `lines: {a: {input: a}, b: {output: b}}`))
		b.apply(plan(t, `lines: {b: {input: b}, c: {output: nowhere}}`))
	}
	b.unplug(c)
	b.Await("the line's end", func() bool { return b.Source.requests[0].fd < 0 })
	b.Do(func() {
		b.Source.Close()
		for _, l := range b.lines {
			l.outside.Close()
		}
	})
	const ofTheLoop = 2
	if after := descriptors(t); after > before+ofTheLoop {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

// descriptors counts the open descriptors but for pipes, whose outer ends the
// tests leave to the collector.
func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range entries {
		to, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err == nil && !strings.HasPrefix(to, "pipe:") {
			n++
		}
	}
	return n
}

func TestListOnAFolderWithoutChips(t *testing.T) {
	dev := t.TempDir()
	if chips, err := List(dev, ""); err != nil || len(chips) > 0 {
		t.Error(chips, err)
	}
	if err := os.WriteFile(filepath.Join(dev, "gpiochip0"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := List(dev, ""); !errors.Is(err, unix.ENOTTY) || !strings.Contains(err.Error(), dev+"/gpiochip0") {
		t.Error(err)
	}
	if _, err := List(dev+"/none", ""); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// quiet is a source with one line and nobody who listens.
func quiet(t testing.TB, text string) (*Source, *line) {
	s, r := quietRequest(t, text)
	return s, r.user.(*line)
}

func quietRequest(t testing.TB, text string) (*Source, *request) {
	p, _, ps := read(text)
	if ps.Failed() {
		t.Fatal(ps.Error())
	}
	s := &Source{kernel: &cdev, lines: map[string]*line{}}
	s.host.Emit = func(*sources.Event) {}
	r := newRequest(s, p.all()[0])
	s.add(r)
	return s, r
}

func TestEdgesAllocateNothing(t *testing.T) {
	_, l := quiet(t, aButton)
	l.high = true
	var buf []byte
	for i := range batch {
		buf = append(buf, rawEdge(time.Second, i%2 == 1, 0, 0)...)
	}
	seqno := byte(0)
	if n := testing.AllocsPerRun(100, func() {
		for i := range batch {
			seqno++
			binary.NativeEndian.PutUint32(buf[i*recordSize+20:], uint32(seqno))
		}
		l.seqnos[0] = binary.NativeEndian.Uint32(buf[20:]) - 1
		if seqno > 255-batch {
			seqno = 0
		}
		l.take(buf)
	}); n != 0 {
		t.Errorf("%v allocations a batch", n)
	}
}

func TestSetAllocatesNothing(t *testing.T) {
	s, l := quiet(t, `lines: {led: {output: x}}`)
	fd, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	// The ioctl itself: of a file that is no line it fails, but it is made.
	if n := testing.AllocsPerRun(100, func() { _ = cdev.set(fd, true) }); n != 0 {
		t.Errorf("%v allocations an ioctl", n)
	}
	s.kernel = &kernel{set: func(int, bool) error { return nil }}
	s.host.Loop = still{}
	l.fd = fd
	if n := testing.AllocsPerRun(100, func() { _ = s.Toggle("led", nil); _ = s.Set("led", true, nil) }); n != 0 {
		t.Errorf("%v allocations in Toggle and Set", n)
	}
}

func BenchmarkBatch(b *testing.B) {
	_, l := quiet(b, aButton)
	var buf []byte
	for i := range batch {
		buf = append(buf, rawEdge(time.Second, i%2 == 1, 0, uint32(i))...)
	}
	b.ReportAllocs()
	for b.Loop() {
		l.seqnos[0] = ^uint32(0)
		l.high = true
		l.take(buf)
	}
}

// still is a loop whose clock stands.
type still struct{ sources.Loop }

func (still) Now() time.Duration { return time.Second }

// FuzzDecode feeds a line any bytes. Whatever they are, what it tells of a
// line with both edges alternates, and the last that it told is its level.
func FuzzDecode(f *testing.F) {
	f.Add(rawEdge(5, true, 0, 1))
	f.Add(append(rawEdge(5, false, 0, 1), rawEdge(6, false, 0, 3)...))
	f.Add(append(rawEdge(5, false, 1, 1), "partial"...))
	f.Add(make([]byte, 3*recordSize))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, l := quiet(t, aButton)
		b = b[:min(len(b), len(s.buffer))]
		s.host.Log, s.host.Loop = slog.New(slog.DiscardHandler), still{}
		last := l.high
		s.host.Emit = func(e *sources.Event) {
			if e.Topic.Kind == "line" {
				now := e.Topic.State == rising
				if now == last {
					t.Fatalf("two equal edges told: %+v", e)
				}
				last = now
			}
		}
		l.take(b)
		if last != l.high {
			t.Fatalf("told %v, is %v", last, l.high)
		}
		if rest := len(b) % recordSize; rest != 0 && l.garbage == 0 {
			t.Fatal("a partial record was not counted")
		}
	})
}
