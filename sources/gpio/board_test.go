// SPDX-License-Identifier: MIT

// A board for tests: chips whose nodes are files in a temporary folder, lines
// that are pipes which carry the kernel's records, and a loop that runs.

package gpio

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/warthog618/go-gpiocdev/uapi"
	"golang.org/x/sys/unix"

	"reflexd/agent/loop"
	"reflexd/agent/loop/looptest"
	"reflexd/agent/state"
	"reflexd/config"
	"reflexd/sources"
)

// bench runs a source on a loop. What happens on the loop's thread is guarded
// by do and await.
type bench struct {
	*testing.T
	*Source
	*looptest.Stand
	loop   *loop.Loop
	log    bytes.Buffer
	events []*sources.Event
	table  *state.Table // of the events so far

	dev, sys string
	chips    map[string]*fakeChip // by node
	opened   map[int]*fakeChip    // by descriptor
	lines    map[int]*fakeLine
	requests []*fakeLine // all of them, as they came
	calls    []string    // requests and sets, as they came
}

type fakeChip struct {
	label, node string
	names       []string
	consumers   map[int]string
	refusal     error // of every request
	released    bool  // meanwhile: when the lines are watched
	watches     []*os.File
	gone        bool
}

// fakeLine is a requested line; outside is where its edges are written.
type fakeLine struct {
	*fakeChip
	request uapi.LineRequest
	outside *os.File
	high    bool
	highB   bool // of the second line
	seqno   uint32
	seqnoB  uint32
}

func newBench(t *testing.T) *bench {
	stand, l := looptest.New(t)
	b := &bench{
		T: t, Stand: stand, loop: l, table: state.New(), dev: t.TempDir(), sys: t.TempDir(),
		chips: map[string]*fakeChip{}, opened: map[int]*fakeChip{}, lines: map[int]*fakeLine{},
	}
	host := sources.Host{
		State: func(kind, name string) string {
			state, _ := b.table.State(kind, name)
			return state
		},
		Loop: l, Dev: b.dev, Sys: b.sys, Proc: t.TempDir(),
		Emit: func(e *sources.Event) {
			b.table.Take(e)
			if e.Standing <= sources.Begins || e.Press != sources.NoPress {
				b.events = append(b.events, e.Clone())
			}
		},
		Log: slog.New(slog.NewTextHandler(&b.log, nil)),
	}
	b.Source = open(host, b.kernel())
	b.Missed = func() string { return fmt.Sprintf("events: %s\nlog: %s", told(b.events), b.log.String()) }
	b.Stand.Run(nil, b.Source.Close)
	return b
}

func (b *bench) apply(p *Plan) { b.Do(func() { b.Source.Apply(p) }) }

// expect waits for as many events as there are words, and compares them.
func (b *bench) expect(words ...string) {
	b.Helper()
	b.Await(fmt.Sprint(len(words), " events"), func() bool { return len(b.events) >= len(words) })
	b.Do(func() {
		if got := told(b.events); !slices.Equal(got, words) {
			b.Errorf("events:\n got %q\nwant %q", got, words)
		}
		b.events = nil
	})
}

// nothing fails the test if an event came since the last expect.
func (b *bench) nothing() {
	b.Helper()
	b.Do(func() {
		if len(b.events) > 0 {
			b.Errorf("unexpected events: %q", told(b.events))
		}
	})
}

// told writes events as "name state press", with an S for synthetic ones.
func told(events []*sources.Event) []string {
	presses := []string{"", "Down", "Up", "Repeat", "StartsDown", "StartsUp", "Ended", "StartsOn"}
	words := []string{}
	for _, e := range events {
		w := fmt.Sprintf("%s %s %s", e.Topic.Name, e.Topic.State, presses[e.Press])
		if e.Phase != 0 {
			w = fmt.Sprintf("%s %d%d", e.Topic.Name, b2i(e.Phase&sources.PhaseA), b2i(e.Phase&sources.PhaseB))
			if e.Phase&sources.PhaseSeen == 0 {
				w += " found"
			}
		}
		if e.Topic.Kind == "loss" {
			n, _ := e.Lookup("COUNT")
			w = "lost " + n.String()
		}
		if _, ok := e.Lookup("SYNTHETIC"); ok {
			w += " S"
		}
		words = append(words, w)
	}
	return words
}

