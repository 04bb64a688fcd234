// SPDX-License-Identifier: MIT

package netlink

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/agent/loop"
	"reflexd/sources"
	"reflexd/sources/nl"
)

func TestMessagesBecomeEvents(t *testing.T) {
	r := newRig(t, usersock("x", ", from: any, decode: [text, hex]"))
	p := newPeer(t, unix.NETLINK_USERSOCK)
	two := append(message(16, "one\n\x00"), 0, 0, 0) // padded
	p.say(r.port("x"), append(two, message(3, "two")...))
	p.say(r.port("x"), message(99, ""))
	me := fmt.Sprintf(" PORT=%d GROUP=0 SENDER_PID=%d SENDER_UID=%d", p.Port, os.Getpid(), os.Getuid())
	r.expect("x message TYPE=16 FLAGS=0 SEQ=7 LENGTH=5 TEXT=one DATA=6f6e650a00"+me,
		"x message TYPE=3 TEXT=two LENGTH=3"+me, "x message TYPE=99 TEXT= DATA="+me)
}

func TestControlMessages(t *testing.T) {
	r := newRig(t, usersock("x", ", from: any"))
	p := newPeer(t, unix.NETLINK_USERSOCK)
	multi := nl.Message{Type: unix.NLMSG_DONE, Flags: unix.NLM_F_MULTI, Body: make([]byte, 4)}
	p.say(r.port("x"), multi.Append(nil))
	p.say(r.port("x"), message(unix.NLMSG_NOOP, ""))
	refusal := append([]byte{0xfe, 0xff, 0xff, 0xff}, make([]byte, unix.SizeofNlMsghdr)...)
	if order.Uint32([]byte{1, 0, 0, 0}) != 1 {
		t.Skip("the bytes above are little-endian")
	}
	p.say(r.port("x"), message(unix.NLMSG_ERROR, string(refusal)))
	r.expect("x done", "x error ERRNO=2 SEQ=7")
}

func TestLyingLengthsAreCounted(t *testing.T) {
	r := newRig(t, usersock("x", ", from: any"))
	p := newPeer(t, unix.NETLINK_USERSOCK)
	long, short := message(16, "abcd"), message(16, "abcd")
	order.PutUint32(long, 1<<31)
	order.PutUint32(short, 15)
	for _, b := range [][]byte{long, short, long[:8], append(message(16, "good"), long...), message(unix.NLMSG_ERROR, "x")} {
		p.say(r.port("x"), b)
	}
	p.say(r.port("x"), message(16, "end"))
	r.expect("x message TEXT=good", "x message TEXT=end")
	if detail := r.status()[0].Detail; !strings.Contains(detail, "2 received, 0 from others, 5 malformed") {
		t.Error(detail)
	}
}

func TestOnlyTheSendersAskedForAreBelieved(t *testing.T) {
	friend, stranger := newPeer(t, unix.NETLINK_USERSOCK), newPeer(t, unix.NETLINK_USERSOCK)
	r := newRig(t, fmt.Sprintf(`
netlink:
  kernel: {protocol: usersock}
  friend: {protocol: usersock, from: %d}
  us: {protocol: usersock, from: {uid: %d}}
  others: {protocol: usersock, from: {uid: 4711}}
`, friend.Port, os.Getuid()))
	for _, name := range []string{"kernel", "friend", "us", "others"} {
		stranger.say(r.port(name), message(16, "stranger"))
		friend.say(r.port(name), message(16, "friend"))
	}
	r.Await("messages", func() bool {
		n := uint64(0)
		for _, k := range r.source.sockets {
			n += k.received + k.foreign
		}
		return n == 8
	})
	for i, want := range []string{"0 received, 2 from others", "1 received, 1 from others", "2 received, 0 from others", "0 received, 2 from others"} {
		if st := r.status()[i]; !strings.Contains(st.Detail, want) {
			t.Errorf("%s: %s, want %s", st.Name, st.Detail, want)
		}
	}
}

func TestGroupOfOthers(t *testing.T) {
	needRoot(t)
	r := newRig(t, `
netlink:
  a: {protocol: usersock, groups: [21], from: any}
  b: {protocol: usersock, groups: [1, 32], from: any}
`)
	for _, group := range []int{21, 5, 32} {
		_, ended := r.send("b", Message{Group: group, Type: 16, Payload: payload("hi\x00")})
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	}
	p := newPeer(t, unix.NETLINK_USERSOCK)
	if err := p.Send(message(16, "32"), 0, 32); err != nil {
		t.Fatal(err)
	}
	r.expect("a message GROUP=21 TEXT=hi", "b message GROUP=32 TEXT=32")
}

