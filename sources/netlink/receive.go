// SPDX-License-Identifier: MIT

// Receiving: what comes in on a socket, and what events become of it.

package netlink

import (
	"encoding/hex"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"

	"reflexd/sources"
)

// One call of ready takes so many datagrams, or fewer if they hold many
// messages.
const (
	batch        = 32
	mostMessages = 256
)

// mostAttrs is how many attributes of a message become fields.
const mostAttrs = 128

// lossPatience is after how many batches a loss is told though the socket was
// never found empty.
const lossPatience = 64

func (k *socket) ready(uint32) {
	until := k.received + mostMessages
	for range batch {
		if k.watch == nil || k.received >= until || !k.receive() {
			break
		}
	}
	if k.lossy {
		if k.batches++; k.batches >= lossPatience {
			k.tellLoss()
		}
	}
}

// receive takes one datagram, and reports whether there may be another.
func (k *socket) receive() bool {
	b, who, err := k.source.receiver.receive(k.fd)
	switch err {
	case nil:
		k.take(b, &who)
	case unix.EINTR:
	case unix.EAGAIN:
		k.tellLoss()
		return false
	case unix.ENOBUFS, unix.ENOMEM: // the latter where the kernel had no room to make one
		k.lossy = true
	case unix.EMSGSIZE:
		if !k.decl.from.believe(&who) {
			k.foreign++
			return true
		}
		k.lose(1, fmt.Sprintf("message: %d bytes were too few for a datagram of the socket %s", len(k.source.receiver.buf), k.decl.Name))
	default:
		k.fail(err)
		return false
	}
	return true
}

// tellLoss tells how many messages did not fit into the buffer, once it was
// emptied.
func (k *socket) tellLoss() {
	if !k.lossy {
		return
	}
	k.lossy, k.batches = false, 0
	count := uint32(0) // nobody knows
	if drops, ok := dropped(k.fd); ok {
		count, k.drops = drops-k.drops, drops
	}
	k.lose(int(count), k.knob())
	if k.decl.family != "" {
		k.look = true // news of the family may have been among them
		k.advance()
	}
}

// knob says what would help against an overflow.
func (k *socket) knob() string {
	if k.forced {
		return fmt.Sprintf("buffer: the kernel's %d KiB were full: ask for more, or see what holds up the machine", k.size>>10)
	}
	return fmt.Sprintf("buffer: SO_RCVBUF gave %d KiB: raise net.core.rmem_max, or give CAP_NET_ADMIN to the agent", k.size>>10)
}

func (k *socket) lose(count int, knob string) {
	k.lost += uint64(max(1, count))
	k.source.host.Lost("netlink", k.decl.Name, count, knob)
}

// take handles one datagram.
func (k *socket) take(b []byte, who *sender) {
	believed := k.decl.from.believe(who)
	strange := false
	sound := eachMessage(b, func(h header, payload []byte) {
		switch {
		case k.private(h, payload, who):
		case !believed:
			strange = true
		case !k.tellMessage(h, payload, who):
			k.malformed++
		}
	})
	switch {
	case strange:
		k.foreign++
		k.source.host.Log.Debug("netlink message from somebody else", "socket", k.decl.Name, "port", who.port)
	case !sound:
		k.malformed++
		k.source.host.Log.Debug("malformed netlink message", "socket", k.decl.Name, "port", who.port, "length", len(b))
	}
}

// private handles what is meant for us rather than for rules: the answers that
// sends wait for, and what nlctrl says.
func (k *socket) private(h header, payload []byte, who *sender) bool {
	switch {
	case h.kind == unix.NLMSG_NOOP:
		return true
	case h.kind == unix.NLMSG_ERROR:
		a, sound := parseAnswer(h, payload)
		return sound && k.answered(h.seq, who.port, a)
	case h.kind == unix.NLMSG_OVERRUN && who.port == 0:
		k.lose(0, "the kernel says that it lost some (NLMSG_OVERRUN)")
		return true
	case h.kind == unix.GENL_ID_CTRL && k.hearsNews() && who.port == 0:
		if n, ok := parseNews(payload); ok && n.name == k.decl.family {
			k.familyNews(n)
		}
		return true
	}
	return false
}

