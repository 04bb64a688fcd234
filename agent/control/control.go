// SPDX-License-Identifier: MIT

// Package control is the socket by which `reflexd status`, `reload` and the
// like talk to the running agent: a unix(7) socket of type SOCK_SEQPACKET, on
// which each packet is one JSON object, one answer to one request.
package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/sources"
)

const (
	// maxRequest bounds a request; a longer packet is refused.
	maxRequest = 4 << 10
	// maxAnswer bounds an answer, and is the socket's send buffer.
	maxAnswer = 512 << 10
	// maxClients may be connected at a time; the next one waits in the
	// kernel's backlog.
	maxClients = 16
	// longestSilence is how long a client may say nothing before it is sent
	// away.
	longestSilence = 10 * time.Second
)

// Request is what a client asks.
type Request struct {
	Verb string `json:"verb"`
	Name string `json:"name,omitempty"` // of what the verb is about
	// Arguments are what the verb takes, in a form of its own.
	Arguments json.RawMessage `json:"arguments,omitempty"`
}

// Answer is what it is told.
type Answer struct {
	Error  string          `json:"error,omitempty"`
	Wrong  bool            `json:"wrong,omitempty"` // the configuration is wrong: ErrConfiguration
	Result json.RawMessage `json:"result,omitempty"`
}

// ErrConfiguration says that a request failed because the configuration has
// mistakes. It survives the way through the socket.
var ErrConfiguration = errors.New("the configuration has mistakes")

// Handler answers a request by calling reply once, now or later, on the
// loop's thread. result is sent as JSON.
type Handler func(r Request, reply func(result any, err error))

// Server serves the socket.
type Server struct {
	loop    sources.Loop
	log     *slog.Logger
	path    string
	handle  Handler
	lock    *lock
	fd      int
	bound   unix.Stat_t // the socket's name when it was made
	watch   sources.Watch
	spare   int           // a descriptor to let go of when there are no more; -1 for none
	retry   sources.Timer // nil unless nobody is accepted for a while
	crowded bool          // there were none for the last client
	clients map[*client]bool
	// silence is how long a client may say nothing: the places are few.
	silence time.Duration
}

// Listen binds the socket at path, mode 0600. A socket that nobody listens on
// any more is replaced; one that a running agent has is an error.
func Listen(l sources.Loop, path string, log *slog.Logger, handle Handler) (*Server, error) {
	s := &Server{loop: l, log: log, path: path, handle: handle, spare: -1, clients: map[*client]bool{}, silence: longestSilence}
	lock, err := takeLock(path + ".lock")
	if err == nil {
		s.lock = lock
		if err = s.listen(); err != nil {
			lock.release()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("control socket %s: %w", path, err)
	}
	return s, nil
}

func (s *Server) listen() error {
	if err := removeStale(s.path); err != nil {
		return err
	}
	fd, err := socket()
	if err != nil {
		return err
	}
	// The mode that it has before it has a name is that of the name.
	err = unix.Fchmod(fd, 0o600)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrUnix{Name: s.path})
	}
	if err == nil {
		err = unix.Lstat(s.path, &s.bound)
	}
	if err == nil {
		err = unix.Listen(fd, maxClients)
	}
	if err == nil {
		s.watch, err = s.loop.Watch(fd, unix.EPOLLIN, s.accept)
	}
	if err != nil {
		unix.Close(fd)
		return err
	}
	s.fd = fd
	s.keepSpare()
	return nil
}

func socket() (int, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, err
	}
	return fd, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, maxAnswer)
}

// removeStale removes the socket at path if nobody listens on it.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode()&os.ModeSocket == 0:
		return errors.New("a file that is not a socket is in its place")
	}
	fd, err := socket()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	switch err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); {
	case err == nil:
		if err := checkServer(fd); err != nil {
			return err
		}
		return errRunning
	case errors.Is(err, unix.EAGAIN):
		return errRunning
	case errors.Is(err, unix.ECONNREFUSED):
		return os.Remove(path)
	default:
		return err
	}
}

// Close closes the socket and all connections, and removes the socket's name
// if it is still ours.
func (s *Server) Close() {
	s.watch.Close()
	unix.Close(s.fd)
	if s.spare >= 0 {
		unix.Close(s.spare)
	}
	sources.StopTimer(&s.retry)
	var named unix.Stat_t
	if unix.Lstat(s.path, &named) == nil && named.Dev == s.bound.Dev && named.Ino == s.bound.Ino {
		os.Remove(s.path)
	}
	s.lock.release()
	for c := range s.clients {
		c.close()
	}
}