// The loop is held up while more is sent than the buffer takes.
func TestOverflowIsToldWithItsCount(t *testing.T) {
	needRoot(t)
	const sent = 500
	r := newRig(t, usersock("x", ", from: any, buffer: 4K, groups: [21]"))
	p := newPeer(t, unix.NETLINK_USERSOCK)
	for range 2 {
		r.Do(func() {
			p.flood(sent)
		})
		var lost *sources.Event
		r.Await("loss", func() bool {
			for _, e := range r.events {
				if e.Topic.Kind == "loss" {
					lost = e
				}
			}
			return lost != nil
		})
		r.Do(func() {
			count, _ := lost.Lookup("COUNT")
			knob, _ := lost.Lookup("KNOB")
			n, _ := count.Int()
			if got := len(r.events) - 1; int(n)+got != sent || lost.Source != "netlink:x" || !strings.Contains(knob.String(), "buffer: ") {
				t.Errorf("%d came and %v are said to be lost of %d: %+v", got, n, sent, lost)
			}
			r.events = nil
		})
	}
	if err := p.Send(message(16, "after"), 0, 21); err != nil {
		t.Fatal(err)
	}
	r.expect("x message TEXT=after")
}

// The loop reads while more is sent than it keeps up with: the buffer overflows
// again while the loss before is reported.
func TestStormsAreAccountedFor(t *testing.T) {
	needRoot(t)
	const sent = 100_000
	r := newRig(t, usersock("x", ", from: any, buffer: 4K, groups: [21]"))
	p := newPeer(t, unix.NETLINK_USERSOCK)
	p.flood(sent - 100)
	r.Do(func() { p.flood(100) }) // what the kernel counted late is known with the last loss
	r.Await("all that was sent", func() bool {
		k := r.source.find("x")
		return k != nil && k.received+k.lost >= sent
	})
	r.Do(func() {
		if k := r.source.find("x"); k.received+k.lost != sent {
			t.Errorf("%d came and %d are said to be lost, of %d", k.received, k.lost, sent)
		}
	})
}

// A loss is told even if the last datagram that waits is the last of what is read at a time.
func TestLossIsToldAfterHoweverManyDatagrams(t *testing.T) {
	needRoot(t)
	r := newRig(t, usersock("x", ", from: any, groups: [21]"))
	p := newPeer(t, unix.NETLINK_USERSOCK)
	for n := range 2*batch + 2 {
		var before uint64
		r.Do(func() {
			k := r.source.find("x")
			before = k.received + k.lost
			room(t, k.FD, 1<<20)
			p.flood(n)
			room(t, k.FD, 0)
			p.flood(20)
		})
		r.Await("all that was sent", func() bool {
			k := r.source.find("x")
			return k != nil && k.received+k.lost == before+uint64(n+20)
		})
	}
}

// room sets the size of a receive buffer; of what waits in it, nothing is lost.
func room(t *testing.T, fd, size int) {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, size); err != nil {
		t.Error(err)
	}
}

func TestTooLongADatagramIsALoss(t *testing.T) {
	r := newRig(t, usersock("x", ", from: any, message: 1K"))
	p := newPeer(t, unix.NETLINK_USERSOCK)
	r.Do(func() { r.source.find("x").assumed = 1 }) // the kernel counts no datagram that it delivers
	p.say(r.port("x"), message(16, strings.Repeat("x", 1<<10)))
	p.say(r.port("x"), message(16, "short"))
	r.expect("x lost COUNT=1", "x message TEXT=short")
	r.Do(func() {
		if n := r.source.find("x").lost; n != 1 {
			t.Errorf("%d are lost, want 1", n)
		}
	})
}

// Nor can a stranger make us cry loss.
func TestTooLongADatagramOfAStranger(t *testing.T) {
	r := newRig(t, usersock("x", ", message: 1K"))
	p := newPeer(t, unix.NETLINK_USERSOCK)
	p.say(r.port("x"), message(16, strings.Repeat("x", 1<<10)))
	r.Await("stranger", func() bool { return r.source.sockets[0].foreign == 1 })
	r.expect()
}

