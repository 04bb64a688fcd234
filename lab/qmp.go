// SPDX-License-Identifier: MIT

// QMP: the protocol by which we have QEMU plug, unplug and press.

package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
)

// A qmp is a client of QEMU's control socket.
type qmp struct {
	socket io.ReadWriteCloser
	lost   chan struct{}
	begun  chan struct{} // closed at QEMU's greeting

	mu      sync.Mutex // guards what follows, and keeps commands whole on the socket
	last    int
	pending map[int]chan qmpReply
	removed map[string]chan struct{} // closed when the device with this id has gone
	err     error
}

// A qmpReply is any message of QEMU's: the reply to a command, an event, or the greeting.
type qmpReply struct {
	ID     int             `json:"id"`
	Return json.RawMessage `json:"return"`
	Error  *struct {
		Class       string `json:"class"`
		Description string `json:"desc"`
	} `json:"error"`
	Event string `json:"event"`
	Data  struct {
		Device string `json:"device"`
	} `json:"data"`
	Greeting *struct{} `json:"QMP"`
}

func newQMP(socket io.ReadWriteCloser) *qmp {
	return &qmp{
		socket:  socket,
		lost:    make(chan struct{}),
		begun:   make(chan struct{}),
		pending: map[int]chan qmpReply{},
		removed: map[string]chan struct{}{},
	}
}

// read hands out what QEMU says until it says no more.
func (q *qmp) read() {
	messages := json.NewDecoder(q.socket)
	for {
		var m qmpReply
		if err := messages.Decode(&m); err != nil {
			q.lose(err)
			return
		}
		q.handle(m)
	}
}

func (q *qmp) handle(m qmpReply) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case m.Greeting != nil:
		close(q.begun)
	case m.Event == "DEVICE_DELETED":
		if gone := q.removed[m.Data.Device]; gone != nil {
			close(gone)
			delete(q.removed, m.Data.Device)
		}
	case m.Event == "" && q.pending[m.ID] != nil:
		q.pending[m.ID] <- m
		delete(q.pending, m.ID)
	}
}

func (q *qmp) lose(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.err = ErrEnded
	if !errors.Is(err, io.EOF) {
		q.err = fmt.Errorf("%w: %w", ErrEnded, err)
	}
	close(q.lost)
}

func (q *qmp) close() error { return q.socket.Close() }

// negotiate waits for the greeting and leaves the mode in which QEMU takes no commands.
func (q *qmp) negotiate(ctx context.Context) error {
	select {
	case <-q.begun:
	case <-q.lost:
		return q.err
	case <-ctx.Done():
		return fmt.Errorf("await QEMU's greeting: %w", ctx.Err())
	}
	return q.execute(ctx, "qmp_capabilities", nil)
}

// arguments are those of a QMP command.
type arguments map[string]any

// execute runs a command whose answer does not matter.
func (q *qmp) execute(ctx context.Context, command string, a arguments) error {
	_, err := q.ask(ctx, command, a)
	return err
}

// ask runs a command and returns its answer.
func (q *qmp) ask(ctx context.Context, command string, a arguments) (json.RawMessage, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	reply, err := q.send(command, a)
	if err != nil {
		return nil, err
	}
	select {
	case m := <-reply:
		if m.Error != nil {
			return nil, fmt.Errorf("%s: %s", command, m.Error.Description)
		}
		return m.Return, nil
	case <-q.lost:
		return nil, fmt.Errorf("%s: %w", command, q.err)
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: %w", command, ctx.Err())
	}
}

// monitor runs a command of the monitor for people and returns what it prints.
func (q *qmp) monitor(ctx context.Context, command string) (said string, err error) {
	answer, err := q.ask(ctx, "human-monitor-command", arguments{"command-line": command})
	if err != nil {
		return "", err
	}
	err = json.Unmarshal(answer, &said)
	return said, err
}

// send writes a command and returns where its reply will come.
func (q *qmp) send(command string, a arguments) (<-chan qmpReply, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.last++
	message := map[string]any{"execute": command, "id": q.last}
	if a != nil {
		message["arguments"] = a
	}
	line, err := json.Marshal(message)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", command, err)
	}
	reply := make(chan qmpReply, 1)
	q.pending[q.last] = reply
	if _, err := q.socket.Write(append(line, '\n')); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", command, ErrEnded, err)
	}
	return reply, nil
}

// remove takes a device out and waits until QEMU has let go of it.
func (q *qmp) remove(ctx context.Context, id string) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	gone := make(chan struct{})
	q.mu.Lock()
	q.removed[id] = gone
	q.mu.Unlock()
	if err := q.execute(ctx, "device_del", arguments{"id": id}); err != nil {
		return err
	}
	select {
	case <-gone:
		return nil
	case <-q.lost:
		return q.err
	case <-ctx.Done():
		return fmt.Errorf("await the removal of %s: %w", id, ctx.Err())
	}
}
