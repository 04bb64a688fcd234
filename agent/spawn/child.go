// SPDX-License-Identifier: MIT

// Child: one program from its start to the end of its process group.

package spawn

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/agent/account"
	"reflexd/sources"
)

// firstLook is the pause before the second look at what is left of a group
// that was asked to end; each further pause is twice as long.
const firstLook = 10 * time.Millisecond

// Child is a program that was started, or is about to be.
//
// Its process group bears the process's number, which the kernel may give
// away again once the process is reaped. So as long as the group may still
// have to be signalled, the process stays a zombie.
type Child struct {
	starter *Starter
	spec    Spec
	ended   func(Result)
	result  Result

	program *program
	cell    *cell // nil without a cgroup of its own
	pid     int   // 0 before the start
	pidfd   int
	watch   sources.Watch // of pidfd, until it reports the end
	output  *output       // nil without
	started time.Duration // CLOCK_MONOTONIC

	timeout sources.Timer // nil without
	killing sources.Timer // from SIGTERM to SIGKILL, and then to the complaint
	looking sources.Timer // between two looks at the group

	gone       bool // the process has ended (or never began)
	reported   bool // ended was called
	terminated bool // the group was sent SIGTERM
	killed     bool // … and SIGKILL
	reaped     bool
	over       bool // nothing is left
}

// launch makes the process, when it is known whom to run it as.
func (c *Child) launch(who *account.Account, err error) {
	if c.over {
		return
	}
	if err == nil && !c.result.Stopped {
		err = c.start(who)
	}
	if err != nil || c.result.Stopped {
		c.result.Err, c.gone, c.reaped = err, true, true
		c.starter.loop.After(0, c.advance)
	}
}

func (c *Child) start(who *account.Account) error {
	if len(c.spec.Argv) == 0 || c.spec.Argv[0] == "" {
		return errors.New("start: no program named")
	}
	io, err := c.starter.openStdio(&c.spec, who)
	if err != nil {
		return fmt.Errorf("start %s: %w", c.spec.Argv[0], err)
	}
	defer io.close()
	if err := c.startWith(&io, who); err != nil {
		c.closeOutput(io.read)
		return err
	}
	return nil
}

func (c *Child) startWith(io *stdio, who *account.Account) (err error) {
	loop := c.starter.loop
	if io.read >= 0 {
		c.output, err = newOutput(loop, io.read, c.starter.chunk, c.spec.Output, c.advance)
		if err != nil {
			return fmt.Errorf("start %s: %w", c.spec.Argv[0], err)
		}
	}
	if c.program, err = newProgram(&c.spec, who, io.in, io.out, &c.starter.setting); err != nil {
		return err
	}
	c.program.cell = c.starter.takeCell()
	c.cell = c.program.cell
	if err := c.program.limitCell(); err != nil {
		c.dropCell()
		return err
	}
	c.started = loop.Now()
	pid, pidfd, err := c.program.start()
	if c.program.cell != c.cell {
		c.starter.giveUpCells(errors.New("the kernel cannot start processes in it"))
		c.dropCell()
	}
	if err != nil {
		c.dropCell()
		return err
	}
	return c.follow(pid, pidfd)
}

// follow watches the new process.
func (c *Child) follow(pid, pidfd int) error {
	loop := c.starter.loop
	watch, err := loop.Watch(pidfd, unix.EPOLLIN, c.leaderEnded)
	if err != nil {
		// The kernel is out of memory, or the user's count of watches is.
		_ = signalGroup(pid, pidfd, unix.SIGKILL)
		c.dropCell()
		loop.Beside(func() { _, _ = waitid(pidfd, 0) }, func() {
			unix.Close(pidfd)
			runtime.KeepAlive(c.program)
		})
		return fmt.Errorf("start %s: %w", c.spec.Argv[0], err)
	}
	c.pid, c.pidfd, c.watch, c.result.Pid = pid, pidfd, watch, pid
	if c.spec.Timeout > 0 {
		c.timeout = loop.After(c.spec.Timeout, c.timeOut)
	}
	return nil
}

func (c *Child) closeOutput(fd int) {
	switch {
	case c.output != nil:
		c.output.close()
	case fd >= 0:
		unix.Close(fd)
	}
}

// leaderEnded is called when the process has ended.
func (c *Child) leaderEnded(uint32) {
	info, err := waitid(c.pidfd, unix.WNOWAIT|unix.WNOHANG)
	if err == nil && info.pid == 0 {
		return
	}
	c.watch.Close()
	c.result.Ran = c.starter.loop.Now() - c.started
	c.result.setStatus(&info)
	if err != nil { // somebody else reaped it
		c.result.Err = fmt.Errorf("wait for %s: %w", c.spec.Argv[0], err)
	}
	c.explainFailure(c.goOn)
}