func b2i(p sources.Phase) int { return min(1, int(p)) }

// states returns the error of every line, "" for those that are open.
func (b *bench) states() map[string]string {
	states := map[string]string{}
	b.Do(func() {
		for _, s := range b.Source.Status() {
			states[s.Name] = s.Error
			if s.OK != (s.Error == "") {
				b.Errorf("line %s: OK is %v with the error %q", s.Name, s.OK, s.Error)
			}
		}
	})
	return states
}

// plug makes a chip appear.
func (b *bench) plug(node, label string, names ...string) *fakeChip {
	c := &fakeChip{label: label, node: node, names: names, consumers: map[int]string{}}
	b.Do(func() { b.chips[node] = c })
	if err := os.WriteFile(filepath.Join(b.dev, node), nil, 0o600); err != nil {
		b.Fatal(err)
	}
	return c
}

// unplug makes a chip go away as Linux 6.1 does it: its requests fail but
// nobody who polls them wakes up.
func (b *bench) unplug(c *fakeChip) {
	b.Do(func() { c.gone = true; delete(b.chips, c.node) })
	if err := os.Remove(filepath.Join(b.dev, c.node)); err != nil {
		b.Fatal(err)
	}
}

// line returns the newest request of the line at an offset of a chip.
func (b *bench) line(c *fakeChip, offset uint32) *fakeLine {
	b.Helper()
	var found *fakeLine
	b.Do(func() {
		for _, l := range b.requests {
			if l.fakeChip == c && l.request.Offsets[0] == offset {
				found = l
			}
		}
	})
	if found == nil {
		b.Fatalf("line %d of %s is not requested", offset, c.node)
	}
	return found
}

// edge is one record to be written.
type edge struct {
	high bool
	b    bool          // it is the second line's
	skip uint32        // records lost before it
	at   time.Duration // 0 for now
}

// write puts edges into the queue of l all at once.
func (b *bench) write(l *fakeLine, edges ...edge) {
	b.Helper()
	var buf []byte
	b.Do(func() {
		for _, e := range edges {
			seqno := &l.seqno
			if e.b {
				seqno = &l.seqnoB
			}
			*seqno += e.skip + 1
			if e.at == 0 {
				e.at = b.loop.Now()
			}
			level, offset := &l.high, l.request.Offsets[0]
			if e.b {
				level, offset = &l.highB, l.request.Offsets[1]
			}
			*level = e.high
			buf = append(buf, rawEdge(e.at, e.high, offset, *seqno)...)
		}
		if _, err := l.outside.Write(buf); err != nil {
			b.Error(err)
		}
	})
}

// rawEdge is a struct gpio_v2_line_event.
func rawEdge(at time.Duration, high bool, offset, seqno uint32) []byte {
	id := uint32(2)
	if high {
		id = 1
	}
	buf := make([]byte, recordSize)
	binary.NativeEndian.PutUint64(buf, uint64(at))
	binary.NativeEndian.PutUint32(buf[8:], id)
	binary.NativeEndian.PutUint32(buf[12:], offset)
	binary.NativeEndian.PutUint32(buf[16:], seqno)
	binary.NativeEndian.PutUint32(buf[20:], seqno)
	return buf
}

func (b *bench) kernel() *kernel {
	return &kernel{
		open:     b.openChip,
		chipInfo: b.chipInfo,
		lineInfo: b.lineInfo,
		request:  b.request,
		get: func(fd, lines int) (levels, error) {
			l := b.lines[fd]
			if lines != int(l.request.Lines) {
				b.Errorf("%d levels are read of a request for %d lines", lines, l.request.Lines)
			}
			if l.gone {
				return levels{}, unix.ENODEV
			}
			return levels{l.high, l.highB}, nil
		},
		set: func(fd int, high bool) error {
			l := b.lines[fd]
			if l.gone {
				return unix.ENODEV
			}
			l.high = high
			b.calls = append(b.calls, fmt.Sprintf("set %d %v", l.request.Offsets[0], high))
			return nil
		},
		watchLines: func(path string, offsets []int) (int, bool, error) {
			var pipe [2]int
			if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
				return -1, false, err
			}
			c := b.chips[filepath.Base(path)]
			c.watches = append(c.watches, os.NewFile(uintptr(pipe[1]), "changes"))
			b.calls = append(b.calls, fmt.Sprint("watch ", offsets))
			return pipe[0], c.released, nil
		},
		toInput: func(fd int, bias uapi.LineFlagV2) error {
			b.calls = append(b.calls, fmt.Sprintf("input %d %#x", b.lines[fd].request.Offsets[0], uint64(bias)))
			return nil
		},
	}
}