func (s *Server) accept(uint32) {
	fd, _, err := unix.Accept4(s.fd, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
	switch err {
	case nil:
		s.crowded = false
	case unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM:
		s.reject(err)
		return
	default:
		return // gone again
	}
	peer, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil || peer.Uid != 0 && int(peer.Uid) != os.Geteuid() {
		s.log.Warn("control socket: refused", "peer", peer)
		unix.Close(fd)
		return
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, maxAnswer); err != nil {
		s.log.Debug("control socket: small send buffer", "error", err)
	}
	c := &client{server: s, fd: fd}
	c.wait()
	if c.watch, err = s.loop.Watch(fd, unix.EPOLLIN, c.ready); err != nil {
		c.heard()
		s.log.Error("control socket", "error", err)
		unix.Close(fd)
		return
	}
	s.clients[c] = true
	s.limit()
}

// keepSpare opens the spare descriptor. Without one, nobody can be accepted to
// be sent away when there are no more.
func (s *Server) keepSpare() {
	fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		fd = -1
	}
	s.spare = fd
}

// retryPeriod is how long nobody is accepted after there was no descriptor.
const retryPeriod = time.Second

// reject answers a client for whom there is no descriptor with the reason.
// It would stay in line otherwise, and the socket ready for ever.
func (s *Server) reject(reason error) {
	if !s.crowded {
		s.log.Error("control socket: clients are rejected", "error", reason)
	}
	s.crowded = true
	if s.spare >= 0 {
		unix.Close(s.spare)
		if fd, _, err := unix.Accept4(s.fd, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK); err == nil {
			packet, _ := json.Marshal(Answer{Error: fmt.Sprintf("the agent cannot answer now: %v", reason)})
			_ = unix.Sendto(fd, packet, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT, nil)
			unix.Close(fd)
		}
		s.keepSpare()
	}
	if s.spare < 0 && s.retry == nil {
		s.retry = s.loop.After(retryPeriod, func() {
			s.retry = nil
			s.keepSpare()
			s.limit()
		})
		s.limit()
	}
}

// limit accepts nobody while all places are taken, or there is no descriptor.
func (s *Server) limit() {
	events := uint32(unix.EPOLLIN)
	if len(s.clients) >= maxClients || s.retry != nil {
		events = 0
	}
	if err := s.watch.Events(events); err != nil {
		s.log.Debug("control socket", "error", err)
	}
}

// client is one connection.
type client struct {
	server *Server
	fd     int
	watch  sources.Watch
	closed bool
	busy   bool          // a request is being answered
	idle   sources.Timer // ends it; nil while it is busy
}

// wait gives the client its time to say something.
func (c *client) wait() { c.idle = c.server.loop.After(c.server.silence, c.hangUp) }

func (c *client) heard() {
	sources.StopTimer(&c.idle)
}

func (c *client) close() {
	if c.closed {
		return
	}
	c.closed = true
	c.heard()
	c.watch.Close()
	unix.Close(c.fd)
	delete(c.server.clients, c)
}

func (c *client) hangUp() {
	c.close()
	c.server.limit()
}

// ready reads one request. While it is answered, the next one waits.
func (c *client) ready(events uint32) {
	if c.busy {
		c.hangUp() // gone before its answer
		return
	}
	var buf [maxRequest + 1]byte
	n, err := unix.Read(c.fd, buf[:])
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
		return
	case err != nil || n == 0:
		c.hangUp()
		return
	}
	c.heard()
	var r Request
	if n > maxRequest {
		err = fmt.Errorf("a request of more than %d bytes", maxRequest)
	} else {
		err = json.Unmarshal(buf[:n], &r)
	}
	if err != nil {
		c.reply(nil, fmt.Errorf("decode the request: %w", err))
		return
	}
	c.busy = true
	if err := c.watch.Events(0); err != nil {
		c.server.log.Debug("control socket", "error", err)
	}
	c.server.handle(r, c.reply)
}

func (c *client) reply(result any, failure error) {
	if c.closed {
		return
	}
	var a Answer
	var err error
	if failure != nil {
		a.Error, a.Wrong = failure.Error(), errors.Is(failure, ErrConfiguration)
	}
	if result != nil {
		a.Result, err = json.Marshal(result)
	}
	if err != nil {
		a = Answer{Error: err.Error()}
	}
	packet, err := json.Marshal(a)
	if err == nil && len(packet) > maxAnswer/2 {
		packet, err = json.Marshal(Answer{Error: fmt.Sprintf("the answer is %d bytes long, more than a packet can hold", len(packet))})
	}
	if err == nil {
		err = unix.Sendto(c.fd, packet, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT, nil)
	}
	if err == nil {
		c.busy = false
		c.heard()
		c.wait()
		err = c.watch.Events(unix.EPOLLIN)
	}
	if err != nil {
		c.server.log.Debug("control socket: answer not sent", "error", err)
		c.hangUp()
	}
}