// hearsNews reports whether the socket listens to nlctrl for our own sake.
func (k *socket) hearsNews() bool {
	return k.decl.family != "" && (k.family == nil || k.family.number != unix.GENL_ID_CTRL)
}

// familyNews is told that the family came or went.
func (k *socket) familyNews(n news) {
	if n.gone {
		k.family = nil
		k.tell(fmt.Errorf("look for family %s: %w", n.name, errNoFamily))
	}
	k.look = true
	k.advance()
}

// tellMessage emits one message. It reports false if it makes no sense.
func (k *socket) tellMessage(h header, payload []byte, who *sender) bool {
	f := &k.source.fields
	*f = (*f)[:0]
	f.number("TYPE", int64(h.kind))
	f.number("FLAGS", int64(h.flags))
	f.number("SEQ", int64(h.seq))
	f.number("PORT", int64(who.port))
	f.number("GROUP", int64(who.group))
	f.number("LENGTH", int64(len(payload)))
	if who.known {
		f.number("SENDER_PID", int64(who.pid))
		f.number("SENDER_UID", int64(who.uid))
	}
	state, sound := stateMessage, true
	switch {
	case h.kind == unix.NLMSG_ERROR:
		var a answer
		state = stateError
		a, sound = parseAnswer(h, payload)
		f.number("ERRNO", int64(a.errno))
		f.text("TEXT", a.describe())
	case h.kind == unix.NLMSG_DONE && h.flags&unix.NLM_F_MULTI != 0:
		// Without the flag it is a message of a driver that took the first
		// constant at hand for its type.
		state = stateDone
	default:
		sound = k.decode(h, payload)
	}
	if sound {
		k.received++
		k.emit(state)
	}
	return sound
}

// emit sends the source's fields.
func (k *socket) emit(state string) {
	s := k.source
	s.event = sources.Event{
		Time:   s.host.Loop.Now(), // netlink stamps nothing
		Topic:  sources.Topic{Kind: "netlink", Name: k.decl.Name, State: state},
		Source: "netlink:" + k.decl.Name,
		Fields: s.fields,
	}
	s.host.Emit(&s.event)
}

// decode adds the fields that `decode` asks for. It reports false if the
// payload is not what the socket is for.
func (k *socket) decode(h header, b []byte) (sound bool) {
	f := &k.source.fields
	if k.decl.family != "" && (k.family == nil || h.kind != k.family.number) {
		return false
	}
	if k.decl.generic() {
		if len(b) < genericHeaderSize {
			return false
		}
		f.number("CMD", int64(b[0]))
		f.number("VERSION", int64(b[1]))
		b = b[genericHeaderSize:]
	}
	if k.decl.decodes(asText) {
		f.text("TEXT", printable(b))
	}
	if k.decl.decodes(asHex) {
		f.text("DATA", hex.EncodeToString(b))
	}
	if !k.decl.decodes(asAttrs) {
		return true
	}
	if k.family != nil {
		b = b[min(align(k.family.header), len(b)):]
	}
	return f.attrs(b)
}

// fields are those of a message.
type fields []sources.Field

func (f *fields) number(name string, n int64) {
	*f = append(*f, sources.Field{Name: name, Value: sources.Int(n)})
}

func (f *fields) text(name, s string) {
	*f = append(*f, sources.Field{Name: name, Value: sources.Text(s)})
}

// attrs adds attributes: ATTR_n, as text where that is what it holds and else
// in hex, and ATTR_n_INT where it has the size of a number. Of one that comes
// several times, the first counts.
func (f *fields) attrs(b []byte) (sound bool) {
	count := 0
	return eachAttr(b, func(a attr) {
		name := "ATTR_" + strconv.Itoa(int(a.number))
		if f.has(name) || count >= mostAttrs {
			return
		}
		count++
		if isString(a.value) {
			f.text(name, string(a.value[:len(a.value)-1]))
		} else {
			f.text(name, hex.EncodeToString(a.value))
		}
		if n, ok := a.integer(); ok {
			f.number(name+"_INT", n)
		}
	})
}

func (f *fields) has(name string) bool {
	e := sources.Event{Fields: *f}
	_, ok := e.Lookup(name)
	return ok
}
