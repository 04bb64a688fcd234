// SPDX-License-Identifier: MIT

// Package control is the server of the control socket, by which scripts and
// `reflexd status`, `set` and the like talk to the running agent. The protocol
// is that of package client.
package control

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/client"
	"reflexd/sources"
)

const (
	// answerBuffer and streamBuffer are the buffers of the sockets of clients
	// that ask and of those that watch: what the kernel holds of what they do
	// not read is at most twice this, and a packet. Those that ask are soon sent
	// away.
	answerBuffer = 4 * client.MaxPacket
	streamBuffer = client.MaxPacket
	// maxClients may be connected at a time; the next one waits in the
	// kernel's backlog. Users other than root and our own can have a quarter of
	// the places each, and three quarters together.
	maxClients = 1024
	backlog    = 128
	// longestSilence is how long a client may say nothing, or not read its
	// answer, before it is sent away. One that watches may.
	longestSilence = 10 * time.Second
)

// Handler answers a request by calling reply once, now or later, on the
// loop's thread. result is sent as JSON; an *Encoded is sent as it is, a
// *client.Filter makes the client one that watches, and a *Stream the bridge.
type Handler func(r Request, reply func(result any, err error))

// Server serves the socket. All its methods are for the loop's thread.
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
	policy  *Policy
	conns   map[*conn]bool
	most    int                      // how many conns there may be
	users   map[uint32]int           // conns by user
	others  int                      // conns of users other than root and our own
	refused map[uint32]time.Duration // when a refusal was logged last, by user
	feed    feed
	held    int           // bytes of answers that wait for their readers
	served  bool          // a request, since the last wake-up
	next    sources.Timer // resets served
	// silence is how long a client may say nothing: the places are few.
	silence time.Duration
	buffer  [client.MaxRequest + 1]byte
}

