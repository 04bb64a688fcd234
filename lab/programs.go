// SPDX-License-Identifier: MIT

// Running programs on a board.

package lab

import (
	"context"
	"fmt"
	"strings"
	"syscall"

	"reflexd/lab/wire"
)

// A Command is a program to run on a board.
type Command struct {
	Args  []string
	Env   []string // added to the guest's
	Dir   string
	Stdin []byte // 24 KiB at most
}

// A Result is how a program ended.
type Result struct {
	Stdout, Stderr string
	Code           int            // -1 where a signal ended it
	Signal         syscall.Signal // 0 where none did
}

// Run runs a program to its end. A program that fails is no error of Run's. When ctx ends first, the program's
// session is killed, and the result has what it wrote until then.
func (b *Board) Run(ctx context.Context, c Command) (Result, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	run, err := c.request()
	if err != nil {
		return Result{}, err
	}
	reply, err := b.call(ctx, wire.Request{Run: &run})
	result := newResult(reply.Exit)
	if err != nil {
		return result, fmt.Errorf("run %s: %w%s", quoted(c.Args), err, result.said())
	}
	return result, nil
}

func (c Command) request() (wire.Run, error) {
	if len(c.Stdin) > wire.MaxChunk {
		return wire.Run{}, fmt.Errorf("run %s: %d bytes of input are too many: write a file", quoted(c.Args), len(c.Stdin))
	}
	return wire.Run{Args: c.Args, Env: c.Env, Dir: c.Dir, Stdin: c.Stdin}, nil
}

func newResult(exit *wire.Exit) Result {
	if exit == nil {
		return Result{}
	}
	return Result{
		Stdout: string(exit.Stdout), Stderr: string(exit.Stderr),
		Code: exit.Code, Signal: syscall.Signal(exit.Signal),
	}
}

// said is what a program wrote, in a form to append to an error.
func (r Result) said() string {
	text := strings.TrimSpace(r.Stdout + r.Stderr)
	if text == "" {
		return ""
	}
	return "\n" + text[max(0, len(text)-4000):]
}

// Output runs a program that must succeed and returns its standard output.
func (b *Board) Output(ctx context.Context, args ...string) (string, error) {
	result, err := b.Run(ctx, Command{Args: args})
	if err != nil {
		return result.Stdout, err
	}
	if result.Code != 0 {
		return result.Stdout, fmt.Errorf("%s: %s%s", quoted(args), result.ending(), result.said())
	}
	return result.Stdout, nil
}

func (r Result) ending() string {
	if r.Signal != 0 {
		return r.Signal.String()
	}
	return fmt.Sprintf("exit code %d", r.Code)
}

// Shell runs a script with /bin/sh; it must succeed.
func (b *Board) Shell(ctx context.Context, script string) (string, error) {
	return b.Output(ctx, "/bin/sh", "-c", script)
}

// A Process is a program that was left running on a board.
type Process struct {
	PID int
	Log *Log // its output

	board *Board
}

// Start starts a program and leaves it running, with its output, both streams, in a file of the guest's, which is
// made or emptied first.
func (b *Board) Start(ctx context.Context, c Command, output string) (*Process, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	run, err := c.request()
	if err != nil {
		return nil, err
	}
	reply, err := b.call(ctx, wire.Request{Start: &wire.Start{Run: run, Output: output}})
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", quoted(c.Args), err)
	}
	return &Process{PID: reply.PID, Log: b.Follow(output), board: b}, nil
}

// Signal sends the process a signal.
func (p *Process) Signal(ctx context.Context, s syscall.Signal) error {
	return p.board.Signal(ctx, p.PID, s)
}

// Wait waits for the process's end. The result has no output: that is in the Log.
func (p *Process) Wait(ctx context.Context) (Result, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	reply, err := p.board.call(ctx, wire.Request{Wait: &wire.Wait{PID: p.PID}})
	if err != nil {
		return Result{}, fmt.Errorf("wait for process %d: %w", p.PID, err)
	}
	return newResult(reply.Exit), nil
}

// Signal sends any process of the guest's a signal, or, where pid is negative, a process group.
func (b *Board) Signal(ctx context.Context, pid int, s syscall.Signal) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	_, err := b.call(ctx, wire.Request{Signal: &wire.Signal{PID: pid, Signal: int(s)}})
	return err
}

// quoted makes a command line readable in an error.
func quoted(args []string) string {
	words := make([]string, len(args))
	for i, arg := range args {
		if words[i] = arg; arg == "" || strings.ContainsAny(arg, " \t\n'\"$\\") {
			words[i] = fmt.Sprintf("%q", arg)
		}
	}
	return strings.Join(words, " ")
}
