// SPDX-License-Identifier: MIT

package link

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"reflexd/sources/nl"
)

const headerSize = unix.SizeofNlMsghdr

// attr makes an attribute, padded.
func attr(kind uint16, value ...byte) []byte { return nl.AppendAttr(nil, kind, value) }

// datagram makes a message.
func datagram(kind uint16, parts ...[]byte) []byte {
	return nl.Message{Type: kind, Body: bytes.Join(parts, nil)}.Append(nil)
}

func linkInfo(family byte, index, flags uint32) []byte {
	b := make([]byte, linkSize)
	b[0] = family
	binary.NativeEndian.PutUint32(b[4:], index)
	binary.NativeEndian.PutUint32(b[8:], flags)
	return b
}

func addressInfo(family, prefix, scope byte, index uint32) []byte {
	b := []byte{family, prefix, 0, scope}
	return binary.NativeEndian.AppendUint32(b, index)
}

const running = unix.IFF_UP | unix.IFF_LOWER_UP

var (
	eth0up     = datagram(unix.RTM_NEWLINK, linkInfo(0, 2, running), attr(unix.IFLA_IFNAME, []byte("eth0\x00")...), attr(unix.IFLA_OPERSTATE, operUp), attr(unix.IFLA_ADDRESS, 2, 0, 0x5e, 0x10, 0, 1))
	eth0noWire = datagram(unix.RTM_NEWLINK, linkInfo(0, 2, unix.IFF_UP), attr(unix.IFLA_IFNAME, []byte("eth0\x00")...), attr(unix.IFLA_OPERSTATE, 2), attr(unix.IFLA_ADDRESS, 2, 0, 0x5e, 0x10, 0, 1))
	eth0auth   = datagram(unix.RTM_NEWLINK, linkInfo(0, 2, running), attr(unix.IFLA_IFNAME, []byte("eth0\x00")...), attr(unix.IFLA_OPERSTATE, 5), attr(unix.IFLA_ADDRESS, 2, 0, 0x5e, 0x10, 0, 1))
	leftBridge = datagram(unix.RTM_DELLINK, linkInfo(unix.AF_BRIDGE, 2, running), attr(unix.IFLA_IFNAME, []byte("eth0\x00")...))
	wireless   = datagram(unix.RTM_NEWLINK, linkInfo(0, 2, 0), attr(unix.IFLA_WIRELESS, 1, 2, 3, 4))
	ip4        = datagram(unix.RTM_NEWADDR, addressInfo(unix.AF_INET, 24, 0, 2), attr(unix.IFA_ADDRESS, 10, 0, 0, 9), attr(unix.IFA_LOCAL, 10, 0, 0, 1))
	tentative  = datagram(unix.RTM_NEWADDR, addressInfo(unix.AF_INET6, 64, unix.RT_SCOPE_LINK, 2), attr(unix.IFA_ADDRESS, 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1), attr(unix.IFA_FLAGS, 0x40, 0, 0, 0x40))
	ip6        = datagram(unix.RTM_NEWADDR, addressInfo(unix.AF_INET6, 64, unix.RT_SCOPE_LINK, 2), attr(unix.IFA_ADDRESS, 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1))
)

// play hands the datagrams to a table and tells what it says of them.
func play(t *table, datagrams ...[]byte) (told []string, malformed int) {
	for _, b := range datagrams {
		for m, err := range nl.Datagram(b).Each {
			var events []event
			if err == nil {
				events, err = t.take(nil, &m)
			}
			if err != nil {
				malformed++
			}
			for _, e := range events {
				line := e.state + " " + e.link.name.String()
				if e.address.family != 0 {
					line += " " + e.address.String()
				}
				told = append(told, line)
			}
		}
	}
	return told, malformed
}

