// SPDX-License-Identifier: MIT

package gpio

import (
	"slices"
	"strings"
	"testing"
	"time"

	"reflexd/sources"
)

const encoderPlan = `
encoders: {volume: {a: A, b: B}}
when: [{encoder: volume, is: turned}]
`

func TestEncoderIsOneRequest(t *testing.T) {
	b := newBench(t)
	chip := b.plug("gpiochip0", "chip", "A", "B")
	b.apply(plan(t, encoderPlan))
	b.expect("volume 00 found")
	l := b.line(chip, 0)
	if l.request.Lines != 2 || l.request.Offsets[1] != 1 || l.request.Config.NumAttrs != 0 {
		t.Errorf("requested %+v", l.request)
	}
	b.write(l, edge{high: false}, edge{high: false, b: true}, edge{high: true}, edge{high: true, b: true})
	b.expect("volume 10", "volume 11", "volume 01", "volume 00")

	// Edges that the kernel's queue dropped: where that left the knob is read.
	b.write(l, edge{high: false}, edge{high: true, skip: 2})
	b.expect("volume 10", "lost 2", "volume 00")
	b.Do(func() { l.highB = false })
	b.write(l, edge{high: false, skip: 1})
	b.expect("lost 1", "volume 10", "volume 11")

	// The two lines' edges came in the wrong order: their stamps are right.
	now := b.loop.Now()
	b.write(l, edge{high: true, b: true, at: now + 2}, edge{high: true, at: now + 1}, edge{high: false, b: true, at: now + 3}, edge{high: false, at: now + 4})
	b.expect("volume 01", "volume 00", "volume 01", "volume 11")

	// A bounce that was over before its interrupt was served changes nothing.
	b.write(l, edge{high: false}, edge{high: false, b: true}, edge{high: true})
	b.expect("volume 01")
}

func TestEncoderGoesAndComes(t *testing.T) {
	b := newBench(t)
	b.apply(plan(t, encoderPlan))
	b.nothing()
	chip := b.plug("gpiochip0", "chip", "A", "B")
	b.expect("volume 00 found")
	b.unplug(chip)
	b.Await("its being gone", func() bool { return b.Source.Status()[0].Error != "" })
	b.plug("gpiochip0", "chip", "A", "B", "C")
	b.expect("volume 00 found")

	// A reload leaves it alone, also where one of its lines has another word;
	// another line B does not.
	for _, test := range []struct{ lines, want string }{
		{"a: A, b: B", ""},
		{`a: A, b: "chip:1"`, ""},
		{`a: "chip:0", b: B`, ""},
		{`a: "chip:0", b: C`, "request 0"},
		{"a: C, b: A", "request 2"},
	} {
		b.called()
		b.apply(plan(t, "encoders: {volume: {"+test.lines+"}}"))
		if calls := strings.Join(b.called(), ", "); calls != test.want {
			t.Errorf("a reload with %s did %q, want %q", test.lines, calls, test.want)
		}
	}
}

func TestEncoderOnTwoChips(t *testing.T) {
	b := newBench(t)
	b.plug("gpiochip0", "one", "A")
	b.plug("gpiochip1", "two", "B")
	b.apply(plan(t, encoderPlan))
	if got := b.states()["volume"]; !strings.Contains(got, "A is a line of one and B one of two") {
		t.Errorf("state is %q", got)
	}
}

func TestEncoderEdgesAllocateNothing(t *testing.T) {
	s, r := quietRequest(t, encoderPlan)
	r.offsets = []int{0, 1}
	var seen []time.Duration
	s.host.Emit = func(e *sources.Event) { seen = append(seen, e.Time) }
	var edges []byte
	for i := range batch { // the later half comes first
		n := (i + batch/2) % batch
		edges = append(edges, rawEdge(time.Duration(n), n%4 < 2, uint32(n%2), uint32(n/2+1))...)
	}
	if n := testing.AllocsPerRun(100, func() {
		copy(s.buffer[:], edges)
		r.seqnos, seen = [2]uint32{}, seen[:0]
		r.take(s.buffer[:])
	}); n != 0 {
		t.Errorf("%v allocations a batch", n)
	}
	if len(seen) != batch || !slices.IsSorted(seen) {
		t.Errorf("edges were emitted at %v", seen)
	}
}

func TestEncoderComplaints(t *testing.T) {
	for text, want := range map[string]string{
		`encoders: {v: {a: A, b: B, debounce: 5ms}}`:                                                    "f.yaml:1:28: an encoder has no debounce",
		`encoders: {v: {a: A, b: A}}`:                                                                   "a and b are the same line",
		`encoders: {v: {a: A}}`:                                                                         `the key "b" is missing`,
		`encoders: {v: {a: A, b: B, steps: thirds}}`:                                                    "expected full, half or quarter",
		"lines: {x: {button: B}}\nencoders: {v: {a: A, b: B}}":                                          "f.yaml:2:12: encoder v: line B is already declared as x at f.yaml:1:9",
		"lines: {v: {button: C}}\nencoders: {v: {a: A, b: B}}":                                          "v is already the name of a line",
		`encoders: {v: {a: A, b: B}, w: {a: B, b: C}}`:                                                  "encoder w: line B is already declared as v",
		"encoders: {v: {a: A, b: B}}\nwhen: [{button: B, is: pressed}]":                                 "line B is one of the encoder v",
		"encoders: {volume: {a: A, b: B}}\nwhen: [{encoder: volme, is: turned}]":                        `no encoder "volme" is declared; did you mean "volume"?`,
		"encoders: {volume: {a: A, b: B}}\nwhen: [{encoder: \"x*\", is: turned}]":                       "no declared encoder matches",
		"encoders: {volume: {a: A, b: B}}\nwhen: [{line: volume, is: rising}]":                          `no line "volume" is declared`,
		"lines: {x: {button: B, debounce: 2s}}\nwhen: [{line: x, is: held, for: 1s}]":                   "held for 1s is shorter than the debounce of 2s",
		"lines: {x: {output: B}, y: {button: A}}\nwhen: [{lines: [x, y], together: true, is: pressed}]": "line x is an output",
	} {
		if _, _, ps := read(text); !strings.Contains(ps.Error(), want) {
			t.Errorf("%s\n got %s\nwant %s", text, ps.Error(), want)
		}
	}
}
