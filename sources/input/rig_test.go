// SPDX-License-Identifier: MIT

// The tests' rig: the real loop and real descriptors. Devices are pipes that
// carry bytes in the kernel's layout; what the kernel would answer to ioctls,
// the rig does.

package input

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/agent/loop"
	"reflexd/agent/loop/looptest"
	"reflexd/agent/state"
	"reflexd/config"
	"reflexd/sources"
)

// rig runs a source. The fields below mu are guarded by it.
type rig struct {
	*looptest.Stand
	t      *testing.T
	dev    string
	loop   *loop.Loop
	source *source

	mu      sync.Mutex
	events  []*sources.Event
	table   *state.Table // of the events so far
	log     strings.Builder
	devices map[string]*fake // by path
	byFD    map[int]*fake
	opens   map[string]int
	closed  []string
}

// fake is the far end of a device.
type fake struct {
	path    string
	id      identity
	levels  levels
	openErr error
	grabErr error
	noMask  bool
	// If set, opening it and giving it back wait until these are closed.
	opening, giving chan struct{}

	fd      int   // the descriptor that was handed out last
	write   int   // the end that the driver would feed; -1 when unplugged
	mask    codes // as last set
	masked  bool
	grabbed bool
	asked   int // how often its state was
}

// newRig returns a rig with a folder of its own for /dev, and its own devices.
func newRig(t *testing.T) *rig {
	r := bareRig(t, t.TempDir())
	r.source.kernel = kernel{r.openNode, r.identify, r.readLevels, r.setMask, r.setGrab, r.closeFD, nil}
	return r
}