func TestManySmallMessagesDoNotKeepOthersWaiting(t *testing.T) {
	r := newRig(t, usersock("x", ", from: any, message: 256K"))
	p := newPeer(t, unix.NETLINK_USERSOCK)
	var many []byte
	for range 4000 {
		many = append(many, message(16, "")...)
	}
	const datagrams = 8
	most, before := 0, 0
	send := sync.OnceFunc(func() {
		for range datagrams {
			p.say(r.source.sockets[0].Port, many)
		}
	})
	r.Await("messages", func() bool {
		send() // from here on each turn is looked at
		most, before = max(most, len(r.events)-before), len(r.events)
		return len(r.events) == 4000*datagrams
	})
	if most > 4000 {
		t.Errorf("%d messages in one turn", most)
	}
}

func TestMissingProtocolIsWaitedFor(t *testing.T) {
	r := newRig(t, "netlink: {x: {protocol: 29}}")
	st := r.status()[0]
	if st.OK || !strings.Contains(st.Error, "protocol 29: protocol not supported: is its module loaded?") {
		t.Errorf("status %+v", st)
	}
	if _, ended := r.send("x", Message{Payload: payload("")}); !strings.Contains(fmt.Sprint(<-ended), "not supported") {
		t.Error("a socket that is not open sent something")
	}
	r.Await("a pause", func() bool {
		o := &r.source.sockets[0].opener
		pausing := !o.Opening()
		if pausing {
			o.Stop()
		}
		return pausing
	})
	r.Do(func() {
		o := &r.source.sockets[0].opener
		for _, action := range []string{"remove", "add"} {
			r.source.Notify(&sources.Event{Topic: sources.Topic{Kind: "uevent", Name: "module", State: action}})
			if opening := action == "add"; o.Opening() != opening {
				t.Errorf("%s of a module: opening %v", action, o.Opening())
			}
		}
	})
	k := r.source.sockets[0]
	r.apply("netlink: {}")
	r.Do(func() {
		if err := k.opener.Err(); err != nil {
			t.Errorf("it is still waited for: %v", err)
		}
	})
}

// What is sent while the socket is being opened fails with that, and the source
// has started then.
func TestSendWhileOpening(t *testing.T) {
	r := newRig(t, "netlink: {}")
	plan, _ := read("netlink: {x: {protocol: 29}}")
	ended := make(chan error, 1)
	r.Do(func() {
		r.source.Apply(plan)
		if r.source.Started() {
			t.Error("started before the socket was tried")
		}
		if _, err := r.source.Send("x", Message{Payload: payload(""), Timeout: patience}, func(err error) { ended <- err }); err != nil {
			t.Error(err)
		}
	})
	if err := <-ended; !strings.Contains(fmt.Sprint(err), "is its module loaded?") {
		t.Error(err)
	}
	r.Await("start", r.source.Started)
}

// A broken socket is a state, and is opened again.
func TestSocketThatCannotBeRead(t *testing.T) {
	yaml := usersock("x", ", from: any, port: 4246")
	r := newRig(t, yaml)
	other, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(other)
	r.Do(func() {
		k := r.source.sockets[0]
		if err := unix.Dup3(other, k.FD, unix.O_CLOEXEC); err != nil {
			t.Error(err)
		}
		k.ready(0)
	})
	r.settle()
	if st := r.status()[0]; st.OK || !strings.Contains(st.Error, "receive: socket operation on non-socket") {
		t.Errorf("%+v", st)
	}
	if !slices.ContainsFunc(r.lines(), func(line string) bool { return strings.Contains(line, "opened again") }) {
		t.Errorf("no loss among %q", r.lines())
	}
	r.apply(yaml) // rather than wait
	r.Do(func() { r.events = nil })
	newPeer(t, unix.NETLINK_USERSOCK).say(4246, message(16, "again"))
	r.expect("x message TEXT=again")
}

// A module is announced before it is ready: that calls for some tries, which
// come to an end. Nothing announces that a port is free.
func TestPauses(t *testing.T) {
	for failures := 1; failures <= 100; failures++ {
		long, again := pause(fmt.Errorf("open: %w", unix.EPROTONOSUPPORT), failures)
		if again != (failures <= len(pauses)) || again && long != pauses[failures-1] {
			t.Errorf("after %d failures %v, %v", failures, long, again)
		}
		if long, again := pause(unix.EADDRINUSE, failures); !again || long != retryAfter {
			t.Errorf("a taken port, after %d failures: %v, %v", failures, long, again)
		}
	}
}

