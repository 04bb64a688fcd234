// SPDX-License-Identifier: MIT

package input

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

const scanner = `
inputs: {scanner: {name: "A scanner", text: {layout: us, end: KEY_ENTER}}}
rules: [{input: scanner, is: typed}]
`

// clock gives the time stamps of keys: from a second after the start, when all
// devices are open, a millisecond for each key.
type clock struct{ ms int64 }

func newClock(r *rig) *clock { return &clock{r.loop.Now().Milliseconds() + 1000} }

// keys returns the events of a scanner that types text, which has digits only,
// and an end key if that is a line.
func (c *clock) keys(text string) [][]byte {
	var events [][]byte
	for _, digit := range text {
		code := uint16(11)
		switch {
		case digit == '\n':
			code = 28
		case digit != '0':
			code = uint16(digit-'1') + 2
		}
		for value := range 2 {
			c.ms++
			events = append(events, raw(c.ms, 4, 4, int32(code)), raw(c.ms, evKey, code, int32(1-value)), report)
		}
	}
	return events
}

// texts waits until so many texts came, and returns them.
func (r *rig) texts(count int) []string {
	r.t.Helper()
	var texts []string
	r.Await(fmt.Sprintf("%d texts", count), func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		texts = nil
		for _, e := range r.events {
			if v, ok := e.Lookup("TEXT"); ok {
				input, _ := e.Lookup("INPUT")
				texts = append(texts, input.String()+" "+v.String())
			}
		}
		return len(texts) >= count
	})
	return texts
}

func (r *rig) expectTexts(want ...string) {
	r.t.Helper()
	if got := r.texts(len(want)); !slices.Equal(got, want) {
		r.t.Errorf("texts are %q, expected %q", got, want)
	}
}

// openScanner returns a rig with an open scanner, and the clock for its keys.
func openScanner(t *testing.T) (*rig, *fake, *clock) {
	t.Helper()
	r := newRig(t)
	f := r.plug("A scanner", "KEY_1", "KEY_ENTER")
	r.apply(scanner)
	r.isOpen(f)
	return r, f, newClock(r)
}

// sendPart types the beginning of a text, and waits until it was read.
func (r *rig) sendPart(f *fake, c *clock, part string) {
	r.t.Helper()
	r.send(f, c.keys(part)...)
	r.Await(part+" is read", func() bool { return r.source.nodes[f.path].device.readers[0].Len() == len(part) })
}

func TestTextIsOneEvent(t *testing.T) {
	r, f, c := openScanner(t)
	r.send(f, c.keys("4006381333931\n")...)
	e := r.expect("input scanner typed")[0]
	for name, want := range map[string]string{"INPUT": "scanner", "TEXT": "4006381333931", "DEVICE": f.path, "NAME": "A scanner"} {
		if v, ok := e.Lookup(name); !ok || v.String() != want {
			t.Errorf("%s is %q, expected %q", name, v, want)
		}
	}
	if want := int64(c.ms - 1); e.Time.Milliseconds() != want {
		t.Errorf("its time is %v, expected that of the end key, %d ms", e.Time, want)
	}
	if v, _ := e.Lookup("TEXT"); v.Shown() != "***" || strings.Contains(r.logged(), "400638") {
		t.Errorf("the text is shown as %q", v.Shown())
	}
}

// A device whose texts no rule wants is not even opened.
func TestTextThatNobodyWants(t *testing.T) {
	r := newRig(t)
	f := r.plug("A scanner", "KEY_1", "KEY_ENTER")
	r.apply(strings.Replace(scanner, "typed", "present", 1))
	r.quiet()
	if r.source.nodes[f.path].device != nil {
		t.Error("it is open")
	}
}

func TestLogText(t *testing.T) {
	for _, logged := range []bool{false, true} {
		r := newRig(t)
		f := r.plug("A scanner", "KEY_1", "KEY_ENTER")
		r.apply(fmt.Sprintf(`
inputs: {scanner: {name: "A scanner", text: {end: KEY_ENTER}, log_text: %t}}
rules: [{input: scanner, is: typed}, {key: [KEY_1, KEY_ENTER], is: pressed}]
`, logged))
		r.isOpen(f)
		r.send(f, newClock(r).keys("1\n")...)
		r.texts(1)
		r.mu.Lock()
		for _, e := range r.events {
			key, text := e.Topic.Name == "KEY_1", e.Topic.State == typedState
			for _, f := range e.Fields {
				secret := !logged && (text && f.Name == "TEXT" || key && (f.Name == "KEY" || f.Name == "CODE"))
				if f.Value.IsSecret() != secret {
					t.Errorf("log_text %t: %s of %s is secret: %t", logged, f.Name, e.Describe(), !secret)
				}
			}
			if shown := strings.Contains(e.Describe(), "KEY_1"); key && shown != logged {
				t.Errorf("log_text %t: the key is logged as %q", logged, e.Describe())
			}
		}
		r.mu.Unlock()
	}
}

