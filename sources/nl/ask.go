// SPDX-License-Identifier: MIT

// Requests to the kernel and its answers.

package nl

import (
	"errors"
	"fmt"
	"iter"
	"os"

	"golang.org/x/sys/unix"
)

// Answer is what a message of type NLMSG_ERROR says: struct nlmsgerr, and the
// text of an extended ack.
type Answer struct {
	Errno unix.Errno // 0: the request was carried out
	Text  string     // by the receiver, on what is wrong; may be empty
}

// Err returns nil if the request was carried out, else an error that wraps the
// Errno.
func (a Answer) Err() error {
	switch {
	case a.Errno == 0:
		return nil
	case a.Text != "":
		return fmt.Errorf("%w: %s", a.Errno, a.Text)
	}
	return a.Errno
}

// ParseAnswer reads a message of type NLMSG_ERROR.
func ParseAnswer(m Message) (Answer, error) {
	const errnoSize = 4
	b := m.Body
	if len(b) < errnoSize+headerSize {
		return Answer{}, ErrLength
	}
	errno := -int64(int32(order.Uint32(b)))
	if errno < 0 {
		return Answer{}, errors.New("an errno above 0")
	}
	a := Answer{Errno: unix.Errno(errno)}
	if m.Flags&unix.NLM_F_ACK_TLVS == 0 {
		return a, nil
	}
	b = b[errnoSize:]
	request := headerSize // the request that is answered, or its header alone
	if m.Flags&unix.NLM_F_CAPPED == 0 {
		length := order.Uint32(b)
		if length < headerSize || uint64(length) > uint64(len(b)) {
			return Answer{}, ErrLength
		}
		request = min(Align(int(length)), len(b))
	}
	for attr, err := range Attributes(b[request:]).Each {
		switch {
		case err == ErrLength:
			return Answer{}, err
		case err == nil && attr.Type == unix.NLMSGERR_ATTR_MSG:
			a.Text = attr.Text()
		}
	}
	return a, nil
}

// ErrChanged says that a dump is of no use: what it lists has changed
// meanwhile (NLM_F_DUMP_INTR).
var ErrChanged = errors.New("it changed meanwhile")

// Ask sends a request to the kernel and yields the messages of the answer: one,
// or with NLM_F_DUMP all of a list. An error comes last. A list that the caller
// gives up is received to its end, because the kernel makes one at a time and
// answers EBUSY until then. The socket must have been opened with a Timeout, and
// be a member of no group. A Message is valid until the next.
func (s *Socket) Ask(request Message) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		s.seq++
		request.Seq = s.seq
		err := s.Send(request.Append(nil), 0, 0)
		for err == unix.EINTR {
			err = s.Send(request.Append(nil), 0, 0)
		}
		if err != nil {
			yield(Message{}, os.NewSyscallError("sendto", err))
			return
		}
		a := answers{seq: s.seq}
		for !a.over {
			b, err := a.receive(s.FD)
			if err != nil {
				a.end(os.NewSyscallError("recvmsg", err), yield)
				return
			}
			a.each(b, yield)
		}
	}
}

// answers is how far the answer to a request has come.
type answers struct {
	Receiver
	seq     uint32
	changed bool
	over    bool
	givenUp bool // by the caller, who must not be called again
}

// receive returns the kernel's next datagram.
func (a *answers) receive(fd int) ([]byte, error) {
	for {
		b, from, err := a.Receive(fd)
		if err == unix.EINTR || err == nil && from.Port != 0 {
			continue
		}
		return b, err
	}
}

// each yields the messages of a datagram that belong to the answer.
func (a *answers) each(b []byte, yield func(Message, error) bool) {
	for m, err := range Datagram(b).Each {
		if err == nil && m.Seq != a.seq { // the rest of an answer that was given up
			continue
		}
		wanted := false
		if err == nil {
			wanted, err = a.take(m)
		}
		if err != nil {
			a.end(err, yield)
			return
		}
		if wanted && !a.givenUp {
			a.givenUp = !yield(m, nil)
		}
		if a.over {
			return
		}
	}
}

// end ends the answer by an error.
func (a *answers) end(err error, yield func(Message, error) bool) {
	a.over = true
	if !a.givenUp {
		yield(Message{}, err)
	}
}

// take looks at one message of the answer: whether it is a wanted one, whether
// the answer is over, and whether it is an error.
func (a *answers) take(m Message) (wanted bool, err error) {
	a.changed = a.changed || m.Flags&unix.NLM_F_DUMP_INTR != 0
	switch m.Type {
	case unix.NLMSG_NOOP:
		return false, nil
	case unix.NLMSG_ERROR:
		a.over = true
		answer, err := ParseAnswer(m)
		if err == nil {
			err = answer.Err()
		}
		return false, err
	case unix.NLMSG_DONE:
		a.over = true
		if a.changed {
			return false, ErrChanged
		}
		return false, doneError(m.Body)
	}
	a.over = m.Flags&unix.NLM_F_MULTI == 0
	return true, nil
}

// doneError returns the error in the body of NLMSG_DONE, which ends a dump that
// has failed half-way as well.
func doneError(body []byte) error {
	if len(body) < 4 || int32(order.Uint32(body)) >= 0 {
		return nil
	}
	return unix.Errno(-int32(order.Uint32(body)))
}
