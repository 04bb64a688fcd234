// SPDX-License-Identifier: MIT

// conn: one client, its requests and their answers.

package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"reflexd/client"
	"reflexd/sources"
)

// conn is one connection.
type conn struct {
	server *Server
	fd     int
	peer   Peer
	role   Role
	watch  sources.Watch
	closed bool
	busy   bool          // a request is being answered
	idle   sources.Timer // ends it; nil while the agent works for it, or it watches

	text   *Encoded // the answer that is being sent; nil for none
	rest   []byte   // what is left of it
	packed bool     // rest goes in parts
	watching
}

// Request is what a client asks.
type Request struct {
	client.Request
	From Peer
	Role Role // of From, when it asked
}

// Encoded is an answer that was made in advance: by any thread, and perhaps for
// several clients.
type Encoded struct {
	text  []byte
	users int // of the text, on the loop's thread
}

// Encode returns the answer with result. Any thread may call it.
func Encode(result any) *Encoded {
	return encode(result, nil)
}

func encode(result any, failure error) *Encoded {
	var a client.Answer
	var err error
	if failure != nil {
		a.Error, a.Code, a.Wrong = failure.Error(), codeOf(failure), errors.Is(failure, client.ErrConfiguration)
	}
	if result != nil && failure == nil {
		a.Result, err = marshal(result)
	}
	if err != nil {
		a = client.Answer{Error: err.Error()}
	}
	text, err := marshal(a)
	if err != nil {
		text = []byte(`{"error":"the answer cannot be encoded"}`)
	}
	return &Encoded{text: text}
}

// marshal is json.Marshal, but leaves <, > and & as they are, which would take
// six times the room.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

func codeOf(err error) string {
	for _, known := range []struct {
		err  error
		code string
	}{{client.ErrConfiguration, client.CodeConfiguration}, {client.ErrDenied, client.CodeDenied}, {client.ErrBusy, client.CodeBusy}, {client.ErrAbsent, client.CodeAbsent}, {errVersion, client.CodeVersion}} {
		if errors.Is(err, known.err) {
			return known.code
		}
	}
	return ""
}

var errVersion = errors.New("unknown version of the protocol")

// wait gives the client its time to say something, or to read its answer.
func (c *conn) wait() {
	sources.StopTimer(&c.idle)
	c.idle = c.server.loop.After(c.server.silence, c.silent)
}

// silent sends the client away, unless its request is there and waits for its
// turn.
func (c *conn) silent() {
	fds := []unix.PollFd{{Fd: int32(c.fd), Events: unix.POLLIN}}
	if n, err := unix.Poll(fds, 0); c.text == nil && err == nil && n > 0 && fds[0].Revents == unix.POLLIN {
		c.wait()
		return
	}
	c.hangUp()
}

// limitBuffer limits what the kernel holds for the client.
func (c *conn) limitBuffer(size int) {
	if err := unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_SNDBUF, size); err != nil {
		c.server.log.Debug("control socket: send buffer", "error", err)
	}
}

func (c *conn) close() {
	if c.closed {
		return
	}
	c.closed = true
	sources.StopTimer(&c.idle)
	c.drop()
	if c.streams() {
		c.server.feed.leave(c)
	}
	c.watch.Close()
	unix.Close(c.fd)
	delete(c.server.conns, c)
	c.server.countUser(&c.peer, -1)
	if c.bridge != nil {
		c.bridge.Gone()
	}
}

func (c *conn) hangUp() {
	c.close()
	c.server.limit()
}

// listen changes what the client's socket is watched for.
func (c *conn) listen(events uint32) {
	if err := c.watch.Events(events); err != nil {
		c.server.log.Debug("control socket", "error", err)
	}
}

// ready reads one request, or goes on with what is being sent. While a request
// is answered, the next one waits.
func (c *conn) ready(events uint32) {
	switch gone := events&(unix.EPOLLHUP|unix.EPOLLERR) != 0; {
	case c.text != nil && !gone:
		c.flush()
		return
	case c.busy:
		c.hangUp() // gone before its answer
		return
	case c.full && events&unix.EPOLLOUT != 0:
		c.full = false
		c.listen(unix.EPOLLIN)
		c.server.feed.schedule()
		return
	case !c.server.admits():
		return // at the next wake-up
	}
	c.read()
}