func TestTakenPortNamesItsHolder(t *testing.T) {
	p := newPeer(t, unix.NETLINK_USERSOCK)
	yaml := usersock("x", fmt.Sprintf(", port: %d, from: any", p.Port))
	r := newRig(t, yaml)
	comm, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("bind port %d: address already in use: process %d (%s) holds it", p.Port, os.Getpid(), strings.TrimSpace(string(comm)))
	if st := r.status()[0]; st.OK || st.Error != want {
		t.Errorf("%q, want %q", st.Error, want)
	}
	p.Close()
	p.FD = -1
	r.apply(yaml) // rather than wait
	if st := r.status()[0]; !st.OK || st.Error != "" {
		t.Errorf("%+v", st)
	}
}

func TestReloadKeepsTheSocketAndWhatWaitsInIt(t *testing.T) {
	r := newRig(t, usersock("x", ", from: any"))
	p := newPeer(t, unix.NETLINK_USERSOCK)
	port := r.port("x")
	plan, _ := read(usersock("renamed", ", from: any, decode: hex"))
	r.Do(func() {
		p.say(port, message(16, "kept"))
		r.source.Apply(plan)
	})
	r.expect("renamed message DATA=6b657074")
	r.apply(usersock("renamed", ", from: any, port: 4242"))
	if r.port("renamed") != 4242 {
		t.Error("the port is not the one asked for")
	}
	// Another socket that wants the address of one that goes.
	r.apply(usersock("heir", ", from: any, port: 4242, buffer: 64K"))
	r.Await("heir", func() bool { return r.source.sockets[0].watch != nil })
	r.apply("netlink: {}")
	q, err := nl.Open(nl.Config{Protocol: unix.NETLINK_USERSOCK, Port: 4242})
	if err != nil {
		t.Fatal("the port was not let go:", err)
	}
	q.Close()
}

func TestSwitch(t *testing.T) {
	r := newRig(t, usersock("x", ", from: any, port: 4243"))
	switchTo := func(name string, open bool) (err error) {
		r.Do(func() { err = r.source.Switch(name, open) })
		r.settle()
		return err
	}
	r.Do(func() {
		if !r.source.Has("x") || r.source.Has("y") {
			t.Error("Has is wrong")
		}
	})
	if err := switchTo("y", false); err == nil {
		t.Error("an unknown socket was closed")
	}
	if err := switchTo("x", false); err != nil {
		t.Fatal(err)
	}
	if st := r.status()[0]; st.OK || !strings.Contains(st.Detail, "closed by a rule") {
		t.Errorf("%+v", st)
	}
	if _, ended := r.send("x", Message{Payload: payload("")}); !strings.Contains(fmt.Sprint(<-ended), "closed by a rule") {
		t.Error("a closed socket sent something")
	}
	r.apply(usersock("x", ", from: any, port: 4243")) // a reload does not open it
	q, err := nl.Open(nl.Config{Protocol: unix.NETLINK_USERSOCK, Port: 4243})
	if err != nil {
		t.Fatal(err)
	}
	q.Close()
	if err := switchTo("x", true); err != nil {
		t.Fatal(err)
	}
	r.Do(func() { // before it is closed
		_ = r.source.Switch("x", false)
		_ = r.source.Switch("x", true)
	})
	r.settle()
	newPeer(t, unix.NETLINK_USERSOCK).say(4243, message(16, "again"))
	r.expect("x message TEXT=again")
}

// A socket whose port is held by one that goes, and cannot go yet, is opened
// as soon as it can.
func TestHeirOfABusyPort(t *testing.T) {
	r := newRig(t, usersock("x", ", from: any, port: 4245"))
	hold := make(chan struct{})
	_, _ = r.send("x", Message{To: 4245, Payload: func() ([]byte, error) { <-hold; return nil, nil }})
	plan, _ := read(usersock("heir", ", from: any, port: 4245, buffer: 64K"))
	r.Do(func() { r.source.Apply(plan) })
	r.Await("complaint", func() bool { return r.source.sockets[0].problem() != nil })
	var before, after time.Duration
	r.Do(func() { before = r.loop.Now() })
	close(hold)
	r.Await("heir", func() bool { return r.source.sockets[0].watch != nil })
	r.Do(func() { after = r.loop.Now() })
	if after-before > retryAfter/2 {
		t.Errorf("it took %v", after-before)
	}
}

// heldLoop keeps what is to be done in the background.
type heldLoop struct {
	*loop.Loop
	held []held
}

