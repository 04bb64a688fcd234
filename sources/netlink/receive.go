// SPDX-License-Identifier: MIT

// Receiving: what comes in on a socket, and what events become of it.

package netlink

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

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
	state := stateMessage
	fields := append(k.source.fields[:0],
		sources.Field{Name: "TYPE", Value: sources.Int(int64(h.kind))},
		sources.Field{Name: "FLAGS", Value: sources.Int(int64(h.flags))},
		sources.Field{Name: "SEQ", Value: sources.Int(int64(h.seq))},
		sources.Field{Name: "PORT", Value: sources.Int(int64(who.port))},
		sources.Field{Name: "GROUP", Value: sources.Int(int64(who.group))},
		sources.Field{Name: "LENGTH", Value: sources.Int(int64(len(payload)))})
	if who.known {
		fields = append(fields,
			sources.Field{Name: "SENDER_PID", Value: sources.Int(int64(who.pid))},
			sources.Field{Name: "SENDER_UID", Value: sources.Int(int64(who.uid))})
	}
	sound := true
	switch {
	case h.kind == unix.NLMSG_ERROR:
		state = stateError
		var a answer
		if a, sound = parseAnswer(h, payload); sound {
			fields = append(fields, sources.Field{Name: "ERRNO", Value: sources.Int(int64(a.errno))},
				sources.Field{Name: "TEXT", Value: sources.Text(a.describe())})
		}
	case h.kind == unix.NLMSG_DONE && h.flags&unix.NLM_F_MULTI != 0:
		// Without the flag it is a message of a driver that took the first
		// constant at hand for its type.
		state = stateDone
	default:
		fields, sound = k.decodePayload(fields, h, payload)
	}
	k.source.fields = fields
	if sound {
		k.received++
		k.emit(state, fields)
	}
	return sound
}

func (k *socket) emit(state string, fields []sources.Field) {
	e := &k.source.event
	e.Time = k.source.host.Loop.Now() // netlink stamps nothing
	e.Topic = sources.Topic{Kind: "netlink", Name: k.decl.Name, State: state}
	e.Source = "netlink:" + k.decl.Name
	e.Fields = fields
	k.source.host.Emit(e)
}

// describe returns the answer in words.
func (a answer) describe() string {
	switch {
	case a.errno == 0:
		return "done"
	case a.text != "":
		return a.errno.Error() + ": " + a.text
	}
	return a.errno.Error()
}

// decodePayload adds the fields that `decode` asks for. It reports false if
// the payload is not what the socket is for.
func (k *socket) decodePayload(fields []sources.Field, h header, b []byte) (_ []sources.Field, sound bool) {
	if k.decl.family != "" && (k.family == nil || h.kind != k.family.number) {
		return fields, false
	}
	if k.decl.generic() {
		if len(b) < genericHeaderSize {
			return fields, false
		}
		fields = append(fields, sources.Field{Name: "CMD", Value: sources.Int(int64(b[0]))},
			sources.Field{Name: "VERSION", Value: sources.Int(int64(b[1]))})
		b = b[genericHeaderSize:]
	}
	if k.decl.decodes(asText) {
		fields = append(fields, sources.Field{Name: "TEXT", Value: sources.Text(printable(b))})
	}
	if k.decl.decodes(asHex) {
		fields = append(fields, sources.Field{Name: "DATA", Value: sources.Text(hex.EncodeToString(b))})
	}
	if !k.decl.decodes(asAttrs) {
		return fields, true
	}
	if k.family != nil {
		b = b[min(align(k.family.header), len(b)):]
	}
	return attrFields(fields, b)
}

// attrFields adds the attributes: ATTR_n, as text where that is what it holds
// and else in hex, and ATTR_n_INT where it has the size of a number. Of one
// that comes several times, the first counts.
func attrFields(fields []sources.Field, b []byte) (_ []sources.Field, sound bool) {
	count := 0
	seen := fields[len(fields):]
	sound = eachAttr(b, func(a attr) {
		name := "ATTR_" + strconv.Itoa(int(a.number))
		e := sources.Event{Fields: seen}
		if _, twice := e.Lookup(name); twice || count >= mostAttrs {
			return
		}
		count++
		value := hex.EncodeToString(a.value)
		if isString(a.value) {
			value = strings.TrimSuffix(string(a.value), "\x00")
		}
		from := len(fields) - len(seen)
		fields = append(fields, sources.Field{Name: name, Value: sources.Text(value)})
		if n, ok := a.integer(); ok {
			fields = append(fields, sources.Field{Name: name + "_INT", Value: sources.Int(n)})
		}
		seen = fields[from:]
	})
	return fields, sound
}
