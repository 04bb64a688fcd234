// SPDX-License-Identifier: MIT

// Receiving: what comes in on a socket, and what events become of it.

package netlink

import (
	"encoding/hex"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"

	"reflexd/sources"
	"reflexd/sources/nl"
)

// One call of ready takes so many datagrams, or fewer if they hold many
// messages.
const (
	batch        = 32
	mostMessages = 256
)

// mostAttrs is how many attributes of a message become fields.
const mostAttrs = 128

// lossPatience is after how many batches a loss is reported though the socket was
// never found empty.
const lossPatience = 64

func (k *socket) ready(uint32) {
	loop := k.source.host.Loop
	k.readAt = loop.Woke()
	until, reads := k.received+mostMessages, k.pace.Reads(k.readAt, batch)
	for i := 0; i < reads || k.lossy && i < batch; i++ { // a loss is reported when there is no more
		if i > 0 {
			k.readAt = loop.Now()
		}
		if k.watch == nil || k.received >= until || !k.receive() {
			break
		}
	}
	if k.lossy && k.watch != nil {
		if k.batches++; k.batches >= lossPatience {
			k.reportLoss(false)
		}
		if k.more == nil { // that may have been the last datagram: nothing else calls ready
			k.more = loop.After(0, k.readOn)
		}
	}
}

// readOn reads until the socket is empty, after a loss.
func (k *socket) readOn() {
	k.more = nil
	if k.lossy && k.watch != nil {
		k.ready(0)
	}
}

// receive takes one datagram, and reports whether there may be another.
func (k *socket) receive() bool {
	r := &k.source.receiver
	r.Listens = k.seq == 0
	b, from, err := r.Receive(k.FD)
	switch err {
	case nil:
		k.take(b, from)
	case unix.EINTR:
	case unix.EAGAIN:
		k.reportLoss(true)
		return false
	case unix.ENOBUFS, unix.ENOMEM: // the latter where the kernel had no room to make one
		k.lossy = true
		if k.vain++; k.vain > batch { // the kernel reports each loss once
			k.fail(err)
			return false
		}
		return true
	case unix.EMSGSIZE:
		if !k.decl.from.believe(from) {
			k.foreign++
			return true
		}
		k.lose(1, fmt.Sprintf("message: %d bytes were too few for a datagram of the socket %s", k.source.receiver.Room(), k.decl.Name))
	default:
		k.fail(err)
		return false
	}
	k.vain = 0
	return true
}

// reportLoss reports how many messages did not fit into the buffer: once it was
// emptied, or what is known so far.
func (k *socket) reportLoss(emptied bool) {
	if !k.lossy {
		return
	}
	count, news := k.Dropped()
	if count > 0 || news && !k.told {
		k.lose(count, k.hint())
		if count == 0 { // the kernel counts a message after it has reported the loss
			k.assumed++
		}
		counted := min(k.assumed, count)
		k.lost, k.assumed = k.lost-uint64(counted), k.assumed-counted
	}
	k.lossy, k.told, k.batches = !emptied, !emptied, 0
	if k.decl.family != "" {
		k.look = true // news of the family may have been among them
		k.advance()
	}
}

// hint says what would help against an overflow.
func (k *socket) hint() string {
	if k.Forced {
		return fmt.Sprintf("buffer: the kernel's %d KiB were full: increase it, or find what delays the machine", k.Buffer>>10)
	}
	return "buffer: " + k.Hint()
}

func (k *socket) lose(count int, hint string) {
	k.lost += uint64(max(1, count))
	k.source.host.Lost("netlink", k.decl.Name, count, hint)
}

// take handles one datagram.
func (k *socket) take(b []byte, from nl.Sender) {
	believed := k.decl.from.believe(from)
	strange, sound := false, true
	for m, err := range nl.Datagram(b).Each {
		switch {
		case err != nil:
			sound = err == nl.ErrTrailing
		case k.private(m, from):
		case !believed:
			strange = true
		case !k.emitMessage(m, from):
			k.malformed++
		}
	}
	switch {
	case strange:
		k.foreign++
		k.source.host.Log.Debug("netlink message from another sender", "socket", k.decl.Name, "port", from.Port)
	case !sound:
		k.malformed++
		k.source.host.Log.Debug("malformed netlink message", "socket", k.decl.Name, "port", from.Port, "length", len(b))
	}
}

// private handles what is meant for us rather than for rules: the answers that
// sends wait for, and what nlctrl says.
func (k *socket) private(m nl.Message, from nl.Sender) bool {
	switch {
	case m.Type == unix.NLMSG_NOOP:
		return true
	case m.Type == unix.NLMSG_ERROR:
		a, err := nl.ParseAnswer(m)
		return err == nil && k.answered(m.Seq, from.Port, a)
	case m.Type == unix.NLMSG_OVERRUN && from.Port == 0:
		k.lose(0, "the kernel reports a loss (NLMSG_OVERRUN)")
		return true
	case m.Type == unix.GENL_ID_CTRL && k.receivesNews() && from.Port == 0:
		if n, ok := parseNews(m.Body); ok && n.name == k.decl.family {
			k.familyNews(n)
		}
		return true
	}
	return false
}

// receivesNews reports whether the socket listens to nlctrl for our own sake.
func (k *socket) receivesNews() bool {
	return k.decl.family != "" && (k.family == nil || k.family.number != unix.GENL_ID_CTRL)
}

