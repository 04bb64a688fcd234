// SPDX-License-Identifier: MIT

// Passing on: what no rule takes of a grabbed device goes to other programs by
// way of a twin, a virtual device that has all that the device has.

package input

import (
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"

	"reflexd/config"
	"reflexd/sources"
)

// The values of `pass`.
const (
	passNone   = "none"
	passOthers = "others"
)

// resolvePass complains of a device that passes on what it does not take.
func (in *Input) resolvePass(name string, ps *config.Problems) {
	if in.pass == passOthers && in.Grab == GrabOff {
		ps.Errorf(in.passAt, "pass goes with `grab: auto`: without a grab, other programs receive all keys of input %q anyway", name)
	}
}

// passes reports whether a device that is declared by names is to be passed on.
func (p *Plan) passes(names []string) bool {
	for _, name := range names {
		if p.Inputs[name].pass == passOthers {
			return true
		}
	}
	return false
}

// take has codes of a type heard, as want does, and kept from other programs.
func (p *Plan) take(from string, typ uint16, list ...uint16) {
	p.want(from, typ, list...)
	add(&p.takes, from, typ, list...)
}

// twin is a virtual device that was made for another.
type twin struct {
	fd      int    // of /dev/uinput
	back    int    // of the device, to set its LEDs; -1 without
	backErr error  // why not
	sysname string // input12
	repeats bool   // the kernel repeats its keys
}

// passer passes on what a device sends.
type passer struct {
	device *device
	twin   *twin // nil while there is none
	watch  sources.Watch
	making bool // in the background
	closed bool
	takes  codes // what rules take

	down    [keyBytes]byte // keys that are down at the twin
	packet  []byte         // of what is to be passed on
	scan    record         // the scancode of a key that may follow
	hasScan bool
}

// usePass has what rules do not take passed on, or not. A twin that is there
// already stays.
func (d *device) usePass(on bool, takes codes) {
	switch {
	case !on && d.pass != nil:
		d.pass.close()
		d.pass = nil
	case on && d.pass == nil:
		d.pass = &passer{device: d}
		d.pass.make()
	}
	if d.pass != nil {
		d.pass.takes = takes
		d.pass.takes.addFine()
	}
}

// addFine adds the fine steps of wheels, which come with the whole ones.
func (c *codes) addFine() {
	const wheel, hWheel, wheelFine, hWheelFine = 0x08, 0x06, 0x0b, 0x0c
	if c.has(evRel, wheel) {
		c.add(evRel, wheelFine)
	}
	if c.has(evRel, hWheel) {
		c.add(evRel, hWheelFine)
	}
}

// make makes the twin beside the loop. The device is grabbed when that is done.
func (p *passer) make() {
	if p.making {
		return
	}
	p.making = true
	d := p.device
	var t *twin
	var err error
	d.host.Loop.Beside(func() {
		t, err = d.kernel.twin(d.path, filepath.Join(d.host.Dev, "uinput"))
	}, func() { p.made(t, err) })
}

func (p *passer) made(t *twin, err error) {
	p.making = false
	d := p.device
	if err == nil && !p.closed {
		p.watch, err = d.host.Loop.Watch(t.fd, unix.EPOLLIN, p.ready)
	}
	switch {
	case p.closed || err != nil && t != nil:
		p.discard(t)
	case err == nil:
		p.twin, d.grab.err = t, nil
		d.host.Log.Info("virtual device created", "device", d.id.name, "at", t.sysname, "for", d.path)
		if t.backErr != nil {
			d.host.Log.Warn("LEDs of the input device are not set", "device", d.path, "error", t.backErr)
		}
	}
	if p.closed {
		return
	}
	if err != nil {
		d.cannotGrab(fmt.Errorf("not grabbed: its keys cannot be passed on: %w", explainUinput(d.id.name, err)))
	}
	d.adjustGrab()
}

// discard closes a twin that nobody wants. The kernel releases its keys.
func (p *passer) discard(t *twin) {
	if t == nil {
		return
	}
	d := p.device
	d.host.Loop.Beside(func() {
		_ = d.kernel.close(t.fd)
		if t.back >= 0 {
			_ = d.kernel.close(t.back)
		}
	}, sources.Nothing)
}

// canPass reports whether a grab would cut nobody off: nothing is to be passed
// on, or it can be.
func (d *device) canPass() bool { return d.pass == nil || d.pass.twin != nil }

// active reports whether what the device sends reaches nobody but by way of the
// twin.
func (p *passer) active() bool { return p != nil && p.twin != nil && p.device.grab.held }

// take takes one record of a packet.
func (p *passer) take(r record) {
	if !p.active() {
		return
	}
	switch r.typ {
	case evMsc:
		p.flushScan()
		p.scan, p.hasScan = r, true
		return
	case evKey:
		if !p.passesKey(r) {
			p.hasScan = false
			return
		}
		p.flushScan()
	case evRel, evAbs, evSw:
		if p.takes.has(r.typ, r.code) {
			return
		}
	default:
		return
	}
	p.packet = encode(p.packet, r)
}

