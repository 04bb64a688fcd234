// SPDX-License-Identifier: MIT

// Sockets of the running kernel.

package nl

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func open(t *testing.T, c Config) *Socket {
	t.Helper()
	s, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return &s
}

func send(t *testing.T, from *Socket, b []byte, port uint32, group int) {
	t.Helper()
	if err := from.Send(b, port, group); err != nil {
		t.Fatal(err)
	}
}

func TestReceive(t *testing.T) {
	a := open(t, Config{Protocol: unix.NETLINK_USERSOCK})
	b := open(t, Config{Protocol: unix.NETLINK_USERSOCK, Credentials: true})
	var r Receiver
	r.Fit(20)
	send(t, a, []byte(strings.Repeat("x", 20)), b.Port, 0)
	send(t, a, []byte(strings.Repeat("x", 21)), b.Port, 0)
	send(t, a, []byte("short"), b.Port, 0)
	want := Sender{Port: a.Port, Known: true, PID: int32(os.Getpid()), UID: uint32(os.Getuid())}
	for i, test := range []struct {
		length int
		err    error
	}{{20, nil}, {0, unix.EMSGSIZE}, {5, nil}} {
		got, from, err := r.Receive(b.FD)
		if len(got) != test.length || err != test.err || from != want {
			t.Errorf("%d: %q from %+v, %v", i, got, from, err)
		}
	}
	if _, _, err := r.Receive(b.FD); err != unix.EAGAIN {
		t.Error(err)
	}
	// Who is not asked for is not known, nor is the last one remembered.
	send(t, b, []byte("x"), a.Port, 0)
	if _, from, err := r.Receive(a.FD); err != nil || from != (Sender{Port: b.Port}) {
		t.Errorf("%+v, %v", from, err)
	}
}