type held struct{ work, done func() }

func (l *heldLoop) Beside(work, done func()) { l.held = append(l.held, held{work, done}) }

// The port becomes free after the heir was tried, and before that is known.
func TestHeirTriedTooEarly(t *testing.T) {
	r := newRig(t, usersock("x", ", from: any, port: 4247"))
	plan, _ := read(usersock("heir", ", from: any, port: 4247, buffer: 64K"))
	r.Do(func() {
		l := &heldLoop{Loop: r.loop}
		r.source.host.Loop = l
		r.source.Apply(plan)
		if len(l.held) != 2 {
			t.Errorf("%d things to do", len(l.held))
			return
		}
		closing, opening := l.held[0], l.held[1]
		opening.work()
		closing.work()
		closing.done()
		opening.done()
		if len(l.held) != 3 {
			t.Errorf("it is not tried again at once: %v", r.source.sockets[0].problem())
			return
		}
		l.held[2].work()
		l.held[2].done()
		if st := r.source.Status()[0]; !st.OK {
			t.Errorf("%+v", st)
		}
	})
}

// Closing and opening while a message is in the kernel keeps the descriptor.
func TestSwitchDuringASend(t *testing.T) {
	r := newRig(t, usersock("x", ", from: any, port: 4244"))
	hold := make(chan struct{})
	_, first := r.send("x", Message{To: 4244, Type: 16, Payload: func() ([]byte, error) { <-hold; return []byte("late"), nil }})
	_, second := r.send("x", Message{To: 4244, Payload: payload("never")})
	r.Do(func() { _ = r.source.Switch("x", false) })
	if err := <-second; err == nil || !strings.Contains(err.Error(), "closed") {
		t.Error(err)
	}
	r.Do(func() { _ = r.source.Switch("x", true) })
	close(hold)
	if err := <-first; err != nil {
		t.Error(err)
	}
	r.expect("x message TEXT=late")

	// Once it is out, what is to be closed is closed.
	hold = make(chan struct{})
	_, third := r.send("x", Message{To: 4244, Payload: func() ([]byte, error) { <-hold; return nil, nil }})
	r.Do(func() { _ = r.source.Switch("x", false) })
	r.Do(func() {
		if k := r.source.sockets[0]; k.FD < 0 {
			t.Error("closed while a message is in the kernel")
		}
	})
	close(hold)
	<-third
	r.Await("end of the socket", func() bool { return r.source.sockets[0].FD < 0 })
}