func (b *bench) openChip(path string) (int, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		b.Error(err)
	}
	c := b.chips[filepath.Base(real)]
	if c == nil {
		unix.Close(fd)
		return -1, unix.ENODEV
	}
	b.opened[fd] = c
	return fd, nil
}

func (b *bench) chipInfo(fd int) (uapi.ChipInfo, error) {
	c := b.opened[fd]
	info := uapi.ChipInfo{Lines: uint32(len(c.names))}
	copy(info.Name[:], c.node)
	copy(info.Label[:], c.label)
	return info, nil
}

func (b *bench) lineInfo(fd, offset int) (uapi.LineInfoV2, error) {
	c := b.opened[fd]
	info := uapi.LineInfoV2{Offset: uint32(offset), Flags: uapi.LineFlagV2Input}
	copy(info.Name[:], c.names[offset])
	copy(info.Consumer[:], c.consumers[offset])
	if c.consumers[offset] != "" {
		info.Flags |= uapi.LineFlagV2Used
	}
	return info, nil
}

func (b *bench) request(fd int, r *uapi.LineRequest) error {
	c := b.opened[fd]
	offset := r.Offsets[0]
	b.calls = append(b.calls, fmt.Sprintf("request %d", offset))
	if c.refusal != nil {
		return c.refusal
	}
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return err
	}
	r.Fd = int32(pipe[0])
	l := &fakeLine{fakeChip: c, request: *r, outside: os.NewFile(uintptr(pipe[1]), "outside")}
	for _, a := range r.Config.Attrs[:r.Config.NumAttrs] {
		if a.Attr.ID == uapi.LineAttributeIDOutputValues {
			l.high = a.Attr.Value64() == 1
		}
	}
	if r.Config.Flags.IsInput() && r.Config.Flags.IsBiasPullUp() {
		l.high, l.highB = true, true
	}
	b.lines[int(r.Fd)] = l
	b.requests = append(b.requests, l)
	return nil
}

// called returns the requests and sets since the last call.
func (b *bench) called() []string {
	var calls []string
	b.Do(func() { calls, b.calls = b.calls, nil })
	return calls
}

// plan reads and checks a configuration of lines and triggers.
func plan(t *testing.T, text string) *Plan {
	t.Helper()
	p, _, ps := read(text)
	if ps.Failed() {
		t.Fatal(ps.Error())
	}
	return p
}

// read reads a mapping with `lines` and `when`, a list of triggers.
func read(text string) (*Plan, []*sources.Trigger, *config.Problems) {
	ps := &config.Problems{}
	n, _ := config.Parse("f.yaml", []byte(text), ps)
	p := &Plan{}
	var compile []func(*config.Problems)
	var triggers []*sources.Trigger
	one := config.Choice("trigger", []config.Variant{{Key: "line"}, {Key: "lines"}, {Key: "button"}, {Key: "encoder"}}, nil,
		func(key string, at config.Pos) []config.Field {
			kinds := p.Triggers()
			i := slices.IndexFunc(kinds, func(k sources.TriggerKind) bool { return k.Key == key })
			fields, c := kinds[i].New()
			t := &sources.Trigger{Pos: at, Kind: key}
			triggers = append(triggers, t)
			compile = append(compile, func(ps *config.Problems) { c(t, ps) })
			return fields
		})
	when := config.ListOf(new([]struct{}), func(*struct{}) config.Value { return one })
	config.Object(append(p.Sections(), config.Field{Name: "when", Value: when})...).Read(n, ps)
	p.Resolve(ps)
	for _, c := range compile {
		c(ps)
	}
	return p, triggers, ps
}