// Two scanners of one make are told apart by where they are plugged in, and what
// they type at the same time does not mix.
func TestTwoScanners(t *testing.T) {
	r := newRig(t)
	left, right := r.plug("A scanner", "KEY_1", "KEY_ENTER"), r.plug("A scanner", "KEY_1", "KEY_ENTER")
	left.id.phys, right.id.phys = "usb-1.2/input0", "usb-1.3/input0"
	r.apply(`
inputs:
  left: {name: "A scanner", phys: "usb-1.2/*", text: {layout: us}}
  right: {name: "A scanner", phys: "usb-1.3/*", text: {layout: us}}
rules: [{input: [left, right], is: typed}]
`)
	r.isOpen(left)
	r.isOpen(right)
	c := newClock(r)
	l, k := c.keys("123\n"), c.keys("456\n")
	for i := range l {
		r.send(left, l[i])
		r.send(right, k[i])
	}
	got := r.texts(2)
	slices.Sort(got)
	if !slices.Equal(got, []string{"left 123", "right 456"}) {
		t.Errorf("texts are %q", got)
	}
}

func TestReloadInMidCode(t *testing.T) {
	r, f, c := openScanner(t)
	r.sendPart(f, c, "12")
	r.apply(scanner)
	r.send(f, c.keys("34\n")...)
	r.expectTexts("scanner 1234")

	r.sendPart(f, c, "56")
	r.apply(strings.Replace(scanner, "us", "de", 1))
	if !strings.Contains(r.logged(), "typed text discarded") {
		t.Error("the log does not say that a text was discarded")
	}
	c.ms += 1000
	r.send(f, c.keys("78\n")...)
	r.expectTexts("scanner 1234", "scanner 78")
}

func TestDeviceGoesInMidCode(t *testing.T) {
	r, f, c := openScanner(t)
	r.sendPart(f, c, "12")
	r.unplug(f)
	r.Await("it is gone", func() bool { return r.source.nodes[f.path] == nil })
	if !strings.Contains(r.logged(), "typed text discarded") {
		t.Error("the log does not say that a text was discarded")
	}
	f = r.plug("A scanner", "KEY_1", "KEY_ENTER")
	r.isOpen(f)
	c = newClock(r)
	r.send(f, c.keys("34\n")...)
	r.expectTexts("scanner 34")
}

// After a loss, the rest of a code is no code: its beginning is missing.
func TestLossInMidCode(t *testing.T) {
	r, f, c := openScanner(t)
	r.sendPart(f, c, "12")
	r.send(f, dropped, report)
	r.expect("loss input lost")
	c.ms = r.loop.Now().Milliseconds() + 1
	r.send(f, c.keys("34\n")...)
	r.send(f, c.keys("56\n")...)
	r.expectTexts("scanner 56")
	if n := strings.Count(r.logged(), "typed text discarded"); n != 2 {
		t.Errorf("the log says %d times that a text was discarded, expected once for each part of it", n)
	}
}

// A thousand codes, as fast as they can be read.
func TestThousandCodes(t *testing.T) {
	r, f, c := openScanner(t)
	var want []string
	for i := range 1000 {
		code := fmt.Sprintf("%013d", i*7919)
		want = append(want, "scanner "+code)
		r.send(f, c.keys(code+"\n")...)
		if i%10 == 9 { // no more than a pipe takes
			r.texts(i + 1)
		}
	}
	r.expectTexts(want...)
}

func TestTextProblems(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{`{inputs: {s: {name: x, text: {layout: dvorak}}}}`, "us, uk, de or fr"},
		{`{inputs: {s: {name: x, log_text: on}}}`, "log_text goes with text"},
		{`{inputs: {s: {name: x}}, rules: [{input: s, is: typed}]}`, "reads no text"},
		{`{inputs: {s: {name: x, text: {}}}, rules: [{input: s, is: typed, for: 1s}]}`, "for, repeat and at_start go with `is: present` and `is: absent` only"},
		{`{inputs: {s: {name: x, text: {max: 0}}}}`, "1 to 4096"},
		{`{inputs: {s: {name: x, text: {end: ENTER}}}}`, `did you mean "KEY_ENTER"`},
	} {
		if _, ps := compile(tc.text); !ps.Failed() || !strings.Contains(ps.Error(), tc.want) {
			t.Errorf("%s\n%s\nexpected: %s", tc.text, ps.Error(), tc.want)
		}
	}
	c, ps := compile(scanner)
	if ps.Failed() || !slices.Contains(c.plan.Triggers()[4].Fields, "TEXT") {
		t.Error(ps.Error())
	}
}