// Listen binds the socket at path, for root and our own user alone until Use
// lets others in. A socket that nobody listens on any more is replaced; one that
// a running agent has is an error.
func Listen(l sources.Loop, path string, log *slog.Logger, handle Handler) (*Server, error) {
	s := &Server{loop: l, log: log, path: path, handle: handle, spare: -1, policy: &Policy{}, feed: feed{loop: l},
		conns: map[*conn]bool{}, users: map[uint32]int{}, refused: map[uint32]time.Duration{}, most: places(), silence: longestSilence}
	err := client.CheckPath(path)
	if err == nil {
		s.lock, err = takeLock(path + ".lock")
	}
	if err == nil {
		if err = s.listen(); err != nil {
			s.lock.release()
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
		err = unix.Listen(fd, backlog)
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
	return unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
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
		if err := client.CheckServer(fd); err != nil {
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
	if s.named() {
		os.Remove(s.path)
	}
	s.lock.release()
	for c := range s.conns {
		c.close()
	}
	sources.StopTimer(&s.next)
}

func (s *Server) accept(uint32) {
	fd, _, err := unix.Accept4(s.fd, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
	switch err {
	case nil:
		s.crowded = false
	case unix.EAGAIN, unix.EINTR, unix.ECONNABORTED: // gone again
		return
	default:
		s.reject(err)
		return
	}
	peer, err := peerOf(fd)
	if err != nil {
		s.log.Error("control socket", "error", err)
		unix.Close(fd)
		return
	}
	if err := s.admit(fd, peer); err != nil {
		_ = unix.Sendto(fd, encode(nil, err).text, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT, nil)
		unix.Close(fd)
	}
}

// admit makes the peer a client, unless it may ask nothing, or its user has too
// many already.
func (s *Server) admit(fd int, peer Peer) error {
	role := s.policy.Of(&peer)
	if role == None {
		s.logRefusal(&peer, "connect", Read, role)
		return fmt.Errorf("%w: the control socket needs the role read, and user %d has no role (control: allow)", client.ErrDenied, peer.Uid)
	}
	if most := s.most / 4; !trusted(&peer) && (s.users[peer.Uid] >= most || s.others >= 3*most) {
		return fmt.Errorf("%w: user %d has %d connections, and others %d", client.ErrBusy, peer.Uid, s.users[peer.Uid], len(s.conns)-s.users[peer.Uid])
	}
	c := &conn{server: s, fd: fd, peer: peer, role: role}
	c.limitBuffer(answerBuffer)
	var err error
	if c.watch, err = s.loop.Watch(fd, unix.EPOLLIN, c.ready); err != nil {
		s.log.Error("control socket", "error", err)
		return err
	}
	c.wait()
	s.conns[c] = true
	s.countUser(&peer, 1)
	s.limit()
	return nil
}

// places is how many clients there may be: at most half of the descriptors that
// we may have.
func places() int {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return maxClients
	}
	return int(min(maxClients, max(16, l.Cur/2)))
}

// countUser keeps count of the connections of a user.
func (s *Server) countUser(p *Peer, change int) {
	if s.users[p.Uid] += change; s.users[p.Uid] == 0 {
		delete(s.users, p.Uid)
	}
	if !trusted(p) {
		s.others += change
	}
}

// admits reports whether a request may be read now: one a wake-up, so that a
// flood of them leaves room for everything else.
func (s *Server) admits() bool {
	if s.served {
		return false
	}
	s.served = true
	s.next = s.loop.After(0, func() { s.served, s.next = false, nil })
	return true
}

// Authorise returns an error unless the role of who asks includes needs. It
// logs the refusal.
func (s *Server) Authorise(r *Request, needs Role) error {
	if needs == Bridge && s.Bridges(r) || needs != Bridge && r.Role >= needs {
		return nil
	}
	s.logRefusal(&r.From, r.Verb, needs, r.Role)
	return fmt.Errorf("%w: %s needs the role %v, and user %d has %v (control: allow)", client.ErrDenied, r.Verb, needs, r.From.Uid, r.Role)
}

// Bridges reports whether the role bridge is among those of who asks.
func (s *Server) Bridges(r *Request) bool { return s.policy.Bridges(&r.From) }

const (
	// refusalPeriod is how often refusals of a user are logged, mostRefused for
	// how many users this is known.
	refusalPeriod = time.Minute
	mostRefused   = 1000
)

func (s *Server) logRefusal(p *Peer, verb string, needs, has Role) {
	now := s.loop.Now()
	if last, ok := s.refused[p.Uid]; ok && now-last < refusalPeriod {
		return
	}
	if len(s.refused) >= mostRefused {
		clear(s.refused)
	}
	s.refused[p.Uid] = now
	s.log.Warn("control socket: refused", "uid", p.Uid, "pid", p.Pid, "verb", verb, "needs", needs.String(), "has", has.String())
}

// Use makes p the policy in force, for clients that are connected too: those
// who lose their role are sent away.
func (s *Server) Use(p *Policy) {
	s.policy = p
	if err := s.open(p.access()); err != nil {
		s.log.Error("control socket: its permissions do not follow `control`", "error", err)
	}
	for c := range s.conns {
		c.role = p.Of(&c.peer)
		if c.role == None || c.filter != nil && c.role < Read || c.bridge != nil && !p.Bridges(&c.peer) {
			c.refuse(fmt.Errorf("%w: user %d has no role any more", client.ErrDenied, c.peer.Uid))
		}
	}
}

// open gives the socket's name the mode and the group; -1 is our own. Who
// cannot give it to the group opens it to all: accept looks who comes.
func (s *Server) open(mode uint32, gid int) error {
	if !s.named() {
		return fmt.Errorf("another file is at %s", s.path)
	}
	if gid < 0 {
		gid = os.Getegid()
	}
	if err := os.Chmod(s.path, 0o600); err != nil {
		return err
	}
	if err := os.Lchown(s.path, -1, gid); err != nil && mode == 0o660 {
		s.log.Warn("control socket: it is open to all users, of whom those without a role are sent away", "error", err)
		mode = 0o666
	}
	return os.Chmod(s.path, os.FileMode(mode))
}

// named reports whether the socket's name is still ours.
func (s *Server) named() bool {
	var st unix.Stat_t
	return unix.Lstat(s.path, &st) == nil && st.Dev == s.bound.Dev && st.Ino == s.bound.Ino
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

// retryPeriod is how long nobody is accepted after nobody could be.
const retryPeriod = time.Second

// reject answers a client who cannot be accepted, mostly since there is no
// descriptor, with the reason. It would stay in line otherwise, and the socket
// ready for ever.
func (s *Server) reject(reason error) {
	if !s.crowded {
		s.log.Error("control socket: clients are rejected", "error", reason)
	}
	s.crowded = true
	answered := false
	if s.spare >= 0 {
		unix.Close(s.spare)
		if fd, _, err := unix.Accept4(s.fd, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK); err == nil {
			_ = unix.Sendto(fd, encode(nil, fmt.Errorf("%w: %v", client.ErrBusy, reason)).text, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT, nil)
			unix.Close(fd)
			answered = true
		}
		s.keepSpare()
	}
	if (s.spare < 0 || !answered) && s.retry == nil {
		s.retry = s.loop.After(retryPeriod, func() {
			s.retry = nil
			if s.spare < 0 {
				s.keepSpare()
			}
			s.limit()
		})
		s.limit()
	}
}

// limit accepts nobody while all places are taken, or there is no descriptor.
func (s *Server) limit() {
	events := uint32(unix.EPOLLIN)
	if len(s.conns) >= s.most || s.retry != nil {
		events = 0
	}
	if err := s.watch.Events(events); err != nil {
		s.log.Debug("control socket", "error", err)
	}
}
