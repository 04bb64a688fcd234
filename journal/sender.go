// SPDX-License-Identifier: MIT

// Sending: a datagram for each line.

package journal

import (
	"bytes"
	"fmt"
	"io"
	"time"

	"golang.org/x/sys/unix"
)

// Sender sends lines of the log, each as a datagram. Write blocks while the receiver
// does not read, so it is not for the loop's thread.
type Sender struct {
	path     string
	fd       int // -1 while nobody listens
	encode   func(b []byte, e *entry, now time.Time) []byte
	large    func(fd int, data []byte) error
	fallback io.Writer // gets what nobody receives

	entry  entry
	packet []byte
}

// connect opens the socket.
func (s *Sender) connect() error {
	s.fd = -1
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open a socket: %w", err)
	}
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: s.path}); err != nil {
		unix.Close(fd)
		return fmt.Errorf("connect to %s: %w", s.path, err)
	}
	s.fd = fd
	return nil
}

// Write sends whole lines. What cannot be sent goes to the fallback; if that does not
// take it either, Write returns how many bytes of lines are out.
func (s *Sender) Write(lines []byte) (int, error) {
	for done := 0; done < len(lines); {
		end := bytes.IndexByte(lines[done:], '\n')
		if end < 0 {
			end = len(lines) - done - 1
		}
		line := lines[done : done+end+1]
		if err := s.send(line); err != nil {
			if _, err := s.fallback.Write(line); err != nil {
				return done, err
			}
		}
		done += len(line)
	}
	return len(lines), nil
}

// send sends one line, to a receiver that was started again, too.
func (s *Sender) send(line []byte) error {
	s.entry.parse(line)
	s.packet = s.encode(s.packet[:0], &s.entry, time.Now())
	if s.fd >= 0 {
		if err := s.transmit(); err == nil {
			return nil
		}
		unix.Close(s.fd)
	}
	if err := s.connect(); err != nil {
		return err
	}
	return s.transmit()
}

func (s *Sender) transmit() error {
	for {
		err := unix.Sendto(s.fd, s.packet, unix.MSG_NOSIGNAL, nil)
		switch err {
		case unix.EINTR:
		case unix.EMSGSIZE, unix.ENOBUFS:
			return s.large(s.fd, s.packet)
		default:
			return err
		}
	}
}

// Close closes the socket.
func (s *Sender) Close() {
	if s.fd >= 0 {
		unix.Close(s.fd)
		s.fd = -1
	}
}
