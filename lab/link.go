// SPDX-License-Identifier: MIT

// The line to the guest's process 1: requests go out with ids, replies find their callers by them.

package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"reflexd/lab/wire"
)

// ErrEnded is what every call returns when the board has gone.
var ErrEnded = errors.New("the board has ended")

// A link is the host's end of the line.
type link struct {
	socket io.ReadWriteCloser
	r      *wire.Reader
	w      *wire.Writer
	hello  chan wire.Hello // has room for the one that comes
	lost   chan struct{}   // closed when nothing more can come

	mu      sync.Mutex // guards what follows
	last    uint64
	pending map[uint64]chan wire.Reply
	err     error // why lost is closed
}

func newLink(socket io.ReadWriteCloser) *link {
	return &link{
		socket:  socket,
		r:       wire.NewReader(socket),
		w:       wire.NewWriter(socket),
		hello:   make(chan wire.Hello, 1),
		lost:    make(chan struct{}),
		pending: map[uint64]chan wire.Reply{},
	}
}

// read hands out replies until the line is lost.
func (l *link) read() {
	for greeted := false; ; {
		var reply wire.Reply
		err := l.r.Read(&reply)
		var noise *wire.FrameError
		switch {
		case errors.As(err, &noise) && !greeted:
			continue // what the port said before the guest had it
		case err != nil:
			l.lose(err)
			return
		case reply.Hello != nil && reply.ID == 0:
			greeted = true
			l.hello <- *reply.Hello
		case reply.ID == 0:
			l.lose(fmt.Errorf("the guest complains: %s", reply.Error))
			return
		default:
			greeted = true // a saved state has its greeting behind it
			l.deliver(reply)
		}
	}
}

func (l *link) deliver(reply wire.Reply) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if caller := l.pending[reply.ID]; caller != nil {
		caller <- reply
		delete(l.pending, reply.ID)
	}
}

// lose ends all calls, now and later.
func (l *link) lose(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = ErrEnded
	if !errors.Is(err, io.EOF) {
		l.err = fmt.Errorf("%w: %w", ErrEnded, err)
	}
	close(l.lost)
}

func (l *link) close() error { return l.socket.Close() }

// awaitHello waits until the guest is up.
func (l *link) awaitHello(ctx context.Context) (wire.Hello, error) {
	select {
	case hello := <-l.hello:
		return hello, nil
	case <-l.lost:
		return wire.Hello{}, l.err
	case <-ctx.Done():
		return wire.Hello{}, fmt.Errorf("await the guest's hello: %w", ctx.Err())
	}
}

// cancelPatience is how long a guest that was asked to give up may take to say how far it had come.
const cancelPatience = 10 * time.Second

// call sends a request and waits for its reply. When ctx ends first, the guest is asked to give up and its reply
// comes together with ctx's error.
func (l *link) call(ctx context.Context, r wire.Request) (wire.Reply, error) {
	if err := ctx.Err(); err != nil {
		return wire.Reply{}, err
	}
	caller := make(chan wire.Reply, 1)
	l.mu.Lock()
	l.last++
	r.ID = l.last
	l.pending[r.ID] = caller
	l.mu.Unlock()
	if err := l.w.Write(r); err != nil {
		return wire.Reply{}, fmt.Errorf("%w: %w", ErrEnded, err)
	}
	select {
	case reply := <-caller:
		return reply, replyError(reply)
	case <-l.lost:
		return wire.Reply{}, l.err
	case <-ctx.Done():
		return l.giveUp(r.ID, caller), ctx.Err()
	}
}

// giveUp cancels a request and returns what the guest has to say of it.
func (l *link) giveUp(id uint64, caller <-chan wire.Reply) wire.Reply {
	if err := l.w.Write(wire.Request{Cancel: id}); err != nil {
		return wire.Reply{}
	}
	patience := time.NewTimer(cancelPatience)
	defer patience.Stop()
	select {
	case reply := <-caller:
		return reply
	case <-l.lost:
	case <-patience.C:
	}
	return wire.Reply{}
}

func replyError(reply wire.Reply) error {
	if reply.Error == "" {
		return nil
	}
	return errors.New(reply.Error)
}
