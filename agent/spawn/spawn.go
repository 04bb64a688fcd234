// SPDX-License-Identifier: MIT

// Package spawn is the one place that starts programs, and follows them and
// their process groups to the end.
//
// Why not os/exec: the agent may run with signals blocked in all its threads,
// so that signals sent to the process stay queued for its signalfd. A program
// must start with no signal blocked all the same, and package os has no word
// for that: its children get the mask of the thread that starts them, and a
// thread that unblocks the signals around each start swallows half of them
// when starts are many. Here a new process shares our memory and runs nothing
// but a table of system calls, which ends with clearing the mask and execve:
// see calls.go. That is faster, too, since no page table is copied, and the
// thread that starts a program need not wait until it runs. So the loop's
// thread itself does it: handing the start to another thread costs more than
// the start.
package spawn

import (
	"cmp"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/agent/account"
	"reflexd/sources"
)

// defaultKillAfter is how long a program may take to end after SIGTERM.
const defaultKillAfter = 5 * time.Second

// openFiles is the soft limit of open descriptors that programs get, the
// kernel's default. Go's runtime raises the agent's own to the hard limit, and
// programs that use select(2), or close all that could be open, fare badly
// with that. What it was before is not known any more.
const openFiles = 1024

// Spec says what to start and how.
type Spec struct {
	// Argv is the program and its arguments. A program's name without a slash
	// is looked for in the PATH of its environment, relative entries
	// excepted.
	Argv []string
	// Shown is Argv for whoever asks what runs; nil if nothing of it is secret.
	Shown []string
	// Env is the environment, as KEY=value. User replaces HOME, USER,
	// LOGNAME, SHELL and XDG_RUNTIME_DIR in it, and Set replaces anything.
	Env, Set []string
	// Dir is where it starts, and PWD in its environment; "" is where we are.
	Dir string
	// User and Group are whom it runs as, by name or number; "" for no
	// change. User brings its groups with it; Group replaces its main one.
	User, Group string
	// Stdin is the text of its standard input; nil is /dev/null.
	Stdin  *string
	Limits Limits
	// Timeout is how long it, and descendants that hold its output, may run;
	// 0 for no bound.
	Timeout time.Duration
	// KillAfter is how long after SIGTERM its process group gets SIGKILL; 0
	// for 5 s.
	KillAfter time.Duration
	// Output is called with each line of its standard output and error,
	// without newline, as valid UTF-8 without control characters other than
	// tab (they, and bytes that are none, come as \x1b, \u202e). Lines over
	// 1,024 bytes come in pieces with … where they were cut; what exceeds 200
	// lines at once or 50 lines/s is dropped, and a line says how much. line
	// is valid during the call. Without Output it writes to /dev/null.
	Output func(line []byte)
}

// Starter starts programs and follows them to their end. All its methods and
// those of its children are for the loop's thread only, and none of them
// blocks.
type Starter struct {
	// Prepare, if not nil, is called before each program starts, on the loop's
	// thread, and may take its time at the first.
	Prepare func()

	loop     sources.Loop
	log      *slog.Logger
	null     int // /dev/null
	setting  setting
	chunk    []byte
	children map[*Child]struct{} // until nothing is left of them
}

// Before is what the agent was started with, of what it has changed for itself
// since: programs get that. What is nil was not changed.
type Before struct {
	Pending  *unix.Rlimit    // RLIMIT_SIGPENDING
	Priority *unix.SchedAttr // of the loop's thread
}

// GiveBack has programs start with what was before.
func (s *Starter) GiveBack(before Before) { s.setting.before = before }

// New returns a Starter whose children are watched by loop. Signals that the
// agent ignores, SIGHUP, SIGINT and SIGPIPE excepted, must be ignored by the first
// start, or programs will ignore them too.
func New(loop sources.Loop, log *slog.Logger) (*Starter, error) {
	null, err := above2(unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0))
	if err != nil {
		return nil, fmt.Errorf("open /dev/null: %w", err)
	}
	s := &Starter{
		loop: loop, log: log, null: null,
		setting: setting{clone3: true},
		chunk:   make([]byte, chunkSize), children: map[*Child]struct{}{},
	}
	limit := &s.setting.limit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, limit); err != nil {
		unix.Close(null)
		return nil, fmt.Errorf("read RLIMIT_NOFILE: %w", err)
	}
	limit.Cur = min(limit.Cur, openFiles)
	return s, nil
}

// Start starts a program. ended is called once when it has ended, after the
// last of its own lines went to Output, or when it could not be started, but
// never from within Start. Descendants that hold its output are followed
// further, for the rest of the timeout: their lines come after ended.
//
// With a User or Group the process is made a little later, since looking them
// up reads files.
func (s *Starter) Start(spec Spec, ended func(Result)) *Child {
	if s.Prepare != nil {
		s.Prepare()
	}
	c := &Child{starter: s, spec: spec, ended: ended}
	c.result.Timeout = spec.Timeout
	if c.spec.KillAfter <= 0 {
		c.spec.KillAfter = defaultKillAfter
	}
	s.children[c] = struct{}{}
	if spec.User == "" && spec.Group == "" {
		c.launch(&account.Account{}, nil)
		return c
	}
	var who account.Account
	var err error
	s.loop.Beside(
		func() { who, err = account.Find("", spec.User, spec.Group) },
		func() { c.launch(&who, err) })
	return c
}

// Running is a program that runs.
type Running struct {
	Pid  int           `json:"pid"`
	Argv []string      `json:"argv"`
	For  time.Duration `json:"ns"` // since its start
}

// Running lists the programs that run, the oldest first.
func (s *Starter) Running() []Running {
	var running []*Child
	for c := range s.children {
		if c.pid != 0 && !c.gone {
			running = append(running, c)
		}
	}
	slices.SortFunc(running, func(a, b *Child) int {
		return cmp.Or(cmp.Compare(a.started, b.started), cmp.Compare(a.pid, b.pid))
	})
	var list []Running
	for _, c := range running {
		argv := c.spec.Shown
		if argv == nil {
			argv = c.spec.Argv
		}
		list = append(list, Running{c.pid, argv, s.loop.Now() - c.started})
	}
	return list
}

// Left is the number of programs of which something is left: one that runs or
// is being started, a process group that is being killed, or descendants that
// hold the output.
func (s *Starter) Left() int { return len(s.children) }

// StopAll stops all programs and what they left behind: SIGTERM now, SIGKILL
// after the KillAfter of each.
func (s *Starter) StopAll() {
	for c := range s.children {
		c.Stop()
	}
}

// KillAll sends SIGKILL to all that is left.
func (s *Starter) KillAll() {
	for c := range s.children {
		c.Stop()
		c.kill()
	}
}

// Close kills all that is left and lets go of it: no further call is made to
// anyone. Ended processes become those of process 1 when the agent exits.
func (s *Starter) Close() {
	s.KillAll()
	for c := range s.children {
		c.letGo()
	}
	s.setting.cells.close()
	unix.Close(s.null)
}
