// SPDX-License-Identifier: MIT

// Conn: one connection, requests and their answers.

package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Patience is how long a Conn waits for an answer, unless its field says
// otherwise.
const Patience = 10 * time.Second

// Conn is a connection to the agent. It serves one request at a time; only
// Close may be called while another method runs.
type Conn struct {
	// Patience is how long the agent may take for an answer, or the next part
	// of one.
	Patience time.Duration

	path string
	file *os.File
	buf  []byte
}

// Dial connects to the agent whose socket is at path, "" for DefaultPath. It
// fails if no agent runs there, or one that this user has no reason to believe.
func Dial(path string) (*Conn, error) { return dial(path, Patience) }

// errLong is the error of CheckPath. See unix(7): the address has 108 bytes, with a NUL at the end.
var errLong = errors.New("the path of a socket has at most 107 bytes")

// CheckPath returns an error if no socket can be at path.
func CheckPath(path string) error {
	if len(path) > 107 {
		return errLong
	}
	return nil
}

// longestConnect is how long a client waits in line for the agent to take it.
const longestConnect = 10 * time.Second

func dial(path string, patience time.Duration) (*Conn, error) {
	if path == "" {
		path = DefaultPath()
	}
	if err := CheckPath(path); err != nil {
		return nil, fmt.Errorf("connect to the agent at %s: %w", path, err)
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("create socket: %w", err)
	}
	// connect(2) waits for its turn in line for so long, if it may block.
	connecting := unix.NsecToTimeval(min(patience, longestConnect).Nanoseconds())
	err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &connecting)
	if err == nil {
		err = uninterrupted(func() error { return unix.Connect(fd, &unix.SockaddrUnix{Name: path}) })
	}
	if err == nil {
		err = CheckServer(fd)
	}
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err == nil {
		return &Conn{Patience: patience, path: path, file: os.NewFile(uintptr(fd), path), buf: make([]byte, MaxPacket)}, nil
	}
	unix.Close(fd)
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ECONNREFUSED):
		return nil, fmt.Errorf("no agent is running (nothing listens on %s)", path)
	case errors.Is(err, unix.EACCES):
		return nil, fmt.Errorf("%w: the agent at %s gives this user no role; `control: allow` in its configuration does", ErrDenied, path)
	case errors.Is(err, unix.EAGAIN):
		return nil, fmt.Errorf("the agent at %s does not answer: too many other clients are waiting", path)
	}
	return nil, fmt.Errorf("connect to the agent at %s: %w", path, err)
}

// uninterrupted makes a call again that a signal interrupted: the runtime
// sends its own threads some, and the kernel does not restart calls on a
// socket with a timeout (signal(7)).
func uninterrupted(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

// Close ends the connection, and any call that waits for the agent.
func (c *Conn) Close() error { return c.file.Close() }

// Call connects to the agent at path, as Dial does, has r answered within patience, and
// stores the result in result, a pointer, or nil.
func Call(path string, r Request, result any, patience time.Duration) error {
	c, err := dial(path, patience)
	if err != nil {
		return err
	}
	defer c.Close()
	return c.Do(r, result)
}

// Do sends r and stores its result in result, a pointer, or nil. It fails if
// the agent answers with an error, or not within c.Patience.
func (c *Conn) Do(r Request, result any) error {
	r.Version = Version
	packet, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := c.file.SetWriteDeadline(time.Now().Add(c.Patience)); err != nil {
		return fmt.Errorf("ask the agent at %s: %w", c.path, err)
	}
	if _, err := c.file.Write(packet); err != nil && !errors.Is(err, unix.EPIPE) { // rejected: the answer says why
		return fmt.Errorf("ask the agent at %s: %w", c.path, err)
	}
	text, err := c.receive()
	if err != nil {
		return err
	}
	return c.take(text, result)
}

// ask is Do for a verb whose arguments are a value.
func (c *Conn) ask(verb, name string, arguments, result any) error {
	r := Request{Verb: verb, Name: name}
	if arguments != nil {
		var err error
		if r.Arguments, err = json.Marshal(arguments); err != nil {
			return err
		}
	}
	return c.Do(r, result)
}

// receive returns the text of one answer, whose parts it puts together. The
// text is valid until the next call.
func (c *Conn) receive() ([]byte, error) {
	var whole strings.Builder
	for {
		if err := c.file.SetReadDeadline(time.Now().Add(c.Patience)); err != nil {
			return nil, err
		}
		packet, err := c.packet()
		if err != nil {
			return nil, err
		}
		var a Answer
		if err := json.Unmarshal(packet, &a); err != nil {
			return nil, fmt.Errorf("decode the answer of the agent at %s: %w", c.path, err)
		}
		if a.Part == "" {
			return packet, nil // whole, or the error that ends the parts
		}
		if whole.WriteString(a.Part); a.Last {
			return []byte(whole.String()), nil
		}
	}
}

// packet reads one packet.
func (c *Conn) packet() ([]byte, error) {
	n, err := c.file.Read(c.buf)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, fmt.Errorf("the agent at %s does not answer", c.path)
	case err == io.EOF, errors.Is(err, unix.ECONNRESET):
		return nil, fmt.Errorf("the agent at %s closed the connection", c.path)
	case err != nil:
		return nil, fmt.Errorf("read the answer of the agent at %s: %w", c.path, err)
	}
	return c.buf[:n], nil
}

// take stores the result of the answer text, or returns its error.
func (c *Conn) take(text []byte, result any) error {
	var a Answer
	if err := json.Unmarshal(text, &a); err != nil {
		return fmt.Errorf("decode the answer of the agent at %s: %w", c.path, err)
	}
	if err := a.failure(); err != nil || result == nil {
		return err
	}
	if err := json.Unmarshal(a.Result, result); err != nil {
		return fmt.Errorf("decode the answer of the agent at %s: %w", c.path, err)
	}
	return nil
}

// failure returns the error that a reports, nil for none.
func (a *Answer) failure() error {
	kinds := map[string]error{CodeConfiguration: ErrConfiguration, CodeDenied: ErrDenied, CodeBusy: ErrBusy, CodeAbsent: ErrAbsent}
	kind := kinds[a.Code]
	switch {
	case a.Error == "":
		return nil
	case a.Wrong: // an agent from before there were codes
		kind = ErrConfiguration
	}
	if kind == nil {
		return errors.New(a.Error)
	}
	return &failure{kind, a.Error}
}

// failure is an error of the agent of a kind, in the agent's words.
type failure struct {
	kind error
	text string
}

func (f *failure) Error() string { return f.text }
func (f *failure) Unwrap() error { return f.kind }
