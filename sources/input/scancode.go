// SPDX-License-Identifier: MIT

// Scancodes: keys by what a remote control or a keyboard sends for them, rather
// than by the kernel's name, which not all have.

package input

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// scancode is what is sent for a key, and by which protocol.
type scancode struct {
	protocol uint16 // enum rc_proto of linux/lirc.h, or scanned
	code     uint64
}

// scanned is the protocol of scancodes that input devices report (MSC_SCAN),
// which do not say by which protocol they came.
const scanned = 0xffff

// scanPrefix is what the names of these begin with.
const scanPrefix = "scan"

// protocols are the names of enum rc_proto, as ir-ctl(1) has them.
var protocols = [...]string{
	"unknown", "other", "rc5", "rc5x_20", "rc5_sz", "jvc", "sony12", "sony15", "sony20", "nec", "necx", "nec32", "sanyo",
	"mcir2-kbd", "mcir2-mse", "rc6_0", "rc6_6a_20", "rc6_6a_24", "rc6_6a_32", "rc6_mce", "sharp", "xmp", "cec", "imon",
	"rc_mm_12", "rc_mm_24", "rc_mm_32", "xbox-dvd",
}

// String returns the name of the key: nec:0x40bf12, scan:0x70068.
func (s scancode) String() string {
	name := scanPrefix
	switch {
	case s.protocol == scanned:
	case int(s.protocol) < len(protocols):
		name = protocols[s.protocol]
	default:
		name = "proto" + strconv.Itoa(int(s.protocol))
	}
	return fmt.Sprintf("%s:%#x", name, s.code)
}

// parseScancode reads what String writes.
func parseScancode(text string) (scancode, error) {
	name, number, _ := strings.Cut(text, ":")
	s := scancode{protocol: scanned}
	if name != scanPrefix {
		i := slices.Index(protocols[:], name)
		n, err := strconv.ParseUint(strings.TrimPrefix(name, "proto"), 10, 15)
		switch {
		case i >= 0:
			s.protocol = uint16(i)
		case err == nil && strings.HasPrefix(name, "proto"):
			s.protocol = uint16(n)
		default:
			return s, fmt.Errorf("%q is not a protocol of remote controls: expected one such as nec, rc5, rc6_mce or sony12, or scan for a scancode of an input device", name)
		}
	}
	var err error
	if s.code, err = strconv.ParseUint(number, 0, 64); err != nil {
		return s, fmt.Errorf("expected a scancode such as %s:0x40bf12, found %q", name, text)
	}
	return s, nil
}

// Key is a key that rules name: by its code, or by its scancode.
type Key struct {
	code uint16 // unless the scancode is set
	scan scancode
}

// ParseKey returns the key that text names: KEY_POWER, or nec:0x40bf12.
func ParseKey(text string) (k Key, err error) {
	if strings.Contains(text, ":") {
		k.scan, err = parseScancode(text)
		return k, err
	}
	k.code, err = KeyCode(text)
	return k, err
}

func (k Key) isScancode() bool { return k.scan != scancode{} }

// String returns the key's name, as events have it.
func (k Key) String() string {
	if k.isScancode() {
		return k.scan.String()
	}
	return KeyName(k.code)
}

// wantKey has the keys heard from the device declared as from, or from any.

func (p *Plan) wantKey(from string, keys ...Key) {
	for _, k := range keys {
		if !k.isScancode() {
			p.take(from, evKey, k.code)
			continue
		}
		if p.scans == nil {
			p.scans = map[string]map[scancode]string{}
		}
		if p.scans[from] == nil {
			p.scans[from] = map[scancode]string{}
		}
		p.scans[from][k.scan] = k.String()
		p.want(from, evKey)
		p.wants[from].scans = p.wants[from].scans || k.scan.protocol == scanned
	}
}

// scansOf returns the scancodes that rules want of a device that is declared by
// names, with the names of their keys.
func (p *Plan) scansOf(names []string) map[scancode]string {
	union := map[scancode]string{}
	for _, from := range append([]string{""}, names...) {
		for scan, name := range p.scans[from] {
			union[scan] = name
		}
	}
	return union
}

// sortedScans returns the scancodes of m in the order of their protocols.
func sortedScans(m map[scancode]string) []scancode {
	if len(m) == 0 {
		return nil // as with nearly all devices
	}
	all := slices.Collect(maps.Keys(m))
	sort.Slice(all, func(i, j int) bool {
		a, b := all[i], all[j]
		return cmp.Or(cmp.Compare(a.protocol, b.protocol), cmp.Compare(a.code, b.code)) < 0
	})
	return all
}

// receives reports whether rules want keys of remote controls.
func (p *Plan) receives() bool {
	for _, scans := range p.scans {
		for scan := range scans {
			if scan.protocol != scanned {
				return true
			}
		}
	}
	return p.Everything
}
