// SPDX-License-Identifier: MIT

// device: one open input device, from the bytes that it sends to events.

package input

import (
	"fmt"
	"io"
	"iter"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/sources"
)

// device is an open input device. Its state outlives configurations: see
// adopt.
type device struct {
	host   *sources.Host
	kernel *kernel
	path   string
	source string // of its events
	id     *identity
	fd     int
	watch  sources.Watch
	// gone is called once, when the device can no longer be read.
	gone func(error)

	names       []string // by which the configuration knows it
	wanted      codes    // what rules ask for
	received    codes    // what is let through for them or for a grab
	extra       codes    // what is let through only to see life: see idleWatch
	levels      levels   // of what is received; the axes as last seen
	dropping    bool     // events were lost: skip to the next SYN_REPORT
	closed      bool
	grab        grab
	loose       loose
	readers     []reader // of what it types
	scans       scans
	pass        *passer      // nil unless it is passed on
	idleWatches []*idleWatch // that want to know of any event
	axesMuted   bool

	buf    []byte // shared with the source's other devices
	event  sources.Event
	fields [8]sources.Field
}

// start watches a descriptor that was just opened, whose state is in d.levels
// and which receives everything.
func (d *device) start() error {
	d.source = "input:" + d.path
	d.received = everyCode
	w, err := d.host.Loop.Watch(d.fd, unix.EPOLLIN, d.ready)
	d.watch = w
	return err
}

// ready reads one batch. A device that was unplugged hangs up.
func (d *device) ready(events uint32) {
	if d.read() || d.closed || events&(unix.EPOLLHUP|unix.EPOLLERR) == 0 {
		return
	}
	d.fail(unix.ENODEV)
}

// read takes up to one batch of events and reports whether there was any.
func (d *device) read() bool {
	n, err := sources.Read(d.fd, d.buf)
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
		return false
	case err != nil:
		d.fail(err)
		return false
	case n == 0:
		d.fail(io.EOF)
		return false
	}
	if rest := d.take(d.buf[:n]); rest > 0 && !d.closed {
		d.fail(fmt.Errorf("expected whole events, found %d bytes", rest))
	}
	return true
}

// take acts upon the events in buf and returns the number of bytes that are
// left over.
func (d *device) take(buf []byte) (rest int) {
	d.alive(buf)
	stale := false
	for ; len(buf) >= eventSize && !d.closed; buf = buf[eventSize:] {
		r := decode(buf)
		if !d.dropping && (!stale || r.typ == evRel) {
			d.pass.take(r)
		}
		switch {
		case r.typ == evSyn:
			stale = d.sync(r) || stale
		case d.dropping:
		case r.typ == evRel:
			d.turn(r)
		case stale:
			// It was read before the state was, and is older.
		case r.typ == evMsc:
			d.scan(r)
		case r.typ == evKey:
			d.press(r)
		case r.typ == evSw:
			d.flip(r)
		case r.typ == evAbs:
			d.move(r)
		}
	}
	return len(buf)
}

// lossKnob is what helps against lost events. The size of the kernel's queue
// cannot be changed.
const lossKnob = "give the agent more CPU time: Nice= or CPUWeight= of its service"

// sync acts upon a mark between packets of events, and reports whether that
// meant to read the device's state.
//
// After SYN_DROPPED what is left of the packet is worth nothing, and the state
// is read when it is over: Documentation/input/event-codes.rst.
func (d *device) sync(r record) (afresh bool) {
	switch {
	case r.code == synDropped:
		d.dropping, d.scans.hasPending = true, false
		d.pass.dropped()
	case r.code != synReport:
	case d.dropping:
		d.dropping = false
		d.host.Lost("input", d.path, 0, lossKnob)
		d.refresh(&codes{})
		d.pass.resume()
		d.adjustGrab()
		return true
	default:
		d.pass.report()
		d.scanAlone(r.at)
		if d.grab.waiting {
			d.adjustGrab()
		}
	}
	return false
}

// refresh reads the device's state and emits what is not as it was known to
// be. Of the codes in fresh nothing was known; their state is only noted.
func (d *device) refresh(fresh *codes) {
	d.release()
	at := d.host.Loop.Now() // before the question: what comes next is later
	ask := d.id.has
	for i := range ask.axes {
		ask.axes[i] &= d.received.axes[i]
	}
	var now levels
	if err := d.kernel.levels(d.fd, &ask, &now); err != nil {
		d.fail(err)
		return
	}
	for code := range changed(d.received.keys[:], d.levels.keys[:], now.keys[:]) {
		down := hasBit(now.keys[:], code)
		setBit(d.levels.keys[:], code, down)
		if !fresh.has(evKey, code) {
			d.scanKey(at, code, b2i(down), true)
			d.emitKey(at, code, b2i(down), true)
		}
	}
	for code := range changed(d.received.switches[:], d.levels.switches[:], now.switches[:]) {
		on := hasBit(now.switches[:], code)
		setBit(d.levels.switches[:], code, on)
		if !fresh.has(evSw, code) {
			d.emitSwitch(at, code, b2i(on), true)
		}
	}
	for code := range eachBit(ask.axes[:]) {
		was, is := d.levels.axes[code], now.axes[code]
		d.levels.axes[code] = is
		if is != was && !fresh.has(evAbs, code) && !perContact(code) {
			d.emitAxis(at, axis{evAbs, code}, is, was, true)
		}
	}
	d.spoil(at) // the kernel drops keys that are queued as it answers
}