// passesKey reports whether a key goes on, and notes that it did. The release of
// a key goes where its press went.
func (p *passer) passesKey(r record) bool {
	if int(r.code) >= keyCount {
		return false
	}
	down := hasBit(p.down[:], r.code)
	switch r.value {
	case 1:
		if down || p.takes.has(evKey, r.code) || p.device.reading(r.code) || p.hasScan && p.device.scans.asks(p.scan.value) {
			return false
		}
	case 0:
		if !down {
			return false
		}
	default: // the kernel repeats those of a device that repeats
		return down && !p.twin.repeats
	}
	setBit(p.down[:], r.code, r.value == 1)
	return true
}

// flushScan passes a scancode on whose key is.
func (p *passer) flushScan() {
	if p.hasScan {
		p.packet = encode(p.packet, p.scan)
		p.hasScan = false
	}
}

// report ends a packet.
func (p *passer) report() {
	if !p.active() {
		return
	}
	p.flushScan()
	if len(p.packet) == 0 {
		return
	}
	p.packet = encode(p.packet, record{typ: evSyn, code: synReport})
	p.write()
}

// write has the twin say what is in packet.
func (p *passer) write() {
	err := writeAll(p.twin.fd, p.packet)
	p.packet = p.packet[:0]
	if err != nil {
		p.fail(fmt.Errorf("its virtual device %s failed: %w", p.twin.sysname, err))
	}
}

// dropped ends a packet of which events were lost: down has what is in it.
func (p *passer) dropped() {
	if p != nil {
		p.hasScan = false
		p.report()
	}
}

// resume makes the keys and axes of the twin those of the device, after events
// were lost.
func (p *passer) resume() {
	if !p.active() {
		return
	}
	d := p.device
	for code := range eachBit(d.id.has.keys[:]) {
		if is := hasBit(d.levels.keys[:], code); is != hasBit(p.down[:], code) {
			p.take(record{typ: evKey, code: code, value: b2i(is)})
		}
	}
	for code := range eachBit(d.id.has.axes[:]) {
		if !perContact(code) {
			p.take(record{typ: evAbs, code: code, value: d.levels.axes[code]})
		}
	}
	p.report()
}

// releaseAll releases what is down at the twin.
func (p *passer) releaseAll() {
	if p == nil || p.twin == nil {
		return
	}
	p.dropped()
	for code := range eachBit(p.down[:]) {
		p.packet = encode(p.packet, record{typ: evKey, code: code})
	}
	p.down = [keyBytes]byte{}
	if len(p.packet) > 0 {
		p.packet = encode(p.packet, record{typ: evSyn, code: synReport})
		_ = writeAll(p.twin.fd, p.packet) // the kernel does so too when it is closed
		p.packet = p.packet[:0]
	}
}

// evLED and evSound are what the twin says to the device.
const (
	evLED   = 0x11
	evSound = 0x12
)

// ready passes LEDs and sounds that programs set back to the device.
func (p *passer) ready(uint32) {
	buf := p.device.buf
	n, err := unix.Read(p.twin.fd, buf)
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
		return
	case err == nil && n == 0:
		err = errors.New("it hung up")
	}
	if err != nil {
		p.fail(fmt.Errorf("its virtual device %s failed: %w", p.twin.sysname, err))
		return
	}
	var back []byte
	for buf = buf[:n]; len(buf) >= eventSize; buf = buf[eventSize:] {
		if r := decode(buf); r.typ == evLED || r.typ == evSound {
			back = encode(back, r)
		}
	}
	if len(back) > 0 && p.twin.back >= 0 {
		_ = writeAll(p.twin.back, encode(back, record{typ: evSyn, code: synReport})) // of a device that is being unplugged
	}
}

// fail gives the device back until there is another twin: better without rules than without keys.
func (p *passer) fail(err error) {
	d := p.device
	d.failGrab(err)
	d.host.Log.Warn("input device is not grabbed any more", "device", d.path, "name", d.id.name, "error", err)
	p.shut()
	if d.grab.held {
		d.ungrab()
	}
}

// shut closes the twin.
func (p *passer) shut() {
	p.releaseAll()
	if p.watch != nil {
		p.watch.Close()
		p.watch = nil
	}
	p.discard(p.twin)
	p.twin = nil
}

// close closes the twin for good.
func (p *passer) close() {
	if p != nil {
		p.closed = true
		p.shut()
	}
}

// String returns the state for Status, if there is any to tell.
func (p *passer) String() string {
	if p == nil || p.twin == nil {
		return ""
	}
	return ", other keys are passed on through " + p.twin.sysname
}