// bareRig returns a rig that asks the kernel.
func bareRig(t *testing.T, dev string) *rig {
	stand, l := looptest.New(t)
	r := &rig{
		Stand: stand,
		table: state.New(),
		t:     t, dev: dev, loop: l,
		devices: map[string]*fake{}, byFD: map[int]*fake{}, opens: map[string]int{},
	}
	host := sources.Host{
		Loop: l, Dev: r.dev, Emit: r.emit,
		Log: slog.New(slog.NewTextHandler(lockedLog{r}, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	r.source = open(host, driver)
	r.Missed = func() string { return "but\n" + r.told() + "\n" + r.logged() }
	t.Cleanup(func() {
		if len(r.byFD) > 0 {
			t.Errorf("%d devices are still open", len(r.byFD))
		}
		for _, f := range r.devices {
			unix.Close(f.write)
		}
		if t.Failed() {
			t.Log(r.log.String())
		}
	})
	r.Run(nil, r.source.Close)
	return r
}

type lockedLog struct{ r *rig }

func (w lockedLog) Write(b []byte) (int, error) {
	w.r.mu.Lock()
	defer w.r.mu.Unlock()
	return w.r.log.Write(b)
}

func (r *rig) emit(e *sources.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.table.Take(e)
	if e.Standing > sources.Begins && e.Press == sources.NoPress {
		return
	}
	r.events = append(r.events, e.Clone())
}

// plug makes a device with its node. An empty path is the next free.
func (r *rig) plug(name string, has ...string) *fake {
	r.mu.Lock()
	path := filepath.Join(r.dev, "input", fmt.Sprintf("event%d", len(r.devices)))
	r.mu.Unlock()
	return r.plugAt(path, name, has...)
}

func (r *rig) plugAt(path, name string, has ...string) *fake {
	f := &fake{path: path, write: -1}
	f.id.name = name
	for _, text := range has {
		typ, code := codeOf(r.t, text)
		f.id.has.add(typ, code)
	}
	r.mu.Lock()
	r.devices[path] = f
	r.mu.Unlock()
	r.node(path)
	return f
}

// node makes the file that stands for a device node.
func (r *rig) node(path string) {
	r.must(os.MkdirAll(filepath.Dir(path), 0o755))
	r.must(os.WriteFile(path, nil, 0o600))
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// unplug hangs up and removes the node.
func (r *rig) unplug(f *fake) {
	r.hangUp(f)
	r.must(os.Remove(f.path))
	r.mu.Lock()
	delete(r.devices, f.path)
	r.mu.Unlock()
}

func (r *rig) hangUp(f *fake) {
	r.mu.Lock()
	defer r.mu.Unlock()
	unix.Close(f.write)
	f.write = -1
}

func (r *rig) openNode(path string) (int, error) {
	r.mu.Lock()
	r.opens[path]++
	f := r.devices[path]
	r.mu.Unlock()
	if f == nil {
		return -1, unix.ENOENT
	}
	if f.opening != nil {
		<-f.opening
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if f.openErr != nil {
		return -1, f.openErr
	}
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
		return -1, err
	}
	if f.write >= 0 {
		unix.Close(f.write)
	}
	f.fd, f.write, f.mask, f.masked = p[0], p[1], everyCode, false
	r.byFD[p[0]] = f
	return p[0], nil
}

func (r *rig) identify(fd int) (identity, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.byFD[fd].id, nil
}

func (r *rig) readLevels(fd int, _ *codes, l *levels) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.byFD[fd]
	f.asked++
	*l = f.levels
	return nil
}

func (r *rig) setMask(fd int, c *codes) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.byFD[fd]
	if f.noMask {
		return unix.EINVAL
	}
	f.mask, f.masked = *c, true
	return nil
}

func (r *rig) setGrab(fd int, on bool) error {
	r.mu.Lock()
	f := r.byFD[fd]
	r.mu.Unlock()
	if !on && f.giving != nil {
		<-f.giving
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if on && f.grabErr != nil {
		return f.grabErr
	}
	f.grabbed = on
	return nil
}

func (r *rig) closeFD(fd int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.byFD[fd]
	delete(r.byFD, fd)
	r.closed = append(r.closed, f.path)
	if f.fd == fd {
		f.grabbed, f.fd = false, -1
	}
	return unix.Close(fd)
}

// send has f say the events, through its mask, as the kernel would.
func (r *rig) send(f *fake, events ...[]byte) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	var b []byte
	for _, e := range events {
		rec := decode(e)
		if bits := f.mask.of(rec.typ); bits == nil || hasBit(bits, rec.code) {
			b = append(b, e...)
		}
		switch rec.typ {
		case evKey:
			setBit(f.levels.keys[:], rec.code, rec.value != 0)
		case evSw:
			setBit(f.levels.switches[:], rec.code, rec.value != 0)
		}
	}
	if _, err := unix.Write(f.write, b); err != nil {
		r.t.Fatal(err)
	}
}

// raw returns a struct input_event, stamped with ms milliseconds.
func raw(ms int64, typ, code uint16, value int32) []byte {
	var b []byte
	for _, n := range []int64{ms / 1000, ms % 1000 * 1000} {
		if longSize == 8 {
			b = binary.NativeEndian.AppendUint64(b, uint64(n))
		} else {
			b = binary.NativeEndian.AppendUint32(b, uint32(n))
		}
	}
	b = binary.NativeEndian.AppendUint16(b, typ)
	b = binary.NativeEndian.AppendUint16(b, code)
	return binary.NativeEndian.AppendUint32(b, uint32(value))
}

// codeOf finds the type and code of any name.
func codeOf(t testing.TB, text string) (typ, code uint16) {
	t.Helper()
	if code, err := KeyCode(text); err == nil {
		return evKey, code
	}
	if code, err := switchNames.parse(text); err == nil {
		return evSw, code
	}
	a, err := parseAxis(text)
	if err != nil {
		t.Fatal(err)
	}
	return a.typ, a.code
}

// ev returns an event by its code's name.
func ev(t testing.TB, ms int64, name string, value int32) []byte {
	typ, code := codeOf(t, name)
	return raw(ms, typ, code, value)
}

var (
	report  = raw(0, evSyn, synReport, 0)
	dropped = raw(0, evSyn, synDropped, 0)
)

// compiled is what reading a configuration gave.
type compiled struct {
	plan     *Plan
	triggers []*sources.Trigger
}

// compile reads a configuration as the agent does: sections, then `rules`, a
// list of triggers.
func compile(text string) (*compiled, *config.Problems) {
	var ps config.Problems
	c := &compiled{plan: &Plan{}}
	var ends []func(*sources.Trigger, *config.Problems)
	kinds := c.plan.Triggers()
	var variants []config.Variant
	for _, k := range kinds {
		variants = append(variants, config.Variant{Key: k.Key, Doc: k.Doc})
	}
	begin := func(key string, at config.Pos) []config.Field {
		i := slices.IndexFunc(kinds, func(k sources.TriggerKind) bool { return k.Key == key })
		fields, end := kinds[i].New()
		ends = append(ends, end)
		c.triggers = append(c.triggers, &sources.Trigger{Pos: at, Kind: key})
		return fields
	}
	trigger := func(*struct{}) config.Value { return config.Choice("trigger", variants, nil, begin) }
	rules := new([]struct{})
	fields := append(c.plan.Sections(), config.Field{Name: "rules", Value: config.ListOf(rules, trigger)})
	if n, ok := config.Parse("t.yaml", []byte(text), &ps); ok {
		config.Object(fields...).Read(n, &ps)
		c.plan.Resolve(&ps)
		for i, end := range ends {
			end(c.triggers[i], &ps)
		}
	}
	return c, &ps
}

// apply compiles text, which must be right, and applies it.
func (r *rig) apply(text string) *compiled {
	r.t.Helper()
	c, ps := compile(strings.ReplaceAll(text, "$DEV", r.dev))
	if ps.Failed() {
		r.t.Fatal(ps.Error())
	}
	r.Do(func() { r.source.Apply(c.plan) })
	return c
}

// quiet waits until nothing is being opened or closed.
func (r *rig) quiet() {
	r.t.Helper()
	r.Await("nothing is under way", func() bool { return r.loop.Pending() == 0 })
}

// isOpen waits until f is read from.
func (r *rig) isOpen(f *fake) {
	r.t.Helper()
	r.Await(f.path+" is open", func() bool {
		n := r.source.nodes[f.path]
		return n != nil && n.device != nil
	})
}

// line describes an event in one line.
func line(e *sources.Event) string {
	press := [...]string{"", " down", " up", " repeat", " starts-down", " starts-up", " up"}[e.Press]
	s := e.Describe() + press
	if _, ok := e.Lookup("SYNTHETIC"); ok {
		s += " synthetic"
	}
	if p, ok := e.Lookup("PREVIOUS"); ok {
		v, _ := e.Lookup("VALUE")
		s += fmt.Sprintf(" %s->%s", p, v)
	}
	return s
}

// emitted returns what was emitted, a line each.
func (r *rig) told() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var lines []string
	for _, e := range r.events {
		lines = append(lines, line(e))
	}
	return strings.Join(lines, "\n")
}

// expect waits until exactly these events were emitted since the last call.
func (r *rig) expect(lines ...string) []*sources.Event {
	r.t.Helper()
	want := strings.Join(lines, "\n")
	r.Await("events are\n"+want, func() bool {
		got := r.told()
		return got == want || len(got) > len(want)
	})
	if got := r.told(); got != want {
		r.t.Fatalf("events are\n%s\nexpected\n%s", got, want)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	events := r.events
	r.events = nil
	return events
}

// logged returns the log so far.
func (r *rig) logged() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.String()
}

// status returns the state of one declared input.
func (r *rig) status(name string) (st sources.State) {
	r.Do(func() {
		for _, s := range r.source.Status() {
			if s.Name == name {
				st = s
			}
		}
	})
	return st
}

// see reads a field of f under the rig's lock.
func see[T any](r *rig, f *fake, get func(*fake) T) T {
	r.mu.Lock()
	defer r.mu.Unlock()
	return get(f)
}

var discardLog = slog.New(slog.DiscardHandler)

// stillLoop is for devices that are fed by hand.
type stillLoop struct{ sources.Loop }

func (stillLoop) Now() time.Duration { return time.Second }