func TestTable(t *testing.T) {
	for what, test := range map[string]struct {
		datagrams [][]byte
		want      string
	}{
		"a cable":         {[][]byte{eth0noWire, eth0up, eth0up, eth0noWire}, "added eth0, up eth0, down eth0"},
		"authentication":  {[][]byte{eth0auth, eth0up}, "added eth0, up eth0"},
		"in one datagram": {[][]byte{append(append([]byte{}, eth0up...), ip4...)}, "added eth0, up eth0, address-added eth0 10.0.0.1"},
		"bridge":          {[][]byte{eth0up, leftBridge}, "added eth0, up eth0"},
		"wireless":        {[][]byte{eth0up, wireless}, "added eth0, up eth0"},
		"address first":   {[][]byte{ip4, eth0up, ip4, ip4}, "added eth0, up eth0, address-added eth0 10.0.0.1"},
		"duplicate check": {[][]byte{eth0noWire, tentative, ip6, ip6, tentative}, "added eth0, address-added eth0 fe80::1, address-removed eth0 fe80::1"},
		"removal":         {[][]byte{eth0up, ip4, datagram(unix.RTM_DELLINK, linkInfo(0, 2, 0), attr(unix.IFLA_IFNAME, 'e', 0))}, "added eth0, up eth0, address-added eth0 10.0.0.1, address-removed eth0 10.0.0.1, down eth0, removed eth0"},
	} {
		table := newTable()
		got, malformed := play(&table, test.datagrams...)
		if strings.Join(got, ", ") != test.want || malformed > 0 {
			t.Errorf("%s: %q, %d malformed", what, got, malformed)
		}
	}
}

func TestHostileLengths(t *testing.T) {
	spoil := func(b []byte, at int, with ...byte) []byte {
		c := append([]byte{}, b...)
		copy(c[at:], with)
		return c
	}
	for what, b := range map[string][]byte{
		"header cut":         eth0up[:headerSize-1],
		"longer than it is":  spoil(eth0up, 0, 0xff, 0xff, 0xff, 0xff),
		"shorter than":       spoil(eth0up, 0, 15, 0, 0, 0),
		"zero":               spoil(eth0up, 0, 0, 0, 0, 0),
		"no link info":       datagram(unix.RTM_NEWLINK, make([]byte, linkSize-1)),
		"index 0":            datagram(unix.RTM_NEWLINK, linkInfo(0, 0, 0), attr(unix.IFLA_IFNAME, 'a', 0)),
		"attribute of 0":     datagram(unix.RTM_NEWLINK, linkInfo(0, 2, 0), []byte{0, 0, 3, 0}),
		"attribute too long": datagram(unix.RTM_NEWLINK, linkInfo(0, 2, 0), []byte{99, 0, 3, 0}),
		"half an attribute":  datagram(unix.RTM_NEWLINK, linkInfo(0, 2, 0), []byte{4, 0}),
		"long name":          datagram(unix.RTM_NEWLINK, linkInfo(0, 2, 0), attr(unix.IFLA_IFNAME, make([]byte, 0)...), attr(unix.IFLA_IFNAME, []byte(strings.Repeat("x", 16))...)),
		"no address info":    datagram(unix.RTM_NEWADDR, []byte{unix.AF_INET, 24, 0, 0}),
		"short address":      datagram(unix.RTM_NEWADDR, addressInfo(unix.AF_INET6, 64, 0, 2), attr(unix.IFA_ADDRESS, 1, 2, 3, 4)),
		"no address":         datagram(unix.RTM_NEWADDR, addressInfo(unix.AF_INET, 24, 0, 2)),
		"prefix":             datagram(unix.RTM_NEWADDR, addressInfo(unix.AF_INET, 33, 0, 2), attr(unix.IFA_LOCAL, 1, 2, 3, 4)),
	} {
		table := newTable()
		if told, malformed := play(&table, b); malformed != 1 || len(told) > 0 {
			t.Errorf("%s: %d malformed, told %q", what, malformed, told)
		}
	}
}

func FuzzTake(f *testing.F) {
	for _, b := range [][]byte{eth0up, eth0noWire, leftBridge, wireless, ip4, tentative, ip6, append(append([]byte{}, eth0up...), ip4...), nil} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		table := newTable()
		play(&table, eth0up, b, ip4, b)
		for index, l := range table.links {
			if index <= 0 || l.name == (name{}) || l.name[nameMost] != 0 {
				t.Errorf("link %d is %+v", index, l)
			}
		}
		for a := range table.addresses {
			if _, err := netip.ParseAddr(a.String()); err != nil {
				t.Error(err)
			}
		}
		// What is there and what is not are all of the difference.
		empty := newTable()
		empty.become(table)
		if events := table.become(empty); len(events) > 0 {
			t.Errorf("%+v", events)
		}
	})
}

func FuzzAddressText(f *testing.F) {
	f.Add(make([]byte, 16))
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1})
	f.Add([]byte{0x20, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0})
	f.Add([]byte{1, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0})
	f.Add([]byte{0, 1, 0, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1})
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) != 16 {
			return
		}
		if got, want := string(appendIP6(nil, [16]byte(b))), netip.AddrFrom16([16]byte(b)).String(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if got, want := string(appendIP4(nil, [4]byte(b))), netip.AddrFrom4([4]byte(b)).String(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
}