// read reads one request.
func (c *conn) read() {
	buf := c.server.buffer[:]
	n, err := unix.Read(c.fd, buf)
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
		return
	case err != nil || n == 0:
		c.hangUp()
		return
	case c.streams():
		c.refuse(errors.New("this connection watches: use another one for requests"))
		return
	}
	sources.StopTimer(&c.idle)
	c.busy = true
	r := Request{From: c.peer, Role: c.role}
	if n > client.MaxRequest {
		err = fmt.Errorf("a request of more than %d bytes", client.MaxRequest)
	} else {
		err = json.Unmarshal(buf[:n], &r.Request)
	}
	switch {
	case err != nil:
		c.reply(nil, fmt.Errorf("decode the request: %w", err))
	case r.Version > client.Version || r.Version < 0:
		c.reply(nil, fmt.Errorf("%w: %d; this agent knows version %d", errVersion, r.Version, client.Version))
	default:
		c.packed = r.Version > 0
		c.listen(0)
		c.server.handle(r, c.reply)
	}
}

// refuse sends an error that was not asked for, and hangs up.
func (c *conn) refuse(err error) {
	_ = unix.Sendto(c.fd, encode(nil, err).text, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT, nil)
	c.hangUp()
}

// reply implements what Handler is given.
func (c *conn) reply(result any, failure error) {
	if c.closed || c.text != nil {
		return
	}
	if f, ok := result.(*client.Filter); ok && failure == nil {
		c.filter = f
		result = client.Notice{Type: "watching", Version: client.Version}
	}
	if b, ok := result.(*Stream); ok && failure == nil {
		c.bridge = b
		result = b.Result
	}
	text, ok := result.(*Encoded)
	if !ok || failure != nil {
		text = encode(result, failure)
	}
	if !c.hold(text) {
		text = encode(nil, fmt.Errorf("%w: other clients have not read their answers", client.ErrBusy))
		c.hold(text)
	}
	c.flush()
}

// mostHeld bounds the answers that wait for their readers, in bytes; one that is
// larger is sent if no other waits.
const mostHeld = 8 << 20

// hold makes text the answer that is being sent, if there is room for it.
func (c *conn) hold(text *Encoded) bool {
	s := c.server
	if text.users == 0 {
		if small := len(text.text) <= client.MaxPacket; !small && s.held > 0 && s.held+len(text.text) > mostHeld {
			return false
		}
		s.held += len(text.text)
	}
	text.users++
	c.text, c.rest = text, text.text
	return true
}

// drop lets go of the answer.
func (c *conn) drop() {
	if c.text == nil {
		return
	}
	if c.text.users--; c.text.users == 0 {
		c.server.held -= len(c.text.text)
	}
	c.text, c.rest = nil, nil
}

// burst is how many packets of an answer are sent in one go.
const burst = 8

// flush sends some of the answer. When all of it is sent, the client may ask
// again, or watches.
func (c *conn) flush() {
	for range burst {
		packet, n, err := c.packet()
		if err == nil {
			err = unix.Sendto(c.fd, packet, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT, nil)
		}
		switch {
		case err == unix.EAGAIN:
			c.pause()
			return
		case err != nil:
			c.server.log.Debug("control socket: answer not sent", "error", err)
			c.hangUp()
			return
		}
		if c.rest = c.rest[n:]; len(c.rest) == 0 {
			c.sent()
			return
		}
		c.wait() // it reads
	}
	c.pause()
}

// pause waits until there is room for more of the answer.
func (c *conn) pause() {
	if c.idle == nil {
		c.wait()
	}
	c.listen(unix.EPOLLOUT)
}

func (c *conn) sent() {
	c.drop()
	c.busy = false
	if c.streams() {
		sources.StopTimer(&c.idle)
		c.limitBuffer(streamBuffer)
		f := &c.server.feed
		c.begin(f)
		f.watchers = append(f.watchers, c)
		if c.bridge != nil {
			c.bridge.Begun()
		}
	} else {
		c.wait()
	}
	c.listen(unix.EPOLLIN)
}

// mostPart is how much of an answer one packet holds: quoted, it is at most
// twice as long.
const mostPart = client.MaxPacket/2 - 64

// packet returns the next packet of the answer, and how much of rest it holds.
func (c *conn) packet() (packet []byte, n int, err error) {
	whole := len(c.rest) == len(c.text.text)
	switch {
	case whole && len(c.rest) <= client.MaxPacket:
		return c.rest, len(c.rest), nil
	case !c.packed:
		packet = encode(nil, fmt.Errorf("the answer is %d bytes long, more than a packet can hold: the request has no version", len(c.text.text))).text
		return packet, len(c.rest), nil
	}
	n = min(mostPart, len(c.rest))
	for n < len(c.rest) && !utf8.RuneStart(c.rest[n]) {
		n--
	}
	packet, err = marshal(client.Answer{Part: string(c.rest[:n]), Last: n == len(c.rest)})
	return packet, n, err
}