func TestReceivingAllocatesNothing(t *testing.T) {
	const count = 100
	a := open(t, Config{Protocol: unix.NETLINK_USERSOCK})
	b := open(t, Config{Protocol: unix.NETLINK_USERSOCK, Credentials: true, Buffer: 1 << 20})
	for range count + 1 {
		send(t, a, message(16, "text"), b.Port, 0)
	}
	var r Receiver
	r.Fit(Longest)
	allocs := testing.AllocsPerRun(count, func() {
		if _, from, err := r.Receive(b.FD); err != nil || from.Port != a.Port {
			t.Error(from, err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations for a datagram", allocs)
	}
}

func TestGroups(t *testing.T) {
	if unix.Geteuid() != 0 {
		t.Fatal("this test sends to groups and needs CAP_NET_ADMIN")
	}
	a, b := open(t, Config{Protocol: unix.NETLINK_USERSOCK}), open(t, Config{Protocol: unix.NETLINK_USERSOCK})
	if err := b.Join(21, 32); err != nil {
		t.Fatal(err)
	}
	for _, group := range []int{21, 5, 32} {
		send(t, a, []byte("x"), 0, group)
	}
	var r Receiver
	for _, group := range []uint32{21, 32} {
		if _, from, err := r.Receive(b.FD); err != nil || from.Group != group {
			t.Errorf("%+v, %v", from, err)
		}
	}
	err := b.Join(1, 4000)
	if !errors.Is(err, unix.EINVAL) || err.Error() != "join group 4000: invalid argument: the protocol has fewer groups" {
		t.Error(err)
	}
}

// Groups above 32, which a mask has no bits for.
func TestHighGroup(t *testing.T) {
	s := open(t, Config{Protocol: unix.NETLINK_ROUTE})
	if err := s.Join(unix.RTNLGRP_NSID, unix.RTNLGRP_STATS); err != nil {
		t.Skip(err)
	}
	var groups [2]uint32
	length := uint32(unsafe.Sizeof(groups))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(s.FD), unix.SOL_NETLINK, unix.NETLINK_LIST_MEMBERSHIPS,
		uintptr(unsafe.Pointer(&groups)), uintptr(unsafe.Pointer(&length)), 0)
	if errno != 0 || groups[0] != 1<<(unix.RTNLGRP_NSID-1) || groups[1] != 1<<(unix.RTNLGRP_STATS-33) {
		t.Errorf("member of %x, %v", groups, errno)
	}
}

func TestOverflow(t *testing.T) {
	a := open(t, Config{Protocol: unix.NETLINK_USERSOCK})
	b := open(t, Config{Protocol: unix.NETLINK_USERSOCK, Buffer: 4096})
	if b.Buffer < 4096 || !strings.Contains(b.Hint(), "KiB") {
		t.Errorf("%+v: %s", b, b.Hint())
	}
	if unix.Geteuid() != 0 {
		t.Fatal("this test sends to groups and needs CAP_NET_ADMIN")
	}
	if err := b.Join(20); err != nil {
		t.Fatal(err)
	}
	const sent = 100
	for range sent {
		send(t, a, message(16, "x"), 0, 20)
	}
	var r Receiver
	if _, _, err := r.Receive(b.FD); err != unix.ENOBUFS {
		t.Error(err)
	}
	got := 0
	drain := func() {
		for _, _, err := r.Receive(b.FD); err == nil; _, _, err = r.Receive(b.FD) {
			got++
		}
	}
	drain()
	drops, news := b.Dropped()
	if drops+got != sent || !news {
		t.Errorf("%d came and %d were dropped of %d, news: %v", got, drops, sent, news)
	}
	if drops, news := b.Dropped(); drops != 0 || !news { // the kernel may have failed to make a message
		t.Errorf("%d were dropped, news: %v", drops, news)
	}

	// What Receive has not reported yet is counted.
	got = 0
	for range sent {
		send(t, a, message(16, "x"), 0, 20)
	}
	drops, _ = b.Dropped()
	if _, _, err := r.Receive(b.FD); err != unix.ENOBUFS {
		t.Error(err)
	}
	drain()
	if more, news := b.Dropped(); drops+got != sent || more != 0 || news {
		t.Errorf("%d came and %d were dropped of %d, and then %d, news: %v", got, drops, sent, more, news)
	}
}

func TestHint(t *testing.T) {
	for s, want := range map[Socket]string{
		{Buffer: 8192}:               "SO_RCVBUF gave 8 KiB: raise net.core.rmem_max, or give CAP_NET_ADMIN to the agent",
		{Buffer: 8192, Forced: true}: "SO_RCVBUFFORCE gave 8 KiB, and they were full: find what delays the machine",
	} {
		if got := s.Hint(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestOpenFails(t *testing.T) {
	if s, err := Open(Config{Protocol: 31}); !errors.Is(err, unix.EPROTONOSUPPORT) || s.FD != -1 {
		t.Errorf("%+v, %v", s, err)
	}
	first := open(t, Config{Protocol: unix.NETLINK_USERSOCK})
	if s, err := Open(Config{Protocol: unix.NETLINK_USERSOCK, Port: first.Port}); !errors.Is(err, unix.EADDRINUSE) || s.FD != -1 {
		t.Errorf("%+v, %v", s, err)
	}
}

// The kernel answers with one message, with a list, or with an error.
func TestAsk(t *testing.T) {
	s := open(t, Config{Protocol: unix.NETLINK_ROUTE, Timeout: 20 * time.Second})
	info := make([]byte, unix.SizeofIfInfomsg)
	for range s.Ask(Message{Type: unix.RTM_GETLINK, Flags: unix.NLM_F_REQUEST | unix.NLM_F_DUMP, Body: info}) {
		break // what is left of it is no part of the next answer
	}
	order.PutUint32(info[4:], 1)
	for what, flags := range map[string]uint16{"one": 0, "all": unix.NLM_F_DUMP} {
		count, loopback := 0, false
		for m, err := range s.Ask(Message{Type: unix.RTM_GETLINK, Flags: unix.NLM_F_REQUEST | flags, Body: info}) {
			if err != nil || m.Type != unix.RTM_NEWLINK || len(m.Body) < len(info) {
				t.Fatalf("%s: %+v, %v", what, m, err)
			}
			count++
			loopback = loopback || order.Uint32(m.Body[4:]) == 1
		}
		if !loopback || flags == 0 && count != 1 {
			t.Errorf("%s: %d links, loopback %v", what, count, loopback)
		}
	}
	order.PutUint32(info[4:], 1<<30)
	count := 0
	for _, err := range s.Ask(Message{Type: unix.RTM_GETLINK, Flags: unix.NLM_F_REQUEST, Body: info}) {
		if count++; !errors.Is(err, unix.ENODEV) {
			t.Error(err)
		}
	}
	if count != 1 {
		t.Errorf("%d errors", count)
	}
}

// What a dump says at its end.
func TestEndOfADump(t *testing.T) {
	errno := func(n int32) string { return string(order.AppendUint32(nil, uint32(n))) }
	const multi, changed = unix.NLM_F_MULTI, unix.NLM_F_MULTI | unix.NLM_F_DUMP_INTR
	done := func(flags uint16, body string) Message {
		return Message{Type: unix.NLMSG_DONE, Flags: flags, Seq: 1, Body: []byte(body)}
	}
	for what, test := range map[string]struct {
		first, last Message
		want        error
	}{
		"good":           {Message{Type: 16, Flags: multi, Seq: 1}, done(multi, errno(0)), nil},
		"no errno":       {Message{Type: 16, Flags: multi, Seq: 1}, done(multi, ""), nil},
		"changed":        {Message{Type: 16, Flags: changed, Seq: 1}, done(multi, errno(0)), ErrChanged},
		"changed at end": {Message{Type: 16, Flags: multi, Seq: 1}, done(changed, errno(0)), ErrChanged},
		"failed":         {Message{Type: 16, Flags: multi, Seq: 1}, done(multi, errno(-12)), unix.ENOMEM},
		"of another":     {Message{Type: 16, Flags: changed, Seq: 2}, done(multi, errno(0)), nil},
	} {
		a := answers{seq: 1}
		var last error
		a.each(test.last.Append(test.first.Append(nil)), func(_ Message, err error) bool {
			last = err
			return true
		})
		if !a.over || last != test.want {
			t.Errorf("%s: over %v, %v", what, a.over, last)
		}
	}
}

// A list that the caller gives up goes on to its end, unseen: until then, the
// kernel begins no other.
func TestAListThatIsGivenUp(t *testing.T) {
	link := Message{Type: unix.RTM_NEWLINK, Flags: unix.NLM_F_MULTI, Seq: 1}.Append(nil)
	end := Message{Type: unix.NLMSG_DONE, Flags: unix.NLM_F_MULTI, Seq: 1, Body: errnoBytes(unix.EIO)}.Append(nil)
	a, seen := answers{seq: 1}, 0
	giveUp := func(Message, error) bool { seen++; return false }
	for _, step := range []struct {
		datagram []byte
		over     bool
	}{{append(slices.Clone(link), link...), false}, {link, false}, {end, true}} {
		if a.each(step.datagram, giveUp); a.over != step.over || seen != 1 {
			t.Errorf("over %v, and %d messages seen", a.over, seen)
		}
	}
}

func TestParseAnswer(t *testing.T) {
	request := Message{Type: 20, Body: []byte("what")}.Append(nil)
	text := AppendAttr(nil, unix.NLMSGERR_ATTR_MSG, []byte("no such thing\x00"))
	for what, test := range map[string]struct {
		flags uint16
		body  [][]byte
		want  string
	}{
		"ack":             {0, [][]byte{{0, 0, 0, 0}, request}, ""},
		"error":           {0, [][]byte{errnoBytes(unix.ENODEV), request}, "no such device"},
		"text":            {unix.NLM_F_ACK_TLVS, [][]byte{errnoBytes(unix.ENODEV), request, text}, "no such device: no such thing"},
		"text and capped": {unix.NLM_F_ACK_TLVS | unix.NLM_F_CAPPED, [][]byte{errnoBytes(unix.ENODEV), request[:headerSize], text}, "no such device: no such thing"},
		"positive":        {0, [][]byte{order.AppendUint32(nil, 5), request}, "an errno above 0"},
		"cut":             {0, [][]byte{errnoBytes(unix.ENODEV), request[:headerSize-1]}, "a length that does not fit"},
		"request cut":     {unix.NLM_F_ACK_TLVS, [][]byte{errnoBytes(unix.ENODEV), request[:headerSize+3]}, "a length that does not fit"},
		"text cut":        {unix.NLM_F_ACK_TLVS, [][]byte{errnoBytes(unix.ENODEV), request, text[:8]}, "a length that does not fit"},
	} {
		a, err := ParseAnswer(Message{Type: unix.NLMSG_ERROR, Flags: test.flags, Body: bytes.Join(test.body, nil)})
		if err == nil {
			err = a.Err()
		}
		if err == nil && test.want != "" || err != nil && err.Error() != test.want {
			t.Errorf("%s: %v, want %s", what, err, test.want)
		}
	}
}

func errnoBytes(e unix.Errno) []byte { return order.AppendUint32(nil, uint32(-int32(e))) }

// Credentials and groups as the kernel puts them beside a datagram.
func TestAncillary(t *testing.T) {
	var r Receiver
	control := unsafe.Slice((*byte)(unsafe.Pointer(&r.control)), unsafe.Sizeof(r.control))
	for _, uid := range []uint32{0, 1000} {
		n := copy(control, unix.UnixCredentials(&unix.Ucred{Pid: 1, Uid: uid}))
		r.hdr.SetControllen(n)
		var from Sender
		if r.ancillary(&from); from != (Sender{Known: true, PID: 1, UID: uid}) {
			t.Errorf("%+v", from)
		}
		r.hdr.SetControllen(unix.CmsgLen(unix.SizeofUcred) - 1)
		from = Sender{}
		if r.ancillary(&from); from.Known {
			t.Error("half of the credentials are taken for all")
		}
	}
}

func FuzzAncillary(f *testing.F) {
	f.Add([]byte{}, 0)
	f.Add(bytes.Repeat([]byte{0xff}, 128), 128)
	f.Add([]byte{28, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0}, 64)
	f.Add([]byte{20, 0, 0, 0, 0, 0, 0, 0, 14, 1, 0, 0, 3, 0, 0, 0, 9, 9, 9, 9}, 1<<30)
	f.Fuzz(func(t *testing.T, b []byte, size int) {
		var r Receiver
		copy(unsafe.Slice((*byte)(unsafe.Pointer(&r.control)), unsafe.Sizeof(r.control)), b)
		r.hdr.SetControllen(size)
		r.ancillary(&Sender{})
	})
}