// changed returns the codes of received in which the bitmaps was and is differ.
func changed(received, was, is []byte) iter.Seq[uint16] {
	diff := make([]byte, len(is))
	for i := range diff {
		diff[i] = (was[i] ^ is[i]) & received[i]
	}
	return eachBit(diff)
}

// perContact reports whether an axis belongs to the contacts of a multi-touch
// device.
func perContact(code uint16) bool { return absMTSlot <= code && code < absMTToolYNext }

func (d *device) press(r record) {
	if d.received.has(evKey, r.code) && r.value >= 0 && r.value <= 2 && d.debounce(r) {
		d.report(r)
	}
}

// report takes over and emits what a key does.
func (d *device) report(r record) {
	if r.value < 2 {
		setBit(d.levels.keys[:], r.code, r.value == 1)
		d.write(r)
	}
	if !d.scanKey(r.at, r.code, r.value, false) {
		d.emitKey(r.at, r.code, r.value, false)
	}
}

func (d *device) flip(r record) {
	if !d.received.has(evSw, r.code) || r.value < 0 || r.value > 1 {
		return
	}
	setBit(d.levels.switches[:], r.code, r.value == 1)
	d.emitSwitch(r.at, r.code, r.value, false)
}

func (d *device) move(r record) {
	if r.code >= absCount {
		return
	}
	was := d.levels.axes[r.code]
	d.levels.axes[r.code] = r.value
	d.emitAxis(r.at, axis{evAbs, r.code}, r.value, was, false)
}

func (d *device) turn(r record) {
	d.emitAxis(r.at, axis{evRel, r.code}, r.value, 0, false)
}

// duties are what a configuration asks of a device.
type duties struct {
	names         []string // by which it is declared
	wanted, asked codes    // what rules, and conditions, ask for
	grab          Grab
	texts         map[string]*Text
	scans         map[scancode]string
	everything    bool
	pass          bool
	takes         codes
	debounce      time.Duration
}

// adopt makes the device serve a configuration: the one that it was opened
// for, or the next.
func (d *device) adopt(duty *duties) {
	d.release()
	d.loose.within = duty.debounce
	old := d.wanted
	left := old.without(&duty.wanted)
	d.releaseKeys(left)
	d.emitGone(&left)
	if d.closed {
		return
	}
	d.names, d.wanted = duty.names, duty.wanted
	if d.grab.mode != duty.grab {
		d.grab.mode, d.grab.err = duty.grab, nil
	}
	d.readTexts(duty.texts)
	d.wantScans(duty.scans, duty.everything)
	d.usePass(duty.pass, duty.takes)
	d.applyMasks()
	if d.closed {
		return
	}
	d.adjustGrab()
	fresh := duty.wanted.without(&old)
	d.emitFound(&fresh, &duty.asked)
}

// applyMasks has the kernel pass what is wanted, and all keys as long as a grab
// waits for them to be released.
func (d *device) applyMasks() {
	want := d.wanted
	if d.grab.needsKeys() || d.readers != nil || d.hearsScans() {
		want.keys = everyCode.keys
	}
	if d.pass != nil {
		want = everyCode
	}
	extra := d.codesForIdle()
	if want == d.received && extra == d.extra {
		return
	}
	d.extra = extra
	pass := want
	pass.union(&extra)
	if err := d.kernel.mask(d.fd, &pass); err != nil {
		// Kernels before 4.4 have no masks. What comes unasked is dropped.
		d.host.Log.Debug("input events are not masked", "device", d.path, "error", err)
	}
	fresh := want.without(&d.received)
	d.received = want
	for i := range d.levels.keys {
		d.levels.keys[i] &= want.keys[i]
	}
	if !fresh.empty() {
		d.catchUp(&fresh)
	}
}

// catchUp learns the state of codes that the kernel did not pass so far. What
// is queued is read first, since the kernel drops it when asked for the state.
func (d *device) catchUp(fresh *codes) {
	const enough = 16 // batches: more than any driver's queue
	for range enough {
		if !d.read() {
			break
		}
	}
	if !d.closed {
		d.refresh(fresh)
	}
}

// releaseKeys emits that those of the keys in c that are down were released:
// nobody will receive it when they are.
func (d *device) releaseKeys(c codes) {
	at := d.host.Loop.Now()
	for code := range eachBit(c.keys[:]) {
		if hasBit(d.levels.keys[:], code) {
			d.emitKey(at, code, 0, true)
		}
	}
}

// fail closes a device that cannot be read.
func (d *device) fail(err error) {
	if d.closed {
		return
	}
	d.close()
	d.gone(err)
}

// close lets go of the device, and of the keys that are down.
func (d *device) close() {
	if d.closed {
		return
	}
	d.release()
	d.closed = true
	sources.StopTimer(&d.grab.retry)
	for i := range d.readers {
		d.discarded(&d.readers[i], "the device was closed")
	}
	d.pass.close()
	d.releaseScans()
	d.releaseKeys(d.wanted)
	d.emitGone(&d.wanted)
	d.emitScansGone(nil)
	if d.watch != nil {
		d.watch.Close()
	}
	if !d.grab.releasing {
		d.closeDescriptor()
	}
}

// closeDescriptor closes in the background, since the kernel waits for an RCU
// grace period meanwhile.
func (d *device) closeDescriptor() {
	fd := d.fd
	d.host.Loop.Beside(func() { _ = d.kernel.close(fd) }, sources.Nothing)
}
