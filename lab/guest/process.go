// SPDX-License-Identifier: MIT

// Programs: starting them and collecting every child's end, adopted orphans' too, as only process 1 must.

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"reflexd/lab/wire"
)

// processes knows the programs that were started. os/exec would collect its children itself and so lose them to, or
// be robbed by, a process 1 that waits for all.
type processes struct {
	mu    sync.Mutex // held from fork to entry in the map, so that no end comes before its process is known
	known map[int]*process
}

// A process is a program that was started. Status may be read when ended is closed.
type process struct {
	pid    int
	ended  chan struct{}
	status syscall.WaitStatus
}

// newProcesses starts the goroutine that collects ended children; like its owner it lives as long as the guest.
func newProcesses() *processes {
	p := &processes{known: map[int]*process{}}
	childEnded := make(chan os.Signal, 1)
	signal.Notify(childEnded, syscall.SIGCHLD)
	go func() {
		for range childEnded {
			p.collect()
		}
	}()
	return p
}

// collect takes leave of all children that have ended: one SIGCHLD may stand for many.
func (p *processes) collect() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		if child := p.known[pid]; child != nil && !child.hasEnded() {
			child.status = status
			close(child.ended)
		}
	}
}

func (c *process) hasEnded() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// start starts a program in a session of its own.
func (p *processes) start(r *wire.Run, stdin, stdout, stderr *os.File) (*process, error) {
	if len(r.Args) == 0 {
		return nil, errors.New("start: no program named")
	}
	path, err := exec.LookPath(r.Args[0])
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	pid, err := syscall.ForkExec(path, r.Args, &syscall.ProcAttr{
		Dir:   r.Dir,
		Env:   append(os.Environ(), r.Env...),
		Files: []uintptr{stdin.Fd(), stdout.Fd(), stderr.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	child := &process{pid: pid, ended: make(chan struct{})}
	p.known[pid] = child
	return child, nil
}

// run starts a program and waits for its end. Its output goes to files in memory rather than pipes, so that a
// descendant that keeps them open does not keep us waiting.
func (p *processes) run(ctx context.Context, r *wire.Run) (*wire.Exit, error) {
	var files [3]*os.File
	for i, name := range []string{"stdin", "stdout", "stderr"} {
		f, err := memoryFile(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		files[i] = f
	}
	if _, err := files[0].WriteAt(r.Stdin, 0); err != nil {
		return nil, err
	}
	child, err := p.start(r, files[0], files[1], files[2])
	if err != nil {
		return nil, err
	}
	exit := child.wait(ctx)
	if exit.Cancelled {
		syscall.Kill(-child.pid, syscall.SIGKILL)
		exit = child.wait(context.Background())
		exit.Cancelled = true
	}
	if exit.Stdout, err = whole(files[1]); err != nil {
		return nil, err
	}
	exit.Stderr, err = whole(files[2])
	return exit, err
}

// background starts a program whose output goes to a file, made or emptied first.
func (p *processes) background(r *wire.Start) (*process, error) {
	stdin, err := memoryFile("stdin")
	if err != nil {
		return nil, err
	}
	defer stdin.Close()
	if _, err := stdin.WriteAt(r.Stdin, 0); err != nil {
		return nil, err
	}
	output, err := os.OpenFile(r.Output, os.O_CREATE|os.O_WRONLY|os.O_APPEND|os.O_TRUNC, 0o644)
	if err != nil {
		return nil, err
	}
	defer output.Close()
	return p.start(&r.Run, stdin, output, output)
}

// wait waits until the process ends or ctx does.
func (c *process) wait(ctx context.Context) *wire.Exit {
	select {
	case <-c.ended:
	case <-ctx.Done():
		return &wire.Exit{Cancelled: true}
	}
	exit := &wire.Exit{Code: c.status.ExitStatus()}
	if c.status.Signaled() {
		exit.Signal = int(c.status.Signal())
	}
	return exit
}

// find returns the process with the given PID.
func (p *processes) find(pid int) (*process, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if child := p.known[pid]; child != nil {
		return child, nil
	}
	return nil, fmt.Errorf("wait for process %d: none was started", pid)
}

func memoryFile(name string) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make file in memory: %w", err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// maxOutput is the most that is sent of a file or a program's output: it must fit a message twice over, in base64.
const maxOutput = wire.MaxLine / 4

// whole returns all that was written to f.
func whole(f *os.File) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > maxOutput {
		return nil, fmt.Errorf("read %s: %d bytes are too many for the line to the host", f.Name(), info.Size())
	}
	return io.ReadAll(io.NewSectionReader(f, 0, info.Size()))
}