func TestSendsOfOneSocketGoInOrder(t *testing.T) {
	r := newRig(t, usersock("x", "")+"\n")
	p := newPeer(t, unix.NETLINK_USERSOCK)
	hold := make(chan struct{})
	first, firstEnd := r.send("x", Message{To: p.Port, Type: 16, Payload: func() ([]byte, error) { <-hold; return []byte("first"), nil }})
	second, secondEnd := r.send("x", Message{To: p.Port, Type: 17, Flags: unix.NLM_F_REQUEST, Payload: payload("second")})
	third, thirdEnd := r.send("x", Message{To: p.Port, Payload: payload("third"), Timeout: 50 * time.Millisecond})
	if err := <-thirdEnd; err == nil || !strings.Contains(err.Error(), "earlier message is still in the kernel") {
		t.Error(err)
	}
	fourth, _ := r.send("x", Message{To: p.Port, Payload: payload("fourth")})
	r.Do(func() {
		if first.Cancel() || !third.Cancel() || !fourth.Cancel() {
			t.Error("only what was not begun can be called back")
		}
	})
	close(hold)
	for _, ended := range []chan error{firstEnd, secondEnd} {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	r.Do(func() {
		if !second.Cancel() {
			t.Error("what is over is gone")
		}
	})
	for i, want := range []string{"first", "second"} {
		m, from := p.hear()
		if string(m.Body) != want || m.Seq != uint32(i+1) || m.Type != uint16(16+i) || m.Port != from || from != r.port("x") {
			t.Errorf("%+v from %d", m, from)
		}
	}
	if _, _, err := p.Receive(p.FD); err != unix.EAGAIN {
		t.Error("more was sent")
	}
}

func TestSendToNobody(t *testing.T) {
	r := newRig(t, usersock("x", ""))
	for to, want := range map[uint32]string{
		0:          "connection refused: the kernel has no socket of this protocol",
		0xfffffff0: "connection refused: no socket of this protocol has port 4294967280",
	} {
		if _, ended := r.send("x", Message{To: to, Payload: payload("")}); !strings.Contains(fmt.Sprint(<-ended), want) {
			t.Errorf("port %d: no %q", to, want)
		}
	}
}

func TestAcks(t *testing.T) {
	r := newRig(t, usersock("x", ", from: any"))
	p, liar := newPeer(t, unix.NETLINK_USERSOCK), newPeer(t, unix.NETLINK_USERSOCK)
	acknowledge := func(from *peer, m nl.Message, errno int32, more []byte, flags uint16) {
		body := order.AppendUint32(nil, uint32(-errno))
		m.Body = nil
		body = append(m.Append(body), more...)
		from.say(r.port("x"), nl.Message{Type: unix.NLMSG_ERROR, Flags: flags, Seq: m.Seq, Body: body}.Append(nil))
	}
	ask := func() (nl.Message, chan error) {
		_, ended := r.send("x", Message{To: p.Port, Type: 20, Ack: true, Payload: payload("?")})
		r.Await("handing over", func() bool { return r.loop.Pending() == 0 })
		m, _ := p.hear()
		if m.Flags&unix.NLM_F_ACK == 0 {
			t.Error("no ack was asked for")
		}
		return m, ended
	}
	m, ended := ask()
	acknowledge(liar, m, 5, nil, 0) // an answer of somebody else's is none
	r.expect("x error ERRNO=5")
	acknowledge(p, m, 0, nil, 0)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	m, ended = ask()
	text := nl.AppendAttr(nil, unix.NLMSGERR_ATTR_MSG, []byte("no such thing\x00"))
	acknowledge(p, m, int32(unix.ENODEV), text, unix.NLM_F_ACK_TLVS|unix.NLM_F_CAPPED)
	if err := <-ended; err == nil || err.Error() != "send on netlink socket x: refused: no such device: no such thing" {
		t.Error(err)
	}
	_, ended = r.send("x", Message{To: p.Port, Ack: true, Timeout: 50 * time.Millisecond, Payload: payload("")})
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "no ack after 50ms") {
		t.Error(err)
	}
	r.expect()
}

// The kernel itself: rtnetlink, and nlctrl as a family.
func TestKernelAnswers(t *testing.T) {
	r := newRig(t, `
netlink:
  route: {protocol: route}
  ctrl: {family: nlctrl, groups: [notify], decode: attrs}
  none: {family: reflexd_none}
`)
	link := func(index uint32) func() ([]byte, error) { // struct ifinfomsg
		b := order.AppendUint32(make([]byte, 4, 16), index)
		return func() ([]byte, error) { return append(b, make([]byte, 8)...), nil }
	}
	get := Message{Type: unix.RTM_GETLINK, Flags: unix.NLM_F_REQUEST, Ack: true, Payload: link(1)}
	if _, ended := r.send("route", get); true {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	r.expect(fmt.Sprintf("route message TYPE=%d SEQ=1 PORT=0", unix.RTM_NEWLINK))
	get.Payload = link(1 << 30)
	if _, ended := r.send("route", get); !strings.Contains(fmt.Sprint(<-ended), "refused: no such device") {
		t.Error("the kernel knows a device that is not there")
	}
	name := func(s string) func() ([]byte, error) {
		return func() ([]byte, error) {
			return nl.AppendAttr(nil, unix.CTRL_ATTR_FAMILY_NAME, append([]byte(s), 0)), nil
		}
	}
	ask := Message{Cmd: unix.CTRL_CMD_GETFAMILY, Version: 2, Flags: unix.NLM_F_REQUEST, Ack: true, Payload: name("nlctrl")}
	if _, ended := r.send("ctrl", ask); true {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	r.expect(fmt.Sprintf("ctrl message CMD=%d VERSION=2 ATTR_2=nlctrl ATTR_1=1000 ATTR_1_INT=16", unix.CTRL_CMD_NEWFAMILY))
	ask.Payload = name("reflexd_none")
	if _, ended := r.send("ctrl", ask); !strings.Contains(fmt.Sprint(<-ended), "refused: no such file or directory") {
		t.Error("nlctrl knows a family that is not there")
	}
	if st := r.status()[2]; st.OK || !strings.Contains(st.Error, "no such family") {
		t.Errorf("%+v", st)
	}
	if _, ended := r.send("none", ask); !strings.Contains(fmt.Sprint(<-ended), "no such family") {
		t.Error("sent to a family that is not there")
	}
}
