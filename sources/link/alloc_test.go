// SPDX-License-Identifier: MIT

// What an event takes from the descriptor to Emit.

package link

import (
	"log/slog"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"reflexd/agent/loop"
	"reflexd/sources"
)

// player returns a source that knows eth0, and a function that has it read
// datagrams, which come from a socket of ours: it stands for the kernel's.
func player(t testing.TB, emit func(*sources.Event)) (s *Source, play func(datagrams ...[]byte)) {
	l, err := loop.New()
	if err != nil {
		t.Fatal(err)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		unix.Close(pair[0])
		unix.Close(pair[1])
		l.Close()
	})
	s = Open(sources.Host{Loop: l, Log: slog.New(slog.DiscardHandler), Emit: emit})
	s.socket.FD = pair[0]
	play = func(datagrams ...[]byte) {
		for _, b := range datagrams {
			if _, err := unix.Write(pair[1], b); err != nil {
				t.Error(err)
			}
		}
		s.ready(unix.EPOLLIN)
	}
	play(eth0noWire)
	return s, play
}

// gone is b as the kernel says that it is over.
func gone(b []byte, kind uint16) []byte { return datagram(kind, b[headerSize:]) }

func TestReadingAllocatesNothing(t *testing.T) {
	renamedTo := func(name string) []byte {
		return datagram(unix.RTM_NEWLINK, linkInfo(0, 2, unix.IFF_UP), attr(unix.IFLA_IFNAME, []byte(name+"\x00")...),
			attr(unix.IFLA_OPERSTATE, 2), attr(unix.IFLA_ADDRESS, 2, 0, 0x5e, 0x10, 0, 1))
	}
	another := datagram(unix.RTM_NEWADDR, addressInfo(unix.AF_INET, 16, 0, 2), attr(unix.IFA_LOCAL, 10, 0, 0, 9))
	for what, test := range map[string]struct {
		datagrams [][]byte
		events    int
	}{
		"cable":     {[][]byte{eth0up, eth0noWire}, 2},
		"repeated":  {[][]byte{eth0noWire, eth0noWire}, 0},
		"renamed":   {[][]byte{renamedTo("lan"), renamedTo("eth0")}, 2},
		"addresses": {[][]byte{ip4, ip6, gone(ip4, unix.RTM_DELADDR), gone(ip6, unix.RTM_DELADDR)}, 4},
		"plugged":   {[][]byte{eth0up, ip4, another, ip6, gone(eth0up, unix.RTM_DELLINK), eth0noWire}, 10},
	} {
		emitted := 0
		s, play := player(t, func(e *sources.Event) {
			if e.Standing <= sources.Begins {
				emitted++
			}
		})
		play(test.datagrams...)
		emitted = 0
		const runs = 100
		allocs := testing.AllocsPerRun(runs, func() { play(test.datagrams...) })
		if allocs != 0 || emitted != (runs+1)*test.events || s.count.malformed > 0 {
			t.Errorf("%s: %v allocations for %d events, %d were emitted; %+v", what, allocs, test.events, emitted, s.count)
		}
	}
}

// The fields of events, whose memory is used again after each, and their order.
func TestFieldsOfEvents(t *testing.T) {
	var got []string
	_, play := player(t, func(e *sources.Event) {
		if e.Standing > sources.Begins {
			return
		}
		var words []string
		for _, f := range e.Fields {
			words = append(words, f.Name+"="+f.Value.String())
		}
		got = append(got, strings.Join(append(words, e.Source, e.Describe()), " "))
	})
	got = nil
	another := datagram(unix.RTM_NEWADDR, addressInfo(unix.AF_INET, 16, unix.RT_SCOPE_HOST, 2), attr(unix.IFA_LOCAL, 9, 0, 0, 9))
	play(append(append([]byte{}, ip4...), another...), ip6, gone(eth0up, unix.RTM_DELLINK))
	const eth0 = "IFNAME=eth0 INDEX=2 STATE=down MTU=0 MAC=02:00:5e:10:00:01"
	const first, second = " ADDRESS=10.0.0.1 PREFIX=24 FAMILY=inet SCOPE=global", " ADDRESS=9.0.0.9 PREFIX=16 FAMILY=inet SCOPE=host"
	const third = " ADDRESS=fe80::1 PREFIX=64 FAMILY=inet6 SCOPE=link"
	want := []string{
		eth0 + first + " link:eth0 link eth0 address-added",
		eth0 + second + " link:eth0 link eth0 address-added",
		eth0 + third + " link:eth0 link eth0 address-added",
		eth0 + first + " link:eth0 link eth0 address-removed", // in the order of the text
		eth0 + second + " link:eth0 link eth0 address-removed",
		eth0 + third + " link:eth0 link eth0 address-removed",
		eth0 + " link:eth0 link eth0 removed",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func BenchmarkRead(b *testing.B) {
	_, play := player(b, func(*sources.Event) {})
	datagrams := [][]byte{eth0up, eth0noWire}
	b.ReportAllocs()
	for b.Loop() {
		play(datagrams...)
	}
}
