// SPDX-License-Identifier: MIT

// The action send: a message on a declared netlink socket.

package action

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/agent/expand"
	"reflexd/config"
	"reflexd/regular"
	"reflexd/sources"
	"reflexd/sources/netlink"
)

// leastType is the first type that is no control message: NLMSG_MIN_TYPE.
const leastType = 0x10

// sendTimeout bounds a send that the configuration does not bound. Drivers may
// sleep in their input callbacks.
const sendTimeout = time.Minute

// mostPayload is more than a socket's send buffer takes.
const mostPayload = 1 << 20

var sendKind = Kind{
	Key:  "send",
	Also: "netlink",
	Doc:  "send a message on a declared netlink socket, or a string on a serial line; an answer is an event",
	New: func() (config.Value, func(*Check) Action) {
		a := &send{flags: []string{}, timeout: sendTimeout, kind: unset, cmd: unset, version: 1}
		return config.At(&a.whole, config.Object(a.fields()...)), a.check
	},
}

// unset stands for a number that was not given.
const unset = -1

// send is a send action.
type send struct {
	whole, at    config.Pos
	socket       string
	to           *expand.Text // nil for the kernel
	group        int          // 0 for none
	text         *expand.Text
	data         *expand.Text
	file         *expand.Text
	kind         int // nlmsg_type
	cmd, version int // of genlmsghdr
	flags        []string
	ack          bool
	timeout      time.Duration
	generic      bool // the socket is for a family
}

func (a *send) fields() []config.Field {
	return []config.Field{
		{Name: "netlink", Doc: "the socket, as declared under `netlink`", Value: config.At(&a.at, config.Word(&a.socket, "the name of a socket"))},
		{Name: "to", Doc: "the receiver's port; 0 is the kernel", Default: "0", Value: optionalText(&a.to)},
		{Name: "to_group", Doc: "a multicast group that receives it too", Value: config.Int(&a.group, 1, 32)},
		{Name: "text", Doc: "the payload: on a serial line exactly this, on netlink a C string, whose NUL is sent with it", Value: optionalText(&a.text)},
		{Name: "data", Doc: "or the payload in hex, exactly as it is sent: `01000000 6869`", Value: optionalText(&a.data)},
		{Name: "file", Doc: "without `netlink`: the serial line, as declared under `files`; with it: the path of a file that holds the payload", Value: optionalText(&a.file)},
		{Name: "type", Doc: "nlmsg_type; for a family, the family's number", Default: "16", Value: config.Int(&a.kind, leastType, 1<<16-1)},
		{Name: "cmd", Doc: "the command, for a family of generic netlink", Value: config.Int(&a.cmd, 0, 255)},
		{Name: "version", Doc: "its version", Default: "1", Value: config.Int(&a.version, 0, 255)},
		{Name: "flags", Doc: "flags in addition to NLM_F_REQUEST", Value: config.OneOrMore(&a.flags, func(w *string) config.Value {
			return config.OneOf(w, "echo", "replace", "excl", "create", "append")
		})},
		{Name: "ack", Doc: "wait for the receiver's acknowledgement (NLMSG_ERROR); the action fails if it refuses", Default: "off", Value: config.Bool(&a.ack)},
		{Name: "timeout", Doc: "time limit for earlier messages, the driver's callback and the ack", Default: "1m", Value: config.Duration(&a.timeout)},
	}
}

// optionalText returns the Value that reads a Text that need not be there.
func optionalText(t **expand.Text) config.Value {
	return config.Wrap(expand.Value(new(expand.Text)), func(n config.Node, ps *config.Problems) {
		*t = &expand.Text{}
		expand.Value(*t).Read(n, ps)
	})
}

func (a *send) check(c *Check) Action {
	if a.at.Line == 0 {
		return a.checkLine(c)
	}
	payloads := 0
	for _, t := range []*expand.Text{a.text, a.data, a.file} {
		if t != nil {
			payloads++
		}
	}
	if payloads > 1 {
		c.Problems.Errorf(a.at, "text, data and file: only one can be the payload")
	}
	for _, t := range []*expand.Text{a.to, a.text, a.data, a.file} {
		if t != nil {
			c.Text(*t)
		}
	}
	a.checkLiterals(c)
	if dump := uint16(unix.NLM_F_DUMP); a.flagBits()&dump == dump {
		// A dump is continued by those who read it, under the locks of the
		// kernel's that it needs: that would hold up everything here.
		c.Problems.Errorf(a.at, "replace and excl together are NLM_F_DUMP, which reflexd does not support")
	}
	if a.timeout == 0 {
		c.Problems.Errorf(a.at, "timeout must be more than 0")
	}
	if a.socket != "" {
		a.checkSocket(c)
	}
	return a
}