// familyNews is called when the family appeared or disappeared.
func (k *socket) familyNews(n news) {
	if n.gone {
		k.family = nil
		k.logError(fmt.Errorf("find family %s: %w", n.name, errNoFamily))
	}
	k.look = true
	k.advance()
}

// emitMessage emits one message. It reports false if it makes no sense.
func (k *socket) emitMessage(m nl.Message, from nl.Sender) bool {
	f := &k.source.fields
	*f, k.source.text = (*f)[:0], k.source.text[:0]
	*f = append(*f,
		sources.Field{Name: "TYPE", Value: sources.Int(int64(m.Type))},
		sources.Field{Name: "FLAGS", Value: sources.Int(int64(m.Flags))},
		sources.Field{Name: "SEQ", Value: sources.Int(int64(m.Seq))},
		sources.Field{Name: "PORT", Value: sources.Int(int64(from.Port))},
		sources.Field{Name: "GROUP", Value: sources.Int(int64(from.Group))},
		sources.Field{Name: "LENGTH", Value: sources.Int(int64(len(m.Body)))})
	if from.Known {
		f.number("SENDER_PID", int64(from.PID))
		f.number("SENDER_UID", int64(from.UID))
	}
	state, sound := stateMessage, true
	switch {
	case m.Type == unix.NLMSG_ERROR:
		a, err := nl.ParseAnswer(m)
		state, sound = stateError, err == nil
		f.number("ERRNO", int64(a.Errno))
		f.text("TEXT", describe(a))
	case m.Type == unix.NLMSG_DONE && m.Flags&unix.NLM_F_MULTI != 0:
		// Without the flag it is a message of a driver that took the first
		// constant at hand for its type.
		state = stateDone
	default:
		sound = k.decode(m)
	}
	if sound {
		k.received++
		k.emit(state)
	}
	return sound
}

// emit sends the source's fields.
func (k *socket) emit(state string) {
	const mostText = 64 << 10 // that is kept for the next
	s := k.source
	s.event = sources.Event{
		Time:     k.readAt, // netlink stamps nothing
		Topic:    sources.Topic{Kind: "netlink", Name: k.decl.Name, State: state},
		Source:   k.decl.origin,
		Fields:   s.fields,
		Borrowed: len(s.text) > 0, Owned: s.owned,
	}
	s.host.Emit(&s.event)
	if cap(s.text) > mostText {
		s.text = nil
	}
}

// decode adds the fields that `decode` asks for. It reports false if the
// payload is not what the socket is for.
func (k *socket) decode(m nl.Message) (sound bool) {
	b, s := m.Body, k.source
	f := &s.fields
	if k.decl.family != "" && (k.family == nil || m.Type != k.family.number) {
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
		f.text("TEXT", s.borrow(appendPrintable(s.text, b)))
	}
	if k.decl.decodes(asHex) {
		f.text("DATA", s.borrow(hex.AppendEncode(s.text, b)))
	}
	if !k.decl.decodes(asAttrs) {
		return true
	}
	if k.family != nil {
		b = b[min(nl.Align(k.family.header), len(b)):]
	}
	return s.addAttrs(b)
}

// borrow makes text, to which the text of a field was appended, the source's, and
// returns that of the field. It is valid until the next message.
func (s *Source) borrow(text []byte) string {
	from := len(s.text)
	if from == 0 {
		s.owned = len(s.fields)
	}
	s.text = text
	return sources.Borrow(text[from:])
}

// fields are those of a message.
type fields []sources.Field

func (f *fields) number(name string, n int64) {
	*f = append(*f, sources.Field{Name: name, Value: sources.Int(n)})
}

func (f *fields) text(name, s string) {
	*f = append(*f, sources.Field{Name: name, Value: sources.Text(s)})
}

// addAttrs adds attributes: ATTR_n, as text where that is what it holds and else
// in hex, and ATTR_n_INT where it has the size of a number. Of one that comes
// several times, the first counts.
func (s *Source) addAttrs(b []byte) (sound bool) {
	f, count := &s.fields, 0
	for a, err := range nl.Attributes(b).Each {
		if err != nil {
			return err == nl.ErrTrailing
		}
		names := s.attrNames(a.Type)
		if f.has(names[0]) || count >= mostAttrs {
			continue
		}
		count++
		if isString(a.Value) {
			f.text(names[0], s.borrow(append(s.text, a.Value[:len(a.Value)-1]...)))
		} else {
			f.text(names[0], s.borrow(hex.AppendEncode(s.text, a.Value)))
		}
		if n, ok := a.Int(); ok {
			f.number(names[1], n)
		}
	}
	return true
}

func (f fields) has(name string) bool {
	for i := range f {
		if f[i].Name == name {
			return true
		}
	}
	return false
}

// attrNames returns the names of the fields of an attribute: as text, and as a number.
func (s *Source) attrNames(kind uint16) [2]string {
	const mostNames = 256 // that are kept
	names, ok := s.names[kind]
	if !ok {
		name := "ATTR_" + strconv.Itoa(int(kind))
		names = [2]string{name, name + "_INT"}
		if len(s.names) < mostNames {
			s.names[kind] = names
		}
	}
	return names
}

// senders says whose messages a socket takes: those of one port, which is the
// kernel's unless configured, of one user's processes, or all.
type senders struct {
	port   uint32
	byUser bool
	user   uint32
	anyone bool
}

func (s *senders) believe(from nl.Sender) bool {
	switch {
	case s.anyone:
		return true
	case s.byUser:
		return from.Known && from.UID == s.user
	}
	return from.Port == s.port
}
