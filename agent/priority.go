// SPDX-License-Identifier: MIT

// The priority of the loop's thread. Between an edge and the output that it
// sets, the Go runtime wakes another thread of ours, and a busy program of
// ordinary priority on the same processor then runs first: see sched(7).

package agent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"reflexd/config"
	"reflexd/sources"
)

// The values of the key `priority`.
const (
	normalPriority = "normal"
	highPriority   = "high"
)

// highNice is the nice value of the loop's thread at high priority. It makes no
// difference to a machine with processors to spare, and does not starve others
// as real-time priorities can.
const highNice = -10

// priority is what is in force.
type priority struct {
	before int // nice of the thread when it started
	now    int
	err    error // why it is not what the configuration asks for
}

// begin notes what the calling thread, the loop's, has.
func (p *priority) begin() {
	if kernel, err := unix.Getpriority(unix.PRIO_PROCESS, unix.Gettid()); err == nil {
		p.before = 20 - kernel // getpriority(2): the system call returns no negative values
	}
	p.now = p.before
}

// usePriority gives the calling thread, the loop's, the priority of c. The
// right to a high one is root's, or comes with CAP_SYS_NICE or RLIMIT_NICE.
// Without it, the thread keeps its own, which is only worth a warning if
// somebody asked for a high one.
func (a *Agent) usePriority(c *Configuration) {
	p := &a.priority
	want := p.before
	if c.priority != normalPriority {
		want = min(highNice, p.before)
	}
	if want == p.now {
		p.err = nil
		return
	}
	err := unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), want)
	if err == nil {
		p.now = want
		shareAutogroup(a.opts.Proc, want)
	}
	p.err = sources.PathError("set", "nice "+strconv.Itoa(want)+" for the loop's thread", err)
	if err != nil && c.priority == highPriority {
		a.log.Warn("the priority is not raised", "error", p.err)
	}
}

// shareAutogroup gives our session the nice value too, if it is ours alone.
// Where the kernel shares the processors among sessions first
// (CONFIG_SCHED_AUTOGROUP), a thread's own counts among those of its session.
func shareAutogroup(proc string, nice int) {
	if sid, err := unix.Getsid(0); err == nil && sid == os.Getpid() {
		_ = os.WriteFile(filepath.Join(proc, "self/autogroup"), []byte(strconv.Itoa(nice)), 0)
	}
}

// state shows the priority in `reflexd status`.
func (p *priority) state() sources.State {
	s := sources.State{Name: "priority", Detail: fmt.Sprintf("nice %d", p.now), OK: true}
	if p.err != nil {
		s.Detail += ", " + p.err.Error()
	}
	return s
}

// examinePriority reports the priority of the running agent, if it is not what
// the configuration asks for.
func (c *Configuration) examinePriority(x *sources.Report) {
	if x.Pid == 0 || c.priority == normalPriority {
		return
	}
	nice, err := niceOf(x.Path("/proc"), x.Pid)
	if err == nil && nice > highNice {
		x.Note(&config.Pos{File: c.Files[0]}, "priority", fmt.Sprintf("the loop's thread of the running agent has nice %d: a busy program can delay rules", nice),
			"run it as root, or with LimitNICE=-10 in its unit")
	}
}

// niceOf reads the nice value of a process's main thread: proc_pid_stat(5).
func niceOf(proc string, pid int) (int, error) {
	text, err := os.ReadFile(filepath.Join(proc, strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0, err
	}
	name := strings.LastIndexByte(string(text), ')') // which may itself hold anything
	fields := strings.Fields(string(text[name+1:]))
	const nice = 16 // state is 0
	if len(fields) <= nice {
		return 0, errors.New("stat is cut off")
	}
	return strconv.Atoi(fields[nice])
}