// explainFailure finds out why the program was not started, if it was not,
// and then calls done.
func (c *Child) explainFailure(done func()) {
	p := c.program
	c.program = nil
	failure, missing := p.failure()
	if failure == nil {
		p.setting.over = p.table
		done()
		return
	}
	c.result.Err = failure
	if !missing {
		done()
		return
	}
	c.starter.loop.Beside(
		func() { failure = p.explain(failure) },
		func() { c.result.Err = failure; done() })
}

// goOn follows what the process left behind.
func (c *Child) goOn() {
	c.gone = true
	if c.output != nil {
		c.output.leaderEnded()
	}
	c.advance()
}

// advance does what is next after the end of the process; it is called
// whenever something changed.
func (c *Child) advance() {
	if !c.gone || c.over || c.output != nil && c.output.owed > 0 {
		return
	}
	c.followRest()
	if !c.reported {
		c.reported = true
		c.ended(c.result)
	}
}

// followRest decides what of the group must still be followed.
func (c *Child) followRest() {
	holdsOutput := c.output != nil && !c.output.closed
	switch {
	case c.killed || !c.terminated && !holdsOutput:
		c.letGo()
	case c.terminated:
		c.lookAtGroup(firstLook)
	case c.timeout == nil:
		c.reap()
	}
}

// lookAtGroup ends the matter if SIGTERM has ended the whole group, and else
// looks again, until SIGKILL ends it anyway.
func (c *Child) lookAtGroup(pause time.Duration) {
	if c.looking != nil {
		return
	}
	loop, more := c.starter.loop, true
	looked := func() {
		switch {
		case c.over:
		case more:
			c.looking = nil
			c.lookAtGroup(2 * pause)
		default:
			c.letGo()
		}
	}
	c.looking = loop.After(pause, func() {
		if c.cell != nil {
			more = c.cell.populated()
			looked()
			return
		}
		loop.Beside(func() { more = groupHasMore(c.pid) }, looked)
	})
}

// Pid is the process number, 0 as long as the start is under way.
func (c *Child) Pid() int { return c.pid }

// Stop ends the program with its process group: SIGTERM now, SIGKILL after
// KillAfter. One that is still being started is not started. After its end,
// Stop ends what it left behind.
func (c *Child) Stop() {
	if !c.gone {
		c.result.Stopped = true
	}
	c.terminate()
}

func (c *Child) timeOut() {
	c.timeout = nil
	if c.gone {
		c.starter.log.Info("timeout: ending what the program left behind",
			"program", c.spec.Argv[0], "pid", c.pid, "timeout", c.spec.Timeout)
	} else {
		c.result.TimedOut = true
	}
	c.terminate()
}

// terminate sends SIGTERM to the group, and sees to it that SIGKILL follows.
func (c *Child) terminate() {
	switch {
	case c.pid == 0 || c.terminated || c.over:
	case c.reaped && c.cell == nil:
		c.letGo()
	default:
		c.terminated = true
		c.signal(unix.SIGTERM)
		c.signal(unix.SIGCONT) // a stopped process takes its SIGTERM only then
		if c.cell != nil {
			c.cell.term(c.pid, c.reaped)
		}
		c.killing = c.starter.loop.After(c.spec.KillAfter, c.kill)
		c.advance()
	}
}

// kill sends SIGKILL to the group.
func (c *Child) kill() {
	if c.pid == 0 || c.killed || c.over {
		return
	}
	c.killed = true
	c.signal(unix.SIGKILL)
	if c.cell != nil {
		c.cell.kill()
	}
	sources.StopTimer(&c.killing)
	c.killing = c.starter.loop.After(c.spec.KillAfter, c.complain)
	c.advance()
}

func (c *Child) complain() {
	c.starter.log.Warn("program was killed but does not end: it hangs in the kernel",
		"program", c.spec.Argv[0], "pid", c.pid)
}

// signal sends s to the group. The group may be gone (ESRCH); other errors
// mean that the program runs with more rights than we have.
func (c *Child) signal(s unix.Signal) {
	if c.reaped { // the number may be somebody else's
		return
	}
	if err := signalGroup(c.pid, c.pidfd, s); err != nil && err != unix.ESRCH {
		c.starter.log.Warn("cannot signal program", "program", c.spec.Argv[0], "pid", c.pid,
			"signal", signalName(s), "error", err)
	}
}

// reap makes an end of the zombie. From then on there is no group to signal.
func (c *Child) reap() {
	if c.reaped {
		return
	}
	c.reaped = true
	_, _ = waitid(c.pidfd, unix.WNOHANG)
	unix.Close(c.pidfd)
}

// letGo closes and forgets everything.
func (c *Child) letGo() {
	if c.over {
		return
	}
	c.over = true
	delete(c.starter.children, c)
	sources.StopTimer(&c.timeout)
	sources.StopTimer(&c.killing)
	sources.StopTimer(&c.looking)
	if c.output != nil {
		c.output.close()
	}
	if c.pid != 0 {
		c.watch.Close()
		c.reap()
	}
	c.dropCell()
}

func (c *Child) dropCell() {
	if c.cell != nil {
		c.starter.setting.cells.put(c.cell)
		c.cell = nil
	}
}