// checkLiterals complains of texts that nothing fills in and that cannot be
// right.
func (a *send) checkLiterals(c *Check) {
	none := &sources.Event{}
	if a.to != nil && !a.to.HasFields() {
		if _, err := port(a.to.Expand(none)); err != nil {
			c.Problems.Errorf(a.to.Pos, "%v", err)
		}
	}
	if a.data != nil && !a.data.HasFields() {
		if _, err := bytesOf(a.data.Expand(none)); err != nil {
			c.Problems.Errorf(a.data.Pos, "%v", err)
		}
	}
	if a.file != nil && !a.file.HasFields() && !strings.HasPrefix(a.file.Expand(none), "/") {
		c.Problems.Errorf(a.file.Pos, "the path must be absolute, found %q", a.file.String())
	}
}

func (a *send) checkSocket(c *Check) {
	s := c.Netlink.Socket(a.socket)
	if s == nil {
		c.Problems.Errorf(a.at, "no netlink socket %q is declared%s", a.socket, config.Unknown(a.socket, c.Netlink.Names, "netlink: {"+a.socket+": {protocol: …}}"))
		return
	}
	a.generic = s.Family() != ""
	switch {
	case a.generic && a.cmd == unset:
		c.Problems.Errorf(a.at, "a message to the family %s needs its cmd", s.Family())
	case a.generic && a.kind != unset:
		c.Problems.Errorf(a.at, "messages of the family %s have its number as their type; select the command with cmd", s.Family())
	case !a.generic && a.cmd != unset:
		c.Problems.Errorf(a.at, "cmd goes with a family of generic netlink; the socket %s has none", a.socket)
	}
}

// port reads a port.
func port(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%.20q is not a port: 0 for the kernel, or a number of up to 32 bits", s)
	}
	return uint32(n), nil
}

// bytesOf reads hex digits with or without spaces between bytes.
func bytesOf(s string) ([]byte, error) {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		return nil, fmt.Errorf("%.20q is not hex data: write two digits per byte", s)
	}
	return b, nil
}

// Describe implements Action.
func (a *send) Describe(e *sources.Event) string {
	to := "0"
	if a.to != nil {
		to = a.to.Expand(e)
	}
	text := "send to port " + to + " on " + a.socket
	for _, t := range []*expand.Text{a.text, a.data, a.file} {
		if t != nil {
			text += ": " + t.Expand(e)
		}
	}
	return text
}

// Start implements Action.
func (a *send) Start(r *Run) (Pending, error) {
	m := netlink.Message{Group: a.group, Type: leastType, Flags: a.flagBits(), Ack: a.ack, Timeout: a.timeout}
	if a.kind != unset {
		m.Type = uint16(a.kind)
	}
	if a.generic {
		m.Cmd, m.Version = byte(a.cmd), byte(a.version)
	}
	if a.to != nil {
		n, err := port(a.to.Expand(r.Event))
		if err != nil {
			return nil, fmt.Errorf("send on netlink socket %s: %w", a.socket, err)
		}
		m.To = n
	}
	m.Payload = a.payload(r.Event)
	p, err := r.Env.Netlink.Send(a.socket, m, r.Finish)
	if err != nil {
		return nil, err
	}
	return sending{p}, nil
}

// payload returns what makes the payload, beside the loop.
func (a *send) payload(e *sources.Event) func() ([]byte, error) {
	switch {
	case a.text != nil:
		text := append([]byte(a.text.Expand(e)), 0)
		return func() ([]byte, error) { return text, nil }
	case a.data != nil:
		data := a.data.Expand(e)
		return func() ([]byte, error) { return bytesOf(data) }
	case a.file != nil:
		path := a.file.Expand(e)
		return func() ([]byte, error) { return readPayload(path) }
	}
	return func() ([]byte, error) { return nil, nil }
}

// readPayload reads a file that must not be too large for a message.
func readPayload(path string) ([]byte, error) {
	f, err := regular.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, errors.Unwrap(err))
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, mostPayload+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if len(b) > mostPayload {
		return nil, fmt.Errorf("read %s: %w", path, unix.EMSGSIZE)
	}
	return b, nil
}

func (a *send) flagBits() uint16 {
	bits := uint16(unix.NLM_F_REQUEST)
	for _, word := range a.flags {
		switch word {
		case "echo":
			bits |= unix.NLM_F_ECHO
		case "replace":
			bits |= unix.NLM_F_REPLACE
		case "excl":
			bits |= unix.NLM_F_EXCL
		case "create":
			bits |= unix.NLM_F_CREATE
		case "append":
			bits |= unix.NLM_F_APPEND
		}
	}
	return bits
}

// sending is a message under way.
type sending struct{ *netlink.Sending }

// Stop implements Pending.
func (s sending) Stop() (gone bool) { return s.Cancel() }
