// SPDX-License-Identifier: MIT

// The server: a goroutine a request, so that a wait never holds up a key press.

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/lab/wire"
)

type server struct {
	r         *wire.Reader
	w         *wire.Writer
	processes *processes

	mu      sync.Mutex // guards pending
	pending map[uint64]context.CancelFunc
}

func newServer(port io.ReadWriter, programs *processes) *server {
	return &server{
		r:         wire.NewReader(patientReader{port}),
		w:         wire.NewWriter(port),
		processes: programs,
		pending:   map[uint64]context.CancelFunc{},
	}
}

// A patientReader takes an end of file for a pause: a virtio port reads so until the host's end is announced.
type patientReader struct{ r io.Reader }

func (p patientReader) Read(b []byte) (int, error) {
	for {
		n, err := p.r.Read(b)
		if n > 0 || err != nil && !errors.Is(err, io.EOF) {
			return n, err
		}
		time.Sleep(pollEvery)
	}
}

// serve answers requests until the port fails.
func (s *server) serve() error {
	for {
		var request wire.Request
		err := s.r.Read(&request)
		var bad *wire.FrameError
		switch {
		case errors.As(err, &bad):
			if err := s.w.Write(wire.Reply{Error: bad.Error()}); err != nil {
				return err
			}
		case err != nil:
			return fmt.Errorf("read request: %w", err)
		case request.Cancel != 0:
			s.cancel(request.Cancel)
		default:
			s.begin(request)
		}
	}
}

// begin answers a request in a goroutine of its own, which cancel ends early.
func (s *server) begin(request wire.Request) {
	ctx, cancel := context.WithCancel(context.Background())
	s.mu.Lock()
	s.pending[request.ID] = cancel
	s.mu.Unlock()
	go func() {
		defer s.cancel(request.ID)
		reply, err := s.answer(ctx, request)
		if err != nil {
			reply.Error = err.Error()
		}
		reply.ID = request.ID
		if err := s.w.Write(reply); err != nil {
			fmt.Fprintf(os.Stderr, "lab: %v\n", err)
		}
	}()
}

func (s *server) cancel(id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cancel := s.pending[id]; cancel != nil {
		cancel()
		delete(s.pending, id)
	}
}

// answer does what a request asks for.
func (s *server) answer(ctx context.Context, r wire.Request) (reply wire.Reply, err error) {
	switch {
	case r.Run != nil:
		reply.Exit, err = s.processes.run(ctx, r.Run)
	case r.Start != nil:
		reply.PID, err = s.start(r.Start)
	case r.Wait != nil:
		reply.Exit, err = s.wait(ctx, r.Wait)
	case r.Signal != nil:
		err = sendSignal(r.Signal)
	case r.Read != nil:
		reply.Data, err = readFrom(r.Read.Path, r.Read.Offset)
	case r.Steps != nil:
		err = takeSteps(ctx, r.Steps)
	case r.Await != nil:
		return await(ctx, r.Await)
	case r.Resume != nil:
		reply.Hello, err = hello(), resume(r.Resume)
	case r.Unpack != nil:
		err = s.processes.unpack(ctx, r.Unpack)
	case r.Halt:
		err = halt()
	default:
		err = errors.New("the request asks for nothing that is known here")
	}
	return reply, err
}

func (s *server) start(r *wire.Start) (int, error) {
	child, err := s.processes.background(r)
	if err != nil {
		return 0, err
	}
	return child.pid, nil
}

func (s *server) wait(ctx context.Context, r *wire.Wait) (*wire.Exit, error) {
	child, err := s.processes.find(r.PID)
	if err != nil {
		return nil, err
	}
	return child.wait(ctx), nil
}

func sendSignal(r *wire.Signal) error {
	if err := syscall.Kill(r.PID, syscall.Signal(r.Signal)); err != nil {
		return fmt.Errorf("signal %d to process %d: %w", r.Signal, r.PID, err)
	}
	return nil
}

func halt() error {
	unix.Sync()
	if err := unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF); err != nil {
		return fmt.Errorf("power off: %w", err)
	}
	return nil
}
