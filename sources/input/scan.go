// SPDX-License-Identifier: MIT

// Scancodes of input devices: MSC_SCAN. Keyboards of HID report one before each
// key that changes, and KEY_UNKNOWN for keys without a name; receivers of remote
// controls report one with each signal, and no key for those that their keymap
// lacks.

package input

import (
	"slices"
	"time"

	"reflexd/sources"
)

const (
	mscScan    = 4   // MSC_SCAN
	keyUnknown = 240 // KEY_UNKNOWN
)

// scans is what is known of the scancodes of one device.
type scans struct {
	wanted map[scancode]string // the names of those that rules ask for
	all    bool                // those of keys without a name are wanted too
	// byLirc reports whether a receiver is open that tells of signals without a
	// key, and of their protocol.
	byLirc func() bool
	// pending is a scancode whose key may follow in the same packet.
	pending    uint32
	hasPending bool
	down       []scannedKey // keys that were pressed with a scancode
	alone      sustained    // the scancode without a key
}

// scannedKey is a key that is down, and the scancode that came with it.
type scannedKey struct {
	code uint16
	scan uint32
}

// hearsScans reports whether anybody wants scancodes of the device.
func (d *device) hearsScans() bool { return d.scans.all || len(d.scans.wanted) > 0 }

// asks reports whether rules ask for the scancode.
func (s *scans) asks(scan int32) bool {
	_, ok := s.wanted[scancode{scanned, uint64(uint32(scan))}]
	return ok
}

// nameOf returns the name under which the scancode is told, "" if nobody wants
// it. code is the key that came with it, 0 if none did.
func (s *scans) nameOf(scan uint32, code uint16) string {
	key := scancode{scanned, uint64(scan)}
	if name, ok := s.wanted[key]; ok {
		return name
	}
	if s.all && (code == 0 && !s.byLirc() || code == keyUnknown) {
		return key.String()
	}
	return ""
}

// wantScans has the scancodes told that are wanted from now on.
func (d *device) wantScans(wanted map[scancode]string, all bool) {
	for _, k := range d.scans.down {
		if name := d.scans.nameOf(k.scan, k.code); name != "" && wanted[scancode{scanned, uint64(k.scan)}] == "" && !all {
			d.emitScan(d.host.Loop.Now(), name, k.scan, k.code, 0, true)
		}
	}
	d.emitScansGone(wanted)
	d.scans.wanted, d.scans.all = wanted, all
	d.scans.alone.loop, d.scans.alone.tell = d.host.Loop, d.tellAlone
}

// scan takes a scancode. The one before it had no key.
func (d *device) scan(r record) {
	if r.code != mscScan || !d.hearsScans() {
		return
	}
	d.scanAlone(r.at)
	d.scans.pending, d.scans.hasPending = uint32(r.value), true
}

// scanKey tells of the scancode of a key that was pressed, repeated or released,
// and reports whether that is all there is to tell of the key.
func (d *device) scanKey(at time.Duration, code uint16, value int32, synthetic bool) (unnamed bool) {
	s := &d.scans
	pressed := value == 1 && s.hasPending
	s.hasPending = false
	if pressed {
		d.releaseScan(at, false, func(k scannedKey) bool { return k.code == code || k.scan == s.pending })
		s.down = append(s.down, scannedKey{code, s.pending})
	}
	for _, k := range s.down {
		name := s.nameOf(k.scan, code)
		switch {
		case k.code != code:
			continue
		case value == 0:
			d.releaseScan(at, synthetic, func(k scannedKey) bool { return k.code == code })
		case name != "" && (pressed || value == 2):
			d.emitScan(at, name, k.scan, code, value, synthetic)
		}
		return name != "" && s.all && code == keyUnknown
	}
	return false
}

// releaseScan tells of the release of those keys that are down with a scancode
// and for which is holds. A signal that comes without a key is one of them.
func (d *device) releaseScan(at time.Duration, synthetic bool, is func(scannedKey) bool) {
	s := &d.scans
	s.down = slices.DeleteFunc(s.down, func(k scannedKey) bool {
		gone := is(k)
		if name := s.nameOf(k.scan, k.code); gone && name != "" {
			d.emitScan(at, name, k.scan, k.code, 0, synthetic)
		}
		return gone
	})
	if s.alone.down && is(scannedKey{scan: uint32(s.alone.key.code)}) {
		s.alone.release(at)
	}
}

// scanAlone takes the end of a packet: a scancode without a key. It is the
// repeated signal of a key that is down, or that of one without a name.
func (d *device) scanAlone(at time.Duration) {
	s := &d.scans
	if !s.hasPending || !d.hearsScans() {
		return
	}
	s.hasPending = false
	for _, k := range s.down {
		if k.scan == s.pending {
			return
		}
	}
	if s.nameOf(s.pending, 0) != "" {
		s.alone.report(at, scancode{scanned, uint64(s.pending)}, false)
	}
}

func (d *device) tellAlone(at time.Duration, key scancode, value int32) {
	if name := d.scans.nameOf(uint32(key.code), 0); name != "" {
		d.emitScan(at, name, uint32(key.code), 0, value, false)
	}
}

// releaseScans tells that the keys that are down were released: there will be
// nobody to hear it when they are.
func (d *device) releaseScans() {
	at := d.host.Loop.Now()
	s := &d.scans
	for _, k := range s.down {
		if name := s.nameOf(k.scan, k.code); name != "" {
			d.emitScan(at, name, k.scan, k.code, 0, true)
		}
	}
	if s.alone.down {
		d.emitScan(at, s.nameOf(uint32(s.alone.key.code), 0), uint32(s.alone.key.code), 0, 0, true)
	}
	s.down, s.hasPending = nil, false
	s.alone.stop()
}

// emitScansFound reports the keys that rules ask for as released, but for those
// that are known to be down: no device can be asked.
func (d *device) emitScansFound() {
	for _, scan := range sortedScans(d.scans.wanted) {
		down := d.scans.alone.down && d.scans.alone.key == scan
		for _, k := range d.scans.down {
			down = down || uint64(k.scan) == scan.code
		}
		if d.id.has.scans && scan.protocol == scanned && !down {
			d.event.Press, d.event.Standing, d.event.Private = sources.StartsUp, sources.Found, false
			d.emit(d.host.Loop.Now(), sources.Topic{Kind: "key", Name: d.scans.wanted[scan]}, "KEY", int64(scan.code), 0, true)
		}
	}
}

// emitScansGone reports that nobody knows the states of keys any more that rules
// asked for and that are not among stay.
func (d *device) emitScansGone(stay map[scancode]string) {
	for _, scan := range sortedScans(d.scans.wanted) {
		if name := d.scans.wanted[scan]; d.id.has.scans && scan.protocol == scanned && stay[scan] == "" {
			d.host.Emit(&sources.Event{Time: d.host.Loop.Now(), Topic: sources.Topic{Kind: "key", Name: name}, Source: d.source, Names: d.names, Standing: sources.Vanishes})
		}
	}
}

func (d *device) emitScan(at time.Duration, name string, scan uint32, code uint16, value int32, synthetic bool) {
	d.setPress(value, synthetic)
	d.event.Private = code != 0 && d.isPrivate(code)
	d.emit(at, sources.Topic{Kind: "key", Name: name}, "KEY", int64(scan), value, synthetic)
}
